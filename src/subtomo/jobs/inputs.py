"""Which files a command reads: those of its optimisation set, and those named beside it (§3.3)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from subtomo.errors import InputError, SettingsError
from subtomo.io.project import Project, in_project, seen_from
from subtomo.io.reading import similar_file
from subtomo.io.relion import OptimisationSet, read_optimisation_set
from subtomo.jobs.sources import project_of


def input_files(
    named: OptimisationSet, optimisation_set_file: str | None, *, project: Project = None
) -> OptimisationSet:
    """Take names of files from the optimisation set, unless they are given besides; all are relative to the project."""
    if optimisation_set_file is None:
        return named
    return read_optimisation_set(in_project(optimisation_set_file, project)).overridden_by(named)


def needed_file(name: str | None, kind: str, optimisation_set_file: str | None, *, project: Project = None) -> str:
    """Give the name of a file that a command cannot do without.

    Args:
        name: Of the file, relative to the project; None if nothing names it.
        kind: Which file of an optimisation set it is: ``particles``, ``tomograms``, ….
        optimisation_set_file: Where it could have been named.
        project: The folder that names are relative to; None for the current one.

    Raises:
        InputError: It is named nowhere, or does not exist.
    """
    fields = (kind, "optimisation_set")
    if name is None and optimisation_set_file is None:
        raise InputError(
            f"Neither a {kind} file ({kind}) nor an optimisation-set file (optimisation_set) is specified; name one of "
            "them",
            field=fields,
        )
    if name is None:
        raise InputError(
            f"{optimisation_set_file}: the optimisation set names no {kind} file, and none is given ({kind}); name it",
            field=kind,
        )
    path = in_project(name, project)
    if not os.path.exists(path):
        there = None if optimisation_set_file is None else project_of(in_project(optimisation_set_file, project))
        way_out = "by default the one where the command runs" if there is None else f"here {there}: run there"
        raise InputError(
            f"{kind} file {name} does not exist (looked from {seen_from(project)}){similar_file(path)}; names are "
            f"relative to the folder of the project, {way_out}"
        )
    return name


def protect_inputs(inputs: Iterable[str | None], outputs: Iterable[str]) -> None:
    """Raise SettingsError if a file that is read would be overwritten, under whatever name."""
    read = {os.path.realpath(name) for name in inputs if name}
    for path in outputs:
        if os.path.realpath(path) in read:
            raise SettingsError(
                f"{path} is an input and would be overwritten; choose another output folder (output_dir)",
                field="output_dir",
            )
