"""Classes of particles, in the files and tables of relion_refine's Class3D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.relion.particles import CLASS_NUMBER
from subtomo.io.relion.refined import RefinedParticles, with_poses
from subtomo.io.relion.tables import tables_of
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, text_array

Float = NDArray[np.float64]
Int = NDArray[np.int64]

PROBABILITY = "rlnMaxValueProbDistribution"
LIKELIHOOD = "rlnLogLikeliContribution"
_NO_RESOLUTION = 999.0


@dataclass(frozen=True, eq=False)
class ClassifiedParticles:
    """What was found of some particles of a set, (n,) each."""

    indices: Int
    """Into the set."""
    class_number: Int
    """From 1."""
    probability: Float
    """Of that class."""
    log_likelihood: Float
    refined: RefinedParticles | None = None
    """New poses of the same particles; None if they stay as they were."""


def write_classified_particles(path: str | Path, particles: ParticleSet, found: ClassifiedParticles) -> None:
    """Write a particle set with classes and, if there are any, new poses; other columns stay as they were."""
    table, optics, general = tables_of(particles)
    table, numbers = table.take(found.indices), tuple[str, ...]()
    if found.refined is not None:
        table, numbers = with_poses(table, found.refined)
    table = table.with_column(CLASS_NUMBER, format_ints(found.class_number))
    table = table.with_column(PROBABILITY, format_floats(found.probability))
    table = table.with_column(LIKELIHOOD, format_floats(found.log_likelihood))
    given = [general] if general is not None and len(general) else []
    write_tables(path, [*given, optics, table], number_labels=(CLASS_NUMBER, PROBABILITY, LIKELIHOOD, *numbers))


def write_chosen_particles(path: str | Path, particles: ParticleSet, chosen: Int) -> None:
    """Write some particles of a set, as they are."""
    table, optics, general = tables_of(particles)
    given = [general] if general is not None and len(general) else []
    write_tables(path, [*given, optics, table.take(chosen)])


def read_classes(particles: ParticleSet) -> tuple[Int, Float | None]:
    """Give class numbers and, if they are there, their probabilities, (n,) each.

    Raises:
        InputError: There are no classes.
    """
    table, _, _ = tables_of(particles)
    if CLASS_NUMBER not in table:
        raise InputError(
            f"{particles.where}: table data_particles has no {CLASS_NUMBER}, so these particles were not classified; "
            "give the particle set of a classification (run_it025_data.star)"
        )
    probability = table.floats(PROBABILITY) if PROBABILITY in table else None
    return table.ints(CLASS_NUMBER), probability


@dataclass(frozen=True, eq=False)
class ClassFacts:
    """What the model file says of a class."""

    map_name: str
    share: float
    """Of the particles."""
    resolution_angstrom: float
    """FSC 0.143 of its half maps; that of the comparison if it is not below anywhere."""
    correlation: Float
    """(n_shells,) of its half maps."""


def write_class_model(
    path: str | Path, classes: Sequence[ClassFacts], size: int, pixel_size_angstrom: float, last_shell: int,
    log_likelihood: float,
) -> None:  # fmt: skip
    """Write data_model_general, data_model_classes and a table of shells per class.

    Args:
        path: The file.
        classes: In order.
        size: Side of the maps, voxels.
        pixel_size_angstrom: Of the maps.
        last_shell: The last one that was compared.
        log_likelihood: Of all particles, up to a constant.
    """
    best = min((one.resolution_angstrom for one in classes), default=_NO_RESOLUTION)
    general = {
        "rlnReferenceDimensionality": ["3"],
        "rlnDataDimensionality": ["3"],
        "rlnOriginalImageSize": [str(size)],
        "rlnCurrentResolution": [f"{min(best, _NO_RESOLUTION):.6f}"],
        "rlnCurrentImageSize": [str(2 * last_shell)],
        "rlnPixelSize": [f"{pixel_size_angstrom:.6f}"],
        "rlnNrClasses": [str(len(classes))],
        "rlnNrBodies": ["1"],
        "rlnLogLikelihood": [f"{log_likelihood:.6f}"],
    }
    listed = {
        "rlnReferenceImage": [one.map_name for one in classes],
        "rlnClassDistribution": [f"{one.share:.6f}" for one in classes],
        "rlnEstimatedResolution": [f"{min(one.resolution_angstrom, _NO_RESOLUTION):.6f}" for one in classes],
    }
    tables = [
        Table("model_general", {label: text_array(values) for label, values in general.items()}, is_list=True),
        Table("model_classes", {label: text_array(values) for label, values in listed.items()}),
    ]
    labels = {*general, *listed} - {"rlnReferenceImage"}
    for number, one in enumerate(classes, 1):
        n = len(one.correlation)
        frequency = np.arange(n) / (size * pixel_size_angstrom)
        angstrom = np.divide(1.0, frequency, out=np.full(n, _NO_RESOLUTION), where=frequency > 0)
        curve = np.clip(one.correlation, 0.0, 1.0 - 1e-6)
        shells = {
            "rlnSpectralIndex": format_ints(np.arange(n)),
            "rlnResolution": format_floats(frequency),
            "rlnAngstromResolution": format_floats(angstrom),
            "rlnSsnrMap": format_floats(2.0 * curve / (1.0 - curve)),
            "rlnGoldStandardFsc": format_floats(one.correlation),
        }
        labels |= set(shells)
        tables.append(Table(f"model_class_{number}", shells))
    write_tables(path, tables, number_labels=labels)
