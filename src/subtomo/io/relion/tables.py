"""The STAR tables of a particle set: those that it was read from, or the fewest that say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.io.relion.particles import ANGLES, CENTRED, CLASS_NUMBER, DECENTRED, HALF_SET, ORIGIN, SUBTOMOGRAM_ANGLES
from subtomo.io.star import format_float_vectors, format_floats, format_ints
from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, TextArray, text_array
from subtomo.model.tilt_series import TiltSeries

Float = NDArray[np.float64]

_MICROSCOPE = {
    "rlnVoltage": "voltage_kv",
    "rlnSphericalAberration": "spherical_aberration_mm",
    "rlnAmplitudeContrast": "amplitude_contrast",
}
_ABERRATIONS = {"rlnEvenZernike": "even_zernike", "rlnOddZernike": "odd_zernike"}


class ParticleTables(NamedTuple):
    """A particle set as RELION writes it."""

    particles: Table
    """One row per particle."""
    optics: Table
    """One row per optics group."""
    general: Table | None
    """None in files of RELION 4 and of other programs."""


def tables_of(particles: ParticleSet, tilt_series: Iterable[TiltSeries] = ()) -> ParticleTables:
    """Give the tables that a particle set carries, and make those that it lacks from its fields.

    Half sets and classes are always those of the fields.

    Args:
        particles: From a file or from arrays.
        tilt_series: What an optics group does not say of its microscope is taken from the first of these that has
            particles of the group.
    """
    table, optics = particles.table, particles.optics_table
    if table is None:
        table = _particles(particles)
        optics = None  # groups of this table count the rows of one that is made with it
    if optics is None:
        table = table.with_column("rlnOpticsGroup", format_ints(particles.optics_group + 1))
        optics = _optics(particles, list(tilt_series))
    return ParticleTables(_with_sets(table, particles), optics, particles.general_table)


def with_triple(table: Table, labels: Sequence[str], values: Float) -> Table:
    """Put values (n, 3) into three columns."""
    for axis, label in enumerate(labels):
        table = table.with_column(label, format_floats(values[:, axis]))
    return table


def _particles(particles: ParticleSet) -> Table:
    table = Table("particles", {"rlnTomoName": particles.tomogram_names, "rlnTomoParticleName": particles.names})
    table = with_triple(table, CENTRED if particles.centred else DECENTRED, particles.coordinates)
    table = with_triple(table, ORIGIN, particles.origin_angstrom)
    if particles.has_subtomogram_angles:
        table = with_triple(table, SUBTOMOGRAM_ANGLES, particles.subtomogram_angles_deg)
    if particles.has_angles:
        table = with_triple(table, ANGLES, particles.angles_deg)
    return table


def _with_sets(table: Table, particles: ParticleSet) -> Table:
    """Put half sets and classes into the table where these are not those that it has, which stay the texts they are."""
    for label, numbers in ((HALF_SET, particles.half_set), (CLASS_NUMBER, particles.class_number)):
        if numbers is not None and not (label in table and np.array_equal(table.ints(label), numbers)):
            table = table.with_column(label, format_ints(numbers))
    return table


def _optics(particles: ParticleSet, tilt_series: Sequence[TiltSeries]) -> Table:
    groups = particles.optics_groups
    homes = [_home(particles, number, tilt_series) for number in range(len(groups))]
    names = [_group_name(group, home, number) for number, (group, home) in enumerate(zip(groups, homes, strict=True))]
    columns: dict[str, TextArray] = {
        "rlnOpticsGroup": format_ints(np.arange(len(groups)) + 1),
        "rlnOpticsGroupName": text_array(names),
    }
    for label, field in _MICROSCOPE.items():
        values = [_value(group, home, field) for group, home in zip(groups, homes, strict=True)]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            columns[label] = format_floats(known)
    columns["rlnTomoTiltSeriesPixelSize"] = format_floats([group.pixel_size_angstrom for group in groups])
    for label, field in _ABERRATIONS.items():
        coefficients = [getattr(group, field) for group in groups]
        if any(one is not None for one in coefficients):
            columns[label] = format_float_vectors([() if one is None else one.tolist() for one in coefficients])
    return Table("optics", columns)


def _home(particles: ParticleSet, group: int, tilt_series: Sequence[TiltSeries]) -> TiltSeries | None:
    """Find the first tilt series with particles of a group; any will do for a group without particles."""
    names = set(particles.tomogram_names[particles.optics_group == group].tolist())
    return next((series for series in tilt_series if series.name in names), next(iter(tilt_series), None))


def _group_name(group: OpticsGroup, home: TiltSeries | None, number: int) -> str:
    of_series = home.optics_group_name if home is not None else ""
    return group.name or of_series or f"opticsGroup{number + 1}"


def _value(group: OpticsGroup, home: TiltSeries | None, field: str) -> float | None:
    given: float | None = getattr(group, field)
    if given is None and home is not None:
        given = getattr(home.microscope, field)
    return given
