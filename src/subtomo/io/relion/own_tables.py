"""Tables for particles that come from no file (spec/conventions.md §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from subtomo.io.relion.particles import ANGLES, CENTRED, DECENTRED, ORIGIN, SUBTOMOGRAM_ANGLES
from subtomo.io.star import format_floats, format_ints
from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, TextArray, text_array

_OPTICS = {
    "rlnVoltage": "voltage_kv",
    "rlnSphericalAberration": "spherical_aberration_mm",
    "rlnAmplitudeContrast": "amplitude_contrast",
}


def with_tables(particles: ParticleSet) -> ParticleSet:
    """Give a set that carries tables: its own, or what RELION needs, made of its fields."""
    if len(particles.table) or not len(particles):
        return particles
    columns: dict[str, TextArray] = {
        "rlnTomoName": particles.tomogram_names,
        "rlnTomoParticleName": particles.names,
    }
    triples = {
        CENTRED if particles.centred else DECENTRED: particles.coordinates,
        ORIGIN: particles.origin_angstrom,
        SUBTOMOGRAM_ANGLES: particles.subtomogram_angles_deg,
        ANGLES: particles.angles_deg,
    }
    for labels, values in triples.items():
        columns |= {label: format_floats(values[:, axis]) for axis, label in enumerate(labels)}
    columns["rlnOpticsGroup"] = format_ints((particles.optics_group + 1).tolist())
    table = Table("particles", columns, source=particles.source)
    return replace(particles, table=table, optics_table=_optics(particles.optics_groups, particles.source))


def _optics(groups: Sequence[OpticsGroup], source: str) -> Table:
    columns: dict[str, TextArray] = {
        "rlnOpticsGroup": format_ints(list(range(1, len(groups) + 1))),
        "rlnOpticsGroupName": text_array([group.name for group in groups]),
    }
    for label, name in _OPTICS.items():
        values = [getattr(group, name) for group in groups]
        if None not in values:
            columns[label] = format_floats(np.array(values, np.float64))
    pixel_sizes: NDArray[np.float64] = np.array([group.pixel_size_angstrom for group in groups])
    columns["rlnTomoTiltSeriesPixelSize"] = format_floats(pixel_sizes)
    for label, name in {"rlnOddZernike": "odd_zernike", "rlnEvenZernike": "even_zernike"}.items():
        vectors = [getattr(group, name) for group in groups]
        if any(vector is not None for vector in vectors):
            columns[label] = text_array([_vector(vector) for vector in vectors])
    return Table("optics", columns, source=source)


def _vector(values: NDArray[np.float64] | None) -> str:
    return "[" + ",".join(map(repr, [] if values is None else values.tolist())) + "]"
