"""The exact data term: back-projection by a non-uniform Fourier transform of type 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cpu.gridding import OVERSAMPLING, deconvolution, grid_size, tap_polynomials
from subtomo.backends.cpu.spread import MARGIN, fold_margins, grid_shape, spread_slices, spread_volume, undo_kernel
from subtomo.backends.fft import complex_to_complex, half_to_real

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


class ExactVolume:
    """Sums 2 Re(d exp(2πi p·r / c)) over pixels d at frequencies p, for every voxel r of a volume of side c.

    Args:
        crop_size: c, even.
        oversampling: Of the grid. More than is usual is for volumes whose corners matter: what is read there is divided
            by little, three times over.
    """

    def __init__(self, crop_size: int, oversampling: float = OVERSAMPLING) -> None:
        self.crop_size, self.grid_size = crop_size, grid_size(crop_size, oversampling)
        self._grid = np.zeros(grid_shape(self.grid_size), np.float32)
        self._lines = np.empty((crop_size, crop_size, self.grid_size), np.float32)
        self._is_clean = True

    def clear(self) -> None:
        """Forget what a particle that failed has left behind."""
        if not self._is_clean:
            self._grid[...] = 0.0
            self._is_clean = True

    def add(self, slices: NDArray[np.complex64], axes: Float, limits: NDArray[np.int32], scales: Float) -> None:
        """Add slices; see `subtomo.backends.protocol.ExactAccumulator.insert_data`."""
        self._is_clean = False
        # the grid is finer than the volume's own transform by M / c
        in_nodes = axes * (self.grid_size / self.crop_size)
        spread_slices(slices.view(np.float32), in_nodes, limits, scales, tap_polynomials(), self._grid)

    def add_volume(self, half: NDArray[np.complex64], axes: Float, waves: Float, stops: NDArray[np.int32]) -> None:
        """Add the half transform of a volume; see `subtomo.backends.cpu.spread.spread_volume`."""
        self._is_clean = False
        in_nodes = axes * (self.grid_size / self.crop_size)
        spread_volume(half.view(np.float32), in_nodes, waves, stops, tap_polynomials(), self._grid)

    def read(self, scale: float, volume_out: Float32) -> None:
        """Transform to real space, times ``scale`` / √c³, into (c, c, c) with the centre at c // 2, and start anew."""
        c, m = self.crop_size, self.grid_size
        # z over the whole grid; then only the sections and rows that end up in the volume
        fold_margins(self._grid)
        inner = slice(MARGIN, MARGIN + m)
        spectrum = self._grid.view(np.complex64)[inner, inner, inner.start : inner.start + m // 2 + 1, 0]
        complex_to_complex(spectrum, spectrum, 0, forward=False)
        half = c // 2
        # the grid begins at -M/2, so that the wanted voxels -c/2 ... c/2 - 1 are at the ends, with alternating signs
        ends = (slice(m - half, m), slice(0, half)), (slice(0, half), slice(half, c))
        for source_z, target_z in zip(*ends, strict=True):
            section = spectrum[source_z]
            complex_to_complex(section, section, 1, forward=False)
            for source_y, target_y in zip(*ends, strict=True):
                half_to_real(section[:, source_y], self._lines[target_z, target_y], (2,))
        factors = deconvolution(c, m)
        signs = 1.0 - 2.0 * (np.arange(-half, c - half) % 2)
        # the transforms are orthonormal, which this one is not
        undo_kernel(
            self._lines,
            factors.astype(np.float32),
            (factors * signs).astype(np.float32),
            np.float32(scale * (m / c) ** 1.5),
            volume_out,
        )
        self._grid[...] = 0.0
        self._is_clean = True
