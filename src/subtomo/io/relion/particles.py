"""Read particle sets (spec/conventions.md §3.1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import NoneType

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.relion.limits import angles_deg, half_sets
from subtomo.io.relion.mistaken import no_particles
from subtomo.io.relion.optics_groups import group_rows, in_order, known_groups
from subtomo.io.relion.tomograms import optics_values, read_tomograms
from subtomo.io.relion.trajectories import read_trajectories
from subtomo.io.star import find_table, format_floats, format_ints, read_tables
from subtomo.model.choices import check_kind
from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet, numbered_names
from subtomo.model.table import Table, TextArray, text_array
from subtomo.model.tilt_series import TomogramSet

Float = NDArray[np.float64]

CENTRED = ("rlnCenteredCoordinateXAngst", "rlnCenteredCoordinateYAngst", "rlnCenteredCoordinateZAngst")
DECENTRED = ("rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ")
ORIGIN = ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst")
SUBTOMOGRAM_ANGLES = ("rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi")
ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ANY_SIZE = (1, 1)
"""Of images that are not opened, since only optics are wanted."""
HALF_SET, CLASS_NUMBER = "rlnRandomSubset", "rlnClassNumber"


@doing_to_file("reading")
def read_particles(
    path: str | Path, tomograms: TomogramSet | str | Path | None = None, *, trajectories: str | Path | None = None
) -> ParticleSet:
    """Read particles, and their motion if a trajectory file is given.

    Args:
        path: STAR file with a table ``particles`` and usually one called ``optics``.
        tomograms: The tomogram set, or its file; needed only if there is no optics table, which is then made from it.
        trajectories: STAR file with one table of shifts per particle.

    Raises:
        InputError: A file, table or column is missing, a value does not make sense, or names are not unique.
        SettingsError: An argument is of the wrong type.
    """
    check_kind("path", path, str, os.PathLike)
    check_kind("tomograms", tomograms, TomogramSet, str, os.PathLike, NoneType)
    if isinstance(tomograms, str | os.PathLike):
        tomograms = read_tomograms(tomograms, image_size=_ANY_SIZE)
    source = str(path)
    tables = read_tables(path)
    table = particle_table(tables, source)
    general = find_table(tables, "general")
    if general is not None and len(general):
        general.require("rlnTomoSubTomosAre2DStacks")
    table, optics = with_optics(table, find_table(tables, "optics"), tomograms)
    table = with_names(table)
    names = table.text("rlnTomoParticleName")
    particles = assemble(table, optics, general, names=names, optics_group=_group_index(table, optics))
    if trajectories is None:
        return particles
    return replace(particles, trajectories=read_trajectories(trajectories, particles.names))


def given_names(particles: ParticleSet) -> TextArray:
    """Give the names (n,) as the file has them."""
    return particles.names if particles.table is None else particles.table.text("rlnTomoParticleName")


def particle_table(tables: Sequence[Table], source: str) -> Table:
    """Find the table of particles.

    Raises:
        InputError: There is none, or it has no rows or tomogram names.
    """
    table = find_table(tables, "particles")
    if table is None or not len(table):
        raise no_particles(tables, source)
    table.require("rlnTomoName")
    return table


def with_optics(table: Table, optics: Table | None, tomograms: TomogramSet | None) -> tuple[Table, Table]:
    """Give the particles, and their optics table or one made from the tomograms.

    Raises:
        InputError: It can neither be had nor made, or a column is missing.
    """
    if optics is None or not len(optics):
        if tomograms is None:
            raise InputError(f"{table.source}: no table data_optics; give the tomogram set, from which it can be made")
        table, optics = _invent_optics(table, tomograms)
    optics.require("rlnTomoTiltSeriesPixelSize")
    table.require("rlnOpticsGroup")
    return table, in_order(optics)


def assemble(
    table: Table, optics: Table, general: Table | None, *, names: TextArray, optics_group: NDArray[np.int64]
) -> ParticleSet:
    """Make particles of their tables, without motion.

    Raises:
        InputError: A value makes no sense, or names are not unique.
    """
    coordinates, centred = _coordinates(table)
    if HALF_SET in table:
        half_sets(table, HALF_SET)
    return ParticleSet(
        names=names,
        tomogram_names=table.text("rlnTomoName"),
        coordinates=coordinates,
        centred=centred,
        origin_angstrom=_triple(table, ORIGIN),
        subtomogram_angles_deg=_triple(table, SUBTOMOGRAM_ANGLES, all_depend_on_first=True),
        angles_deg=_triple(table, ANGLES, all_depend_on_first=True),
        optics_group=optics_group,
        optics_groups=_optics_groups(optics),
        half_set=table.ints(HALF_SET) if HALF_SET in table else None,
        class_number=table.ints(CLASS_NUMBER) if CLASS_NUMBER in table else None,
        has_angles=ANGLES[0] in table,
        has_subtomogram_angles=SUBTOMOGRAM_ANGLES[0] in table,
        table=table,
        optics_table=optics,
        general_table=general,
        source=table.source,
    )


def _coordinates(table: Table) -> tuple[Float, bool]:
    """Read coordinates (n, 3), and whether they are Å from the tomogram's centre or pixels from its corner."""
    if all(label in table for label in CENTRED):
        return _triple(table, CENTRED), True
    if all(label in table for label in DECENTRED):
        return _triple(table, DECENTRED), False
    raise InputError(
        f"{table.source}: table data_particles has neither {', '.join(CENTRED)} (Å from the tomogram's centre) nor "
        f"{', '.join(DECENTRED)} (unbinned pixels); add one of the two"
    )


