"""Write what a refinement found, in the files and tables of relion_refine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.io.relion.particles import ANGLES, HALF_SET, ORIGIN
from subtomo.io.relion.tables import tables_of, with_triple
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.particles import ParticleSet
from subtomo.model.resolution import ResolutionCurves
from subtomo.model.table import Table, text_array

Float = NDArray[np.float64]

ANGLE_ERROR = "subtomoAngleErrorDeg"
"""Own columns: standard errors of orientation and position from the normal matrix."""
POSITION_ERROR = "subtomoPositionErrorAngst"
GREY_SCALE = "subtomoGreyScale"
_NO_RESOLUTION = 999.0


@dataclass(frozen=True, eq=False)
class RefinedParticles:
    """What was found of some particles of a set, (n,) each."""

    indices: NDArray[np.int64]
    """Into the set."""
    angles_deg: Float
    """(n, 3) rot, tilt, psi within the subtomogram's frame."""
    origin_angstrom: Float
    """(n, 3)"""
    half_set: NDArray[np.int64]
    log_likelihood: Float
    angle_error_deg: Float
    position_error_angstrom: Float
    grey_scale: Float | None = None
    """None if none was fitted."""


def write_refined_particles(path: str | Path, particles: ParticleSet, found: RefinedParticles) -> None:
    """Write a particle set with new poses; columns that refinement does not change stay as they were."""
    table, optics, general = tables_of(particles)
    table, numbers = with_poses(table.take(found.indices), found)
    given = general if general is not None and len(general) else None
    write_tables(path, [*([given] if given else []), optics, table], number_labels=numbers)


def with_poses(table: Table, found: RefinedParticles) -> tuple[Table, tuple[str, ...]]:
    """Put poses into the table of the same particles; give it with the labels that are numbers."""
    table = with_triple(table, ANGLES, found.angles_deg)
    table = with_triple(table, ORIGIN, found.origin_angstrom)
    table = table.with_column(HALF_SET, format_ints(found.half_set))
    columns = {
        "rlnLogLikeliContribution": found.log_likelihood,
        ANGLE_ERROR: found.angle_error_deg,
        POSITION_ERROR: found.position_error_angstrom,
        GREY_SCALE: found.grey_scale,
    }
    for label, values in columns.items():
        if values is not None:
            table = table.with_column(label, format_floats(values))
    return table, (*ANGLES, *ORIGIN, HALF_SET, *columns)


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """What the model file says besides the curves."""

    maps: tuple[str, ...]
    """Names of the reference."""
    resolution_angstrom: float
    last_shell: int
    """Of the comparison."""
    angle_error_deg: float
    """Mean standard error of orientations."""
    position_error_angstrom: float


def write_model(path: str | Path, curves: ResolutionCurves, noise: Float, facts: ModelFacts) -> None:
    """Write data_model_general, data_model_classes and data_model_class_1, as relion_refine's model.star has them.

    Args:
        path: The file.
        curves: Of the half maps; the corrected one is the gold-standard FSC.
        noise: (n_shells,) mean variance of the noise of the images.
        facts: The rest.
    """
    n = len(curves.frequency)
    resolution = np.divide(1.0, curves.frequency, out=np.full(n, _NO_RESOLUTION), where=curves.frequency > 0)
    found = facts.resolution_angstrom if np.isfinite(facts.resolution_angstrom) else _NO_RESOLUTION
    correlation = np.clip(curves.corrected, 0.0, 1.0 - 1e-6)
    size = 2 * (n - 1)
    general = {
        "rlnReferenceDimensionality": ["3"],
        "rlnDataDimensionality": ["3"],
        "rlnOriginalImageSize": [str(size)],
        "rlnCurrentResolution": [f"{found:.6f}"],
        "rlnCurrentImageSize": [str(2 * facts.last_shell)],
        "rlnPixelSize": [f"{curves.pixel_size_angstrom:.6f}"],
        "rlnNrClasses": ["1"],
        "rlnNrBodies": ["1"],
    }
    classes = {
        "rlnReferenceImage": list(facts.maps),
        "rlnClassDistribution": ["1.000000"],
        "rlnAccuracyRotations": [f"{facts.angle_error_deg:.6f}"],
        "rlnAccuracyTranslationsAngst": [f"{facts.position_error_angstrom:.6f}"],
        "rlnEstimatedResolution": [f"{found:.6f}"],
    }
    shells = {
        "rlnSpectralIndex": format_ints(np.arange(n)),
        "rlnResolution": format_floats(curves.frequency),
        "rlnAngstromResolution": format_floats(resolution),
        "rlnSsnrMap": format_floats(2.0 * correlation / (1.0 - correlation)),
        "rlnGoldStandardFsc": format_floats(curves.corrected),
        "rlnReferenceSigma2": format_floats(np.resize(np.append(noise, [0.0] * (n - len(noise))), n)),
    }
    tables = [
        Table("model_general", {label: text_array(values) for label, values in general.items()}, is_list=True),
        Table("model_classes", {label: text_array(values) for label, values in classes.items()}),
        Table("model_class_1", shells),
    ]
    write_tables(path, tables, number_labels={*general, *classes, *shells} - {"rlnReferenceImage"})
