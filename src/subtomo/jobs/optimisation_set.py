"""Make an optimisation set from named files and an older set."""

from __future__ import annotations

import os

from subtomo.errors import InputError, SettingsError
from subtomo.io.relion import OptimisationSet, read_optimisation_set, write_optimisation_set


def make_optimisation_set(path: str, named: OptimisationSet, older: str | None) -> OptimisationSet:
    """Write a set with the files named here, and where none is named those of an older set.

    Whether the named files exist is not checked, as in RELION.

    Args:
        path: The optimisation set to write; its folder must exist.
        named: Files that were given.
        older: An optimisation set to start from.

    Returns:
        What was written.

    Raises:
        InputError: The older set is missing or broken, or the folder does not exist.
        SettingsError: There is nothing to write.
    """
    files = named if older is None else read_optimisation_set(older).overridden_by(named)
    if not any(vars(files).values()):
        raise SettingsError(
            "nothing to write: name particles, tomograms, trajectories or manifolds "
            "(particles, tomograms, trajectories, manifolds)",
            field=("particles", "tomograms", "trajectories", "manifolds"),
        )
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder to write {os.path.basename(path)} to; make it first")
    write_optimisation_set(path, files)
    return files