def _triple(table: Table, labels: Sequence[str], *, all_depend_on_first: bool = False) -> Float:
    """Read three columns as (n, 3), zero where missing; the first one can decide about all (angles)."""
    if all_depend_on_first and labels[0] not in table:
        return np.zeros((len(table), 3))
    zero = np.zeros(len(table))
    read = angles_deg if all_depend_on_first else Table.floats
    return np.stack([read(table, label) if label in table else zero for label in labels], axis=1)


def with_names(table: Table) -> Table:
    """Number the particles of each tomogram from 1 if they have no names."""
    if "rlnTomoParticleName" in table:
        return table
    return table.with_column("rlnTomoParticleName", numbered_names(table.text("rlnTomoName")))


def _group_index(table: Table, optics: Table) -> NDArray[np.int64]:
    """Turn group numbers into rows of the optics table."""
    groups = table.whole_numbers("rlnOpticsGroup")
    rows = group_rows(groups, optics)
    wrong = np.flatnonzero(rows < 0)
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            f"{table.source}: table data_particles, row {row + 1}: rlnOpticsGroup is {groups[row]}, but the optics "
            f"table has {known_groups(optics)} only; add a row for it, or correct the number"
        )
    return rows


def _optics_groups(optics: Table) -> tuple[OpticsGroup, ...]:
    """Read an optics table; what it lacks is None."""

    def column(label: str) -> Sequence[float | None]:
        return optics.floats(label).tolist() if label in optics else [None] * len(optics)

    def coefficients(label: str) -> Sequence[Float | None]:
        return optics.vectors(label) if label in optics else [None] * len(optics)

    pixel_sizes = optics.floats("rlnTomoTiltSeriesPixelSize")
    if not (pixel_sizes > 0).all():
        row = int(np.flatnonzero(~(pixel_sizes > 0))[0])
        raise InputError(
            f"{optics.source}: table data_optics, row {row + 1}: rlnTomoTiltSeriesPixelSize is {pixel_sizes[row]:g} Å, "
            "but must be above zero"
        )
    names = optics.text("rlnOpticsGroupName").tolist() if "rlnOpticsGroupName" in optics else [""] * len(optics)
    values = zip(
        names,
        pixel_sizes.tolist(),
        column("rlnVoltage"),
        column("rlnSphericalAberration"),
        column("rlnAmplitudeContrast"),
        coefficients("rlnEvenZernike"),
        coefficients("rlnOddZernike"),
        _image_binnings(optics, pixel_sizes),
        _known_binnings(optics),
        strict=True,
    )
    return tuple(OpticsGroup(*row) for row in values)


def _image_binnings(optics: Table, pixel_sizes: Float) -> list[float | None]:
    """Give the binnings that follow from pixel sizes; None where there are none that make sense."""
    if "rlnImagePixelSize" not in optics:
        return [None] * len(optics)
    return [ratio if ratio > 0 else None for ratio in (optics.floats("rlnImagePixelSize") / pixel_sizes).tolist()]


def _known_binnings(optics: Table) -> list[float | None]:
    if "rlnTomoSubtomogramBinning" not in optics:
        return [None] * len(optics)
    return [value if value > 0 else None for value in optics.floats("rlnTomoSubtomogramBinning").tolist()]


def _invent_optics(table: Table, tomograms: TomogramSet) -> tuple[Table, Table]:
    """Make the optics table that is missing, numbering groups in the order of their first particle.

    Particles of unknown tomograms get a group without a name, with the first tomogram's values (quirk 18).
    """
    by_name = {tomogram.name: tomogram for tomogram in tomograms}
    numbers: dict[str, int] = {}
    columns: dict[str, list[float]] = {}
    groups = []
    for name in table.text("rlnTomoName").tolist():
        tomogram = by_name.get(name)
        group = tomogram.optics_group_name if tomogram else ""
        if group not in numbers:
            numbers[group] = len(numbers) + 1
            for label, value in optics_values(tomogram or tomograms[0]).items():
                columns.setdefault(label, []).append(value)
        groups.append(numbers[group])
    texts: dict[str, TextArray] = {label: format_floats(column) for label, column in columns.items()}
    texts["rlnOpticsGroup"] = format_ints(list(numbers.values()))
    texts["rlnOpticsGroupName"] = text_array(list(numbers))
    return table.with_column("rlnOpticsGroup", format_ints(groups)), Table("optics", texts, source=table.source)
