"""Particles as RELION 3.1 knows them: real-space volumes with a 3-D CTF each, without tomograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.io.relion.particles import ANGLES, CLASS_NUMBER, HALF_SET, ORIGIN
from subtomo.io.relion.tables import tables_of
from subtomo.io.relion.volumes import read_volume_files
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, TextArray, text_array

_OPTICS = ("rlnOpticsGroup", "rlnOpticsGroupName", "rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
_KEPT = (HALF_SET, CLASS_NUMBER, "rlnGroupNumber")


def write_classical_particles(path: str | Path, particles: ParticleSet) -> None:
    """Write extracted, whitened particles as RELION 3.1's subtomograms: the root of CTF² is to them what a CTF is.

    Angles and origins stay those of the volumes' frame, half sets and classes are kept. What only RELION 4 and later
    know (tomograms, visible tilts, manifolds) is left out.

    Args:
        path: The file; its folder must exist.
        particles: Of an extraction.

    Raises:
        InputError: The particles were not extracted, are 2-D stacks, or are not whitened: RELION 3.1 knows no data
            that are multiplied by their CTF already.
    """
    files = read_volume_files(particles)
    if files.is_premultiplied.any():
        row = int(np.flatnonzero(files.is_premultiplied)[0])
        raise InputError(
            f"{particles.source}: particle {particles.names[row]} (row {row + 1}) is multiplied by its CTF "
            "(rlnCtfDataAreCtfPremultiplied is 1), which RELION 3.1 does not know; extract with whitened terms"
        )
    optics = tables_of(particles).optics
    n_groups = len(optics)
    table = Table("optics", {label: optics.text(label) for label in _OPTICS if label in optics})
    table = (
        table.with_column("rlnImagePixelSize", format_floats(np.full(n_groups, files.pixel_size_angstrom)))
        .with_column("rlnImageSize", format_ints([files.size] * n_groups))
        .with_column("rlnImageDimensionality", format_ints([3] * n_groups))
        .with_column("rlnCtfDataAreCtfPremultiplied", format_ints([0] * n_groups))
    )
    write_tables(path, [table, _rows(particles, files.data, files.weights)])


def _rows(particles: ParticleSet, data: TextArray, weights: TextArray) -> Table:
    """List what RELION 3.1 wants of every particle; a column that is missing counts as zero."""
    old, zeros = tables_of(particles).particles, format_floats(np.zeros(len(particles)))
    columns = {
        "rlnImageName": data,
        "rlnCtfImage": weights,
        "rlnMicrographName": particles.tomogram_names,
        "rlnOpticsGroup": old.text("rlnOpticsGroup") if "rlnOpticsGroup" in old else text_array(["1"] * len(old)),
    }
    for label in (*ANGLES, *ORIGIN):
        columns[label] = old.text(label) if label in old else text_array(zeros)
    columns.update({label: old.text(label) for label in _KEPT if label in old})
    return Table("particles", columns)
