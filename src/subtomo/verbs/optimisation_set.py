"""Write an optimisation set from Python."""

from __future__ import annotations

import os

from subtomo.io.relion import OptimisationSet
from subtomo.jobs.optimisation_set import make_optimisation_set
from subtomo.verbs.places import Particles, Tomograms, Where, named, particles_file, tomograms_file


def optimisation_set(
    path: Where,
    *,
    particles: Particles | None = None,
    tomograms: Tomograms | None = None,
    trajectories: Where | None = None,
    manifolds: Where | None = None,
    older: Where | None = None,
) -> OptimisationSet:
    """Write an optimisation set: the one file that names all files of a project.

    Args:
        path: The file to write; its folder must exist.
        particles: By file or folder, or read from it.
        tomograms: By file, or read from it.
        trajectories: The file of the particles' motion.
        manifolds: The file of surfaces.
        older: A set whose entries are kept where no file is given here.

    Returns:
        What was written. Whether the named files exist is not checked, as in RELION.

    Raises:
        InputError: The older set is missing or broken, or the folder does not exist.
        SettingsError: There is nothing to write.
    """
    files = OptimisationSet(
        None if particles is None else particles_file(particles),
        None if tomograms is None else tomograms_file(tomograms),
        named(trajectories),
        named(manifolds),
    )
    return make_optimisation_set(os.fspath(path), files, named(older))
