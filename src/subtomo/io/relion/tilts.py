"""Read the table of one tilt series (spec/conventions.md §2.1, per-tilt labels)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.relion.limits import angles_deg, defocus_angstrom
from subtomo.model.table import Table
from subtomo.model.tilt_series import Deformation, Tilts
from subtomo.physics.deformation import KINDS, coefficient_count
from subtomo.physics.projection import projection_from_angles

Float = NDArray[np.float64]

_MATRIX = ("rlnTomoProjX", "rlnTomoProjY", "rlnTomoProjZ", "rlnTomoProjW")
_ALIGNMENT = ("rlnTomoYTilt", "rlnTomoZRot", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst")


def read_tilts(
    table: Table,
    pixel_size_angstrom: float,
    image_size: tuple[int, int],
    tomogram_size: tuple[int, int, int],
    deformation: tuple[str, tuple[int, int]] | None,
) -> Tilts:
    """Turn a tilt table into arrays, one entry per tilt.

    Args:
        table: One row per tilt.
        pixel_size_angstrom: Of the tilt images.
        image_size: Width and height, pixels.
        tomogram_size: x, y, z of the unbinned tomogram, pixels.
        deformation: Kind and grid if the tomogram set has deformation columns.

    Raises:
        InputError: A column is missing, or a value does not make sense.
    """
    table.require("rlnMicrographPreExposure", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
    if all(label in table for label in _MATRIX):
        projection = _matrices(table)
    else:
        projection = _from_angles(table, pixel_size_angstrom, image_size, tomogram_size)
    nominal = "rlnTomoNominalStageTiltAngle"
    return Tilts(
        projection=projection,
        dose_e_per_a2=_dose(table),
        defocus_u_angstrom=defocus_angstrom(table, "rlnDefocusU"),
        defocus_v_angstrom=defocus_angstrom(table, "rlnDefocusV"),
        astigmatism_deg=angles_deg(table, "rlnDefocusAngle"),
        phase_shift_deg=_optional(table, "rlnPhaseShift", 0.0),
        scale=_optional(table, "rlnCtfScalefactor", 1.0),
        b_factor_a2=_optional(table, "rlnCtfBfactor", 0.0),
        nominal_tilt_deg=table.floats(nominal) if nominal in table else None,
        deformation=None if deformation is None else _deformation(table, *deformation),
    )


def _optional(table: Table, label: str, default: float) -> Float:
    return table.floats(label) if label in table else np.full(len(table), default)


def _dose(table: Table) -> Float:
    dose = table.floats("rlnMicrographPreExposure")
    negative = np.flatnonzero(dose < 0)
    if negative.size:
        row = int(negative[0])
        raise InputError(
            f"{table.source}: table data_{table.name}, row {row + 1}: rlnMicrographPreExposure is {dose[row]:g} e/Å², "
            "but the dose before an image cannot be negative"
        )
    return dose


def _matrices(table: Table) -> Float:
    rows = []
    for label in _MATRIX:
        vectors = table.vectors(label)
        wrong = next((i for i, vector in enumerate(vectors) if len(vector) != 4), None)
        if wrong is not None:
            raise InputError(
                f"{table.source}: table data_{table.name}, row {wrong + 1}: {label} has {len(vectors[wrong])} "
                "numbers, expected 4: one row of the projection matrix"
            )
        rows.append(np.array(vectors))
    return np.stack(rows, axis=1)


def _from_angles(
    table: Table, pixel_size: float, image_size: tuple[int, int], tomogram_size: tuple[int, int, int]
) -> Float:
    missing = [label for label in _ALIGNMENT if label not in table]
    if missing:
        # RELION silently takes identity matrices here, which makes every result meaningless
        raise InputError(
            f"{table.source}: table data_{table.name}: no column {', '.join(missing)}, so the tilt series is not "
            "aligned; run the tilt-series alignment first, or give rlnTomoProjX, Y, Z and W"
        )
    angles = [
        angles_deg(table, label) if label in table else np.zeros(len(table))
        for label in ("rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot")
    ]
    shifts = [table.floats("rlnTomoXShiftAngst") / pixel_size, table.floats("rlnTomoYShiftAngst") / pixel_size]
    return projection_from_angles(np.stack(angles, axis=1), np.stack(shifts, axis=1), image_size, tomogram_size)


def _deformation(table: Table, kind: str, grid: tuple[int, int]) -> Deformation:
    where = f"{table.source}: table data_{table.name}"
    if kind not in KINDS:
        raise InputError(f"{where}: deformation type is {kind!r}, expected one of {', '.join(KINDS)}")
    if kind != "linear" and min(grid) < 2:
        raise InputError(f"{where}: deformation grid is {grid[0]} x {grid[1]}, expected at least 2 x 2 for {kind}")
    coefficients = table.vectors("rlnTomoDeformationCoefficients")
    needed = coefficient_count(kind, grid)
    for row, vector in enumerate(coefficients):
        if len(vector) < needed:
            raise InputError(
                f"{where}, row {row + 1}: rlnTomoDeformationCoefficients has {len(vector)} numbers, but {kind} on a "
                f"{grid[0]} x {grid[1]} grid needs {needed}"
            )
    return Deformation(kind, grid, tuple(coefficients))
