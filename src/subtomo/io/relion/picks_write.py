"""Write imported picks as a particle set of RELION 5."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from subtomo.io.relion.particles import ANGLES, CENTRED, CLASS_NUMBER, DECENTRED, HALF_SET, ORIGIN
from subtomo.io.relion.tables import tables_of, with_triple
from subtomo.io.star import format_floats, write_tables
from subtomo.model.foreign_picks import Float, PickMarks
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, TextArray
from subtomo.model.tilt_series import TiltSeries

_SCORE = "rlnAutopickFigureOfMerit"
_MAGNIFICATION = 1e4


def write_picks(
    path: str | Path, particles: ParticleSet, tilt_series: Iterable[TiltSeries], score: Float | None = None
) -> None:
    """Write particles, and their scores (n,) if there are any.

    Args:
        path: The file; its folder must exist.
        particles: From arrays.
        tilt_series: Those that the particles are in.
        score: Higher is better.
    """
    tables = tables_of(particles, tilt_series)
    table = tables.particles
    if score is not None:
        table = table.with_column(_SCORE, format_floats(score))
    write_tables(path, [tables.optics, table])


def marks_of(particles: ParticleSet) -> PickMarks:
    """Collect scores, half sets and classes of particles from a file or from arrays."""
    table = tables_of(particles).particles
    score = table.floats(_SCORE) if _SCORE in table else None
    return PickMarks(score, particles.half_set, particles.class_number)


def write_relion4(path: str | Path, particles: ParticleSet, positions_px: Float) -> None:
    """Write particles as RELION 4 has them: unbinned pixels from the corner, without offsets; other columns stay.

    Args:
        path: The file; its folder must exist.
        particles: From a file or from arrays.
        positions_px: (n, 3) with their offsets applied.
    """
    tables = tables_of(particles)
    table = with_triple(tables.particles.without(*CENTRED), DECENTRED, positions_px)
    table = with_triple(table, ORIGIN, positions_px * 0.0)
    write_tables(path, [tables.optics, table])


def write_relion3(
    path: str | Path, particles: ParticleSet, positions_voxels: Float, angles_deg: Float, voxel_size_angstrom: Float
) -> None:
    """Write particles as RELION 3.0 and programs made for it have them: voxels of a tomogram, in a single table.

    Args:
        path: The file; its folder must exist.
        particles: From a file or from arrays; half sets, classes and scores are kept.
        positions_voxels: (n, 3) with their offsets applied.
        angles_deg: (n, 3) Euler angles from the particle to the tomogram.
        voxel_size_angstrom: (n,)
    """
    old = tables_of(particles).particles
    columns: dict[str, TextArray] = {"rlnMicrographName": particles.tomogram_names}
    for labels, values in ((DECENTRED, positions_voxels), (ANGLES, angles_deg)):
        columns |= {label: format_floats(values[:, axis]) for axis, label in enumerate(labels)}
    # micrometres on the detector over the magnification: ångströms of a voxel
    columns["rlnMagnification"] = format_floats(np.full(len(old), _MAGNIFICATION))
    columns["rlnDetectorPixelSize"] = format_floats(voxel_size_angstrom * _MAGNIFICATION / 1e4)
    columns |= {label: old.text(label) for label in (_SCORE, CLASS_NUMBER, HALF_SET) if label in old}
    write_tables(path, [Table("", columns)])
