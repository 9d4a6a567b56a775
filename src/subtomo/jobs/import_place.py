"""Where a pick of another program is: from its terms to Å from the centre of the tomogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import MISSING_TOMOGRAM_SIZE
from subtomo.errors import InputError
from subtomo.model.foreign_picks import Float, ForeignPicks, Unit
from subtomo.model.tilt_series import TiltSeries

_MIRROR = np.diag([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Placing:
    """What a file of picks may not say; None for what it says or usually means."""

    unit: Unit | None = None
    binning: float | None = None
    """Of the tomogram against the tilt images, exact: 7.407407."""
    voxel_size_angstrom: float | None = None
    """Of the tomogram, instead of its binning."""
    size_voxels: tuple[float, float, float] | None = None
    """x, y, z of the tomogram that the picks were made in; None for that of the tomogram set, binned."""
    centred: bool | None = None
    """Whether positions count from the tomogram's centre."""
    first_voxel: float | None = None
    """Coordinate of the middle of the first voxel: 0, or 1 for programs that count from 1."""
    flip_z: bool = False
    """Whether the z axis of the volume points the other way."""


def binning_of(picks: ForeignPicks, series: TiltSeries, placing: Placing) -> tuple[float, str]:
    """Find the binning of the tomogram that picks were made in, and who says it.

    Raises:
        InputError: Nothing does, or it makes no sense.
    """
    pixel = series.pixel_size_angstrom
    candidates = (
        (placing.binning, "as given (binning)"),
        (placing.voxel_size_angstrom and placing.voxel_size_angstrom / pixel, "as given (voxel_size_angstrom)"),
        (picks.voxel_size_angstrom and picks.voxel_size_angstrom / pixel, "as the file says"),
        (series.tomogram_binning, "as the tomogram set says"),
    )
    for value, why in candidates:
        if value is not None:
            if not 0 < value < np.inf:
                raise InputError(f"binning is {value:g} {why}, but must be above zero", field="binning")
            return float(value), why
    raise InputError(
        f"{picks.source}: positions are voxels of a tomogram, but nothing says how large these are; give their size "
        "(voxel_size_angstrom), or their binning against the tilt images (binning)",
        field=("voxel_size_angstrom", "binning"),
    )


def centred_angstrom(
    picks: ForeignPicks,
    members: NDArray[np.intp],
    series: TiltSeries,
    placing: Placing,
    offset_angstrom: tuple[float, float, float],
) -> Float:
    """Compute positions (m, 3) from the centre of the tomogram, Å.

    Args:
        picks: With the positions.
        members: (m,) which of them are in this tomogram.
        series: The tomogram.
        placing: What the file does not say.
        offset_angstrom: From the centre of the tomogram to that of the volume in which the picks were made.

    Raises:
        InputError: The tomogram's size or its binning is unknown.
    """
    positions, pixel = picks.positions[members], series.pixel_size_angstrom
    unit, centred = placing.unit or picks.unit, picks.centred if placing.centred is None else placing.centred
    if MISSING_TOMOGRAM_SIZE in series.size_px and not centred:
        raise InputError(
            f"{series.source}: the size of tomogram {series.name} is unknown, so that positions from its corner cannot "
            "be placed; add its size to the tomogram set"
        )
    size = np.array(series.size_px, np.float64)
    scale = {"unbinned pixels": pixel, "angstrom": 1.0}.get(unit, 1.0)
    sides = size * (pixel / scale)
    first = 0.0
    if unit == "voxels":
        binning, _ = binning_of(picks, series, placing)
        scale = binning * pixel
        sides = size / binning
        first = picks.first_voxel if placing.first_voxel is None else placing.first_voxel
    if placing.size_voxels is not None and unit in ("voxels", "fraction"):
        sides = np.array(placing.size_voxels)
    if unit == "fraction":
        positions, scale, sides = positions * size, pixel, size
    places = positions * scale if centred else (positions - first - sides / 2.0) * scale
    if placing.flip_z:
        places = places * np.diag(_MIRROR)
    moved: Float = places + picks.shift_unbinned_px * pixel + (0.0 if centred else np.array(offset_angstrom))
    return moved


def mirrored(rotations: Float) -> Float:
    """Mirror orientations (n, 3, 3) along z: those of the mirrored particle in the mirrored volume."""
    result: Float = _MIRROR @ rotations @ _MIRROR
    return result
