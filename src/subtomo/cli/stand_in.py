"""``subtomo stand-in``: RELION's job system starts this program where it means RELION's own."""

from __future__ import annotations

import shlex
from os.path import abspath
from typing import Annotated, Literal

from cyclopts import Parameter

from subtomo.cli.messages import tell
from subtomo.errors import SettingsError


def stand_in(
    action: Annotated[
        Literal["install", "remove", "status"],
        Parameter(help="install links into FOLDER, remove them, or show what is found now."),
    ],
    folder: Annotated[str, Parameter(help="Folder of the links, which is to come first on PATH.")] = "",
    /,
) -> int:
    """Stand in for RELION's programs, so that its GUI, Schemes and scripts start subtomo.

    Puts links named relion_tomo_subtomo, relion_tomo_subtomo_mpi, relion_tomo_sample_manifold and
    relion_tomo_make_optimisation_set into a folder. Whoever starts RELION with that folder first on PATH
    gets subtomo for these four, and RELION for everything else.
    """
    from subtomo.jobs import stand_in as job

    if not folder and action != "status":
        raise SettingsError(f"subtomo stand-in {action} needs the folder of the links")
    if action == "install":
        for link in job.install(folder):
            tell(f"{link} -> {job.command_script()}")
        if not job.is_first(folder):
            tell(f'next: export PATH={shlex.quote(abspath(folder))}:"$PATH", then start relion from this shell')
        return 0
    if action == "remove":
        links = job.remove(folder)
        tell(f"{len(links)} link(s) removed from {folder}" if links else f"no links of subtomo in {folder}")
        return 0
    for found in job.status():
        kind = "subtomo" if found.is_stand_in else "another program" if found.path else "not found"
        tell(f"{found.program}: {kind}{f', {found.path}' if found.path else ''}")
    return 0 if all(found.is_stand_in for found in job.status()) and (not folder or job.is_first(folder)) else 1
