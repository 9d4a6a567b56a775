"""References: maps whose transform is looked up at any frequency (spec/refinement.md)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.fft import half_to_real, real_to_half

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Real = NDArray[np.floating]

PADDING = 2
"""References are embedded in a cube this many times larger, so that their transform is known at half frequencies."""


@dataclass(frozen=True, eq=False)
class FourierReference:
    """The transform of a map at half frequencies, between which it is interpolated trilinearly."""

    grid: Float32
    """Flat, see `backends.alignment.Grid`; orthonormal transform."""
    size: int
    """Side of the map, voxels."""
    reach: int
    """The last shell that can be looked up."""
    pixel_size_angstrom: float

    @property
    def side(self) -> int:
        """Side of the grid."""
        return grid_side(self.reach)

    @staticmethod
    def of(volume: Real, reach: int, pixel_size_angstrom: float) -> FourierReference:
        """Transform a map (c, c, c) with its centre at ``c // 2``.

        The map is divided by sinc²(x / 2c) along each axis, by which interpolation multiplies it.
        """
        size = len(volume)
        reach = min(reach, size // 2 - 1)
        factor = _correction(size)
        corrected = np.asarray(volume, np.float32) * factor[:, None, None] * factor[:, None] * factor
        fine = PADDING * size
        padded = np.zeros((fine,) * 3, np.float32)
        for target, source in _octants(size):
            padded[target] = corrected[source]
        spectrum = np.empty((fine, fine, fine // 2 + 1), np.complex64)
        real_to_half(padded, spectrum, axes=(0, 1, 2))
        # orthonormal over the map's own voxels
        spectrum *= np.float32((fine / size) ** 1.5)
        rows = _rows(reach) % fine
        inside = spectrum[rows][:, rows][:, :, : PADDING * reach + 2]
        return FourierReference(
            np.ascontiguousarray(inside).view(np.float32).reshape(-1), size, reach, pixel_size_angstrom
        )


def grid_side(reach: int) -> int:
    """Give the number of half frequencies from -M - 1 to M + 1, M = 2 reach."""
    return 2 * PADDING * reach + 3


def empty_grid(reach: int) -> Float32:
    """Make a grid of zeros for sums, flat."""
    side = grid_side(reach)
    return np.zeros(side * side * (side // 2 + 1) * 2, np.float32)


def map_of_grid(grid: Real, reach: int, size: int) -> Float:
    """Undo `FourierReference.of` for sums of spread values: a map (c, c, c) with its centre at ``c // 2``.

    Args:
        grid: Flat; values of opposite frequencies that fell on the plane x = 0 are still to be added.
        reach: Of the grid.
        size: Side of the map.
    """
    side, fine = grid_side(reach), PADDING * size
    values = np.array(grid, np.float64).view(np.complex128).reshape(side, side, side // 2 + 1)
    values[:, :, 0] += values[::-1, ::-1, 0].conj()
    spectrum = np.zeros((fine, fine, fine // 2 + 1), np.complex128)
    rows, last = _rows(reach) % fine, PADDING * reach + 2
    spectrum[np.ix_(rows, rows, np.arange(last))] = values[:, :, :last]
    real = np.empty((fine,) * 3)
    half_to_real(spectrum, real, axes=(0, 1, 2))
    volume = np.empty((size,) * 3)
    for source, target in _octants(size):
        volume[target] = real[source]
    factor = _correction(size) * (fine / size) ** 0.5
    corrected: Float = volume * factor[:, None, None] * factor[:, None] * factor
    return corrected


def _correction(size: int) -> Float32:
    """Compute 1 / sinc²(x / 2c) for x from -c / 2 on."""
    return (1.0 / np.sinc((np.arange(size) - size // 2) / (PADDING * size)) ** 2).astype(np.float32)


def _rows(reach: int) -> NDArray[np.int64]:
    return np.arange(-PADDING * reach - 1, PADDING * reach + 2)


def _octants(size: int) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Pair parts of the padded cube with parts of the map: its centre goes to the origin."""
    half = size // 2
    inner, outer = (slice(half, None), slice(0, half)), (slice(0, half), slice(-half, None))
    return [
        (tuple(outer[corner] for corner in corners), tuple(inner[corner] for corner in corners))
        for corners in product((0, 1), repeat=3)
    ]
