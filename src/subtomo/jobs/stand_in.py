"""RELION's program names as links to this program, in a folder that comes first on PATH."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from subtomo.errors import InputError

PROGRAMS = (
    "relion_tomo_subtomo",
    "relion_tomo_subtomo_mpi",
    "relion_tomo_sample_manifold",
    "relion_tomo_make_optimisation_set",
)
"""Whose places are taken."""
EXTERNAL = "subtomo_refine"
"""An executable for External jobs, which take one without words of its own: ``subtomo refine``."""
_NAMES = (*PROGRAMS, EXTERNAL)
_COMMAND = "subtomo"


@dataclass(frozen=True)
class Found:
    """What a shell finds under the name of one of RELION's programs."""

    program: str
    path: str | None
    """None if there is nothing of that name."""
    is_stand_in: bool
    """Whether it leads to this package's command."""


def install(folder: str) -> list[Path]:
    """Put a link per program into a folder, which is made if it does not exist; links of ours are renewed.

    Raises:
        InputError: Something else has one of the names, or links cannot be made there; nothing is changed then.
    """
    target, links = command_script(), [Path(folder) / name for name in _NAMES]
    foreign = [link for link in links if os.path.lexists(link) and not _is_ours(link)]
    if foreign:
        raise InputError(f"{foreign[0]} is there already, and no link to {_COMMAND}; choose a folder of its own")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for link in links:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    except OSError as error:
        raise InputError(f"{folder}: no links can be made there ({error.strerror}); choose another folder") from error
    return links


def remove(folder: str) -> list[Path]:
    """Remove the links from a folder, and the folder if nothing else is in it; what is not ours stays.

    Raises:
        InputError: There is no such folder, or links cannot be removed.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"there is no folder {folder}")
    links = [place / name for name in _NAMES if _is_ours(place / name)]
    try:
        for link in links:
            link.unlink()
        if links and not any(place.iterdir()):
            place.rmdir()
    except OSError as error:
        raise InputError(f"{folder}: links cannot be removed ({error.strerror})") from error
    return links


def status() -> list[Found]:
    """Tell what a shell finds now under each program's name."""
    paths = {name: shutil.which(name) for name in PROGRAMS}
    return [Found(name, path, path is not None and _is_ours(Path(path))) for name, path in paths.items()]


def is_first(folder: str) -> bool:
    """Tell whether a shell finds all programs in this folder."""
    place = Path(folder).resolve()
    return all(found.path is not None and Path(found.path).parent.resolve() == place for found in status())


def command_script() -> Path:
    """Find the console script of this installation, which looks at the name that it is called by.

    Raises:
        InputError: There is none, for the package is not installed.
    """
    asked, beside = Path(sys.argv[0]), Path(sys.executable).with_name(_COMMAND)
    places = [Path(sysconfig.get_path("scripts")) / _COMMAND, beside]
    # also an installation for one user, whose scripts lie elsewhere
    places += [asked.resolve()] if asked.name == _COMMAND else []
    places += [Path(found)] if (found := shutil.which(_COMMAND)) else []
    script = next((place for place in places if os.access(place, os.X_OK) and place.is_file()), None)
    if script is None:
        raise InputError(f"the command {_COMMAND} is not found on PATH; install the package first")
    return Path(os.path.abspath(script))


def _is_ours(link: Path) -> bool:
    """Tell a link to the command, also to that of an installation that is gone, from everything else."""
    return link.is_symlink() and Path(os.readlink(link)).name == _COMMAND
