"""Keep the particles of some classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from subtomo.errors import InputError, SettingsError
from subtomo.io.relion import OptimisationSet, read_particles, write_optimisation_set
from subtomo.io.relion.classified import PROBABILITY, read_classes, write_chosen_particles
from subtomo.jobs.inputs import needed_file, protect_inputs
from subtomo.jobs.sources import find_sources_here
from subtomo.output.folders import make_folder


class Selected(NamedTuple):
    """What was kept, and where it is."""

    n_kept: int
    n_all: int
    particles_file: str
    optimisation_set_file: str


def select_classes(
    output_dir: str, classes: tuple[int, ...], min_probability: float = 0.0,
    files: OptimisationSet | None = None, optimisation_set_file: str | None = None, place: str | None = None,
) -> Selected:  # fmt: skip
    """Write the particles of some classes, and an optimisation set that names them.

    Args:
        output_dir: Folder to write to.
        classes: Their numbers, from 1.
        min_probability: Of a particle in its class.
        files: Files named one by one.
        optimisation_set_file: The set that names them.
        place: The folder of a classification, or a STAR file.

    Raises:
        InputError: Particles have no classes, or none is kept.
        SettingsError: A number makes no sense.
    """
    if not 0.0 <= min_probability <= 1.0:
        raise SettingsError(
            f"least probability (min_probability) is {min_probability:g}, but must be 0 to 1", field="min_probability"
        )
    found = find_sources_here(files or OptimisationSet(), optimisation_set_file, place)
    named = found.files
    if place is None and optimisation_set_file is not None:
        from subtomo.io.relion import read_optimisation_set

        named = read_optimisation_set(optimisation_set_file).overridden_by(named)
    path = needed_file(named.particles, "particles", found.optimisation_set_file)
    particles = read_particles(path)
    number, probability = read_classes(particles)
    there = sorted(set(number.tolist()))
    missing = [one for one in classes if one not in there]
    if missing:
        raise InputError(
            f"{path}: has no particles of class {', '.join(map(str, missing))}; its classes are "
            f"{', '.join(map(str, there))} (kept_classes)",
            field="kept_classes",
        )
    kept = np.isin(number, classes)
    if min_probability > 0:
        if probability is None:
            raise InputError(f"{path}: table data_particles has no {PROBABILITY} to go by", field="min_probability")
        kept &= probability >= min_probability
    if not kept.any():
        raise InputError(
            f"{path}: no particle of these classes has a probability of {min_probability:g} (min_probability)",
            field="min_probability",
        )
    folder = output_dir.rstrip("/") + "/" if output_dir else ""
    star, set_file = f"{folder}particles.star", f"{folder}optimisation_set.star"
    protect_inputs([*vars(named).values(), found.optimisation_set_file], (star, set_file))
    make_folder(folder or ".")
    write_chosen_particles(star, particles, np.flatnonzero(kept))
    write_optimisation_set(set_file, named.overridden_by(OptimisationSet(particles=star)))
    return Selected(int(kept.sum()), len(particles), star, set_file)
