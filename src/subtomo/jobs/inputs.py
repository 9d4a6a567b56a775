"""Which files a command reads: those of its optimisation set, and those named beside it (§3.3)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from subtomo.errors import InputError, SettingsError
from subtomo.io.relion import OptimisationSet, read_optimisation_set


def input_files(named: OptimisationSet, optimisation_set_file: str | None) -> OptimisationSet:
    """Take files from the optimisation set, and from the command line where it names them."""
    if optimisation_set_file is None:
        return named
    return read_optimisation_set(optimisation_set_file).overridden_by(named)


def needed_file(name: str | None, kind: str, option: str, optimisation_set_file: str | None) -> str:
    """Give the name of a file that a command cannot do without.

    Raises:
        InputError: It is named nowhere, or does not exist.
    """
    if name is None and optimisation_set_file is None:
        raise InputError(
            f"Neither a {kind} file ({option}) nor an optimisation-set file (--i) have been specified on the "
            "command line"
        )
    if name is None:
        raise InputError(
            f"No {kind} file was found in the optimisation-set file {optimisation_set_file} nor specified on the "
            f"command line ({option})"
        )
    if not Path(name).exists():
        raise InputError(
            f"{kind} file {name} does not exist (looked from {Path.cwd()}); names are relative to the folder "
            "where the command runs, usually the project's"
        )
    return name


def protect_inputs(inputs: Iterable[str | None], outputs: Iterable[str]) -> None:
    """Raise SettingsError if a file that is read would be overwritten, under whatever name."""
    read = {os.path.realpath(name) for name in inputs if name}
    for path in outputs:
        if os.path.realpath(path) in read:
            raise SettingsError(f"{path} is an input and would be overwritten; choose another output folder (--o)")
