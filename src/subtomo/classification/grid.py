"""Maps on a grid no finer than the comparison needs, and their values at the voxels that are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.voxels import Voxels
from subtomo.averaging.average import AverageSums

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Real = NDArray[np.floating]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MapGrid:
    """The grid of the maps of a classification; voxels are in the order of `FramedTerms`."""

    voxels: Voxels
    """Of the particles' box."""
    voxel_angstrom: float
    """Of the particles' box."""

    @property
    def size(self) -> int:
        """Side of the maps, voxels."""
        return min(self.voxels.size, 2 * (self.voxels.reach + 2))

    @property
    def coarse_angstrom(self) -> float:
        """Å per voxel of the maps."""
        return self.voxel_angstrom * self.voxels.size / self.size

    def sums(self, data: Float, weights: Float, count: int) -> AverageSums:
        """Lay sums of terms, (m, 2) and (m,), out as transforms."""
        sums = AverageSums(self.size)
        x, y, z = self.voxels.indices.T.astype(np.int64)
        values = (data[:, 0] + 1j * data[:, 1]) * self.size**1.5
        plane = x == 0
        sums.spectrum[z, y, x], sums.ctf2[z, y, x] = values, weights
        sums.spectrum[-z[plane], -y[plane], 0] = values[plane].conj()
        sums.ctf2[-z[plane], -y[plane], 0] = weights[plane]
        sums.count = count
        return sums

    def values(self, density: Real, last_shell: int) -> Float32:
        """Give the orthonormal transform of a map at the voxels, (m, 2); zero beyond a shell."""
        spectrum = np.fft.rfftn(np.fft.ifftshift(np.asarray(density, np.float64))) / self.size**1.5
        x, y, z = self.voxels.indices.T.astype(np.int64)
        found = np.where(self.voxels.shells <= last_shell, spectrum[z, y, x], 0.0)
        return np.stack([found.real, found.imag], axis=1).astype(np.float32)

    def coarsened(self, density: Real) -> Float:
        """Bring a map of the particles' box (c, c, c) to this grid."""
        return _resized(density, self.size)

    def refined(self, density: Real) -> Float32:
        """Bring a map of this grid to the particles' box, (c, c, c)."""
        return _resized(density, self.voxels.size).astype(np.float32)

    def shell_of(self, resolution_angstrom: float) -> int:
        """Give the shell of a resolution, within the voxels that there are."""
        return max(3, min(int(self.voxels.size * self.voxel_angstrom / resolution_angstrom), self.voxels.reach))

    def resolution_of(self, shell: int) -> float:
        """Give the resolution of a shell, Å."""
        return self.voxels.size * self.voxel_angstrom / max(shell, 1)


def _resized(density: Real, size: int) -> Float:
    """Crop a transform, or pad it with zeros, so that values stay as they are (in units of the orthonormal one)."""
    old = len(density)
    if old == size:
        return np.asarray(density, np.float64)
    spectrum = np.fft.rfftn(np.fft.ifftshift(np.asarray(density, np.float64)))
    half = min(old, size) // 2
    rows = np.arange(-half + 1, half)
    made = np.zeros((size, size, size // 2 + 1), np.complex128)
    columns = np.arange(half)
    made[np.ix_(rows % size, rows % size, columns)] = spectrum[np.ix_(rows % old, rows % old, columns)]
    resized: Float = np.fft.fftshift(np.fft.irfftn(made, s=(size,) * 3, axes=(0, 1, 2))) * (size / old) ** 1.5
    return resized
