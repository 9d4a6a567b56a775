"""Which names can become files: below the output folder, apart from each other, and open to RELION."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from subtomo.errors import InputError, SettingsError
from subtomo.io.star_write import is_writable
from subtomo.words import invisible, shown, unencodable

_LONGEST_PATH = 4000
"""Bytes; systems allow 4096, and names of unfinished files are a little longer."""
UNOPENABLE = {
    ":": "which RELION takes for the beginning of a format",
    "%": "which RELION takes for the mark of raw data",
    "#": "which RELION takes for the mark of raw data",
}
"""Signs in file names after which RELION looks for another file."""


def unopenable(name: str) -> str | None:
    """Say why RELION could not open a file of this name, or None: ``has a %, which …``."""
    sign = next((sign for sign in UNOPENABLE if sign in name), None)
    return None if sign is None else f"has a {sign}, {UNOPENABLE[sign]}"


def check_output_folder(name: str) -> None:
    """Refuse a folder that files could not be named in.

    Raises:
        SettingsError: It has no name, or one that cannot stand in a STAR file, or that RELION would misread.
    """
    problem = None
    strange = invisible(name)
    if not name:
        problem = "has no name, which would make it the root of the file system; give one, or . for the present folder"
    elif (reason := unencodable(name)) is not None:
        problem = f"is {shown(name)!r}, which {reason}"
    elif strange is not None:
        problem = f"is {shown(name)!r}, which holds {strange}; choose another name"
    elif "@" in name:
        problem = (
            f"is {shown(name)!r}, which has an @ that RELION takes for the number of an image; choose another name"
        )
    elif not is_writable(f"{name}/x"):
        problem = f"is {shown(name)!r}, whose quotes cannot stand in a STAR file; choose another name"
    elif (reason := unopenable(name)) is not None:
        problem = f"is {shown(name)!r}, which {reason}, so that it would find no particle; choose another name"
    if problem is not None:
        raise SettingsError(f"the output folder (output_dir) {problem}", field="output_dir")


def check_paths(roots: Sequence[str], suffixes: Iterable[str], source: str) -> None:
    """Refuse names of particles whose files could not all be there.

    Args:
        roots: What the file names of each particle begin with.
        suffixes: What they end in.
        source: The particle set, for messages.

    Raises:
        InputError: Two particles would have the same files, or a file would stand where another particle needs a
            folder, or a path is too long.
    """
    known, endings = set(roots), tuple(suffixes)
    if len(known) < len(roots):
        root, count = Counter(roots).most_common(1)[0]
        raise InputError(
            f"{source}: the files of {count} particles would have the same names, which begin with {shown(root)}; "
            "rename these particles, or their tomograms"
        )
    folder = len(os.fsencode(os.getcwd())) + 1
    longest = max(map(len, endings), default=0)
    # no character has more than four bytes
    if 4 * max(map(len, known), default=0) + folder + longest > _LONGEST_PATH:
        for root in roots:
            _check_length(root, longest)
    parents = {os.path.dirname(f"{beginning}x") for beginning in {root[: root.rfind("/") + 1] for root in known}}
    for parent in sorted(parents):
        while parent:
            for ending in endings:
                if parent.endswith(ending) and parent[: -len(ending)] in known:
                    other = next(root for root in roots if root.startswith(f"{parent}/"))
                    raise InputError(
                        f"{source}: {shown(parent)} would be a file of particle {shown(parent[: -len(ending)])} and a "
                        f"folder of particle {shown(other)} at the same time; rename one of them"
                    )
            parent = os.path.dirname(parent) if os.path.dirname(parent) != parent else ""


def check_case(roots: Iterable[str], folder: str, source: str) -> None:
    """Refuse names that differ in their case only where the file system takes them for the same.

    Args:
        roots: What the file names of each particle begin with.
        folder: One that exists there, whose name has small letters.
        source: The particle set, for messages.

    Raises:
        InputError: Two particles would have the same files.
    """
    known = dict[str, str]()
    for root in roots:
        other = known.setdefault(root.casefold(), root)
        if other != root and is_case_blind(folder):
            raise InputError(
                f"{source}: {shown(other)} and {shown(root)} are the same to the file system of {folder}, which does "
                "not tell large letters from small ones; rename one of these particles, or write elsewhere"
            )


def is_case_blind(folder: str) -> bool:
    """Tell whether a folder is found under a name in capitals, too, as on the file systems of Windows and macOS."""
    parent, name = os.path.split(os.path.abspath(folder))
    try:
        return os.path.samefile(folder, os.path.join(parent, name.upper()))
    except OSError:
        return False


def _check_length(root: str, longest: int) -> None:
    length = len(os.fsencode(os.path.abspath(root))) + longest
    if length > _LONGEST_PATH:
        raise InputError(
            f"{shown(root)}: the paths of this particle's files have {length} bytes, but systems allow some "
            f"{_LONGEST_PATH}; use shorter names, or an output folder with a shorter path"
        )
