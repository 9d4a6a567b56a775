"""Sums of particles in their poses: what a batch adds, what a half set has, and the map that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.reference import empty_grid, grid_side, map_of_grid
from subtomo.alignment.voxels import Voxels
from subtomo.averaging.average import AverageSums
from subtomo.backends.alignment import AlignmentBackend, Pose, Terms

Float = NDArray[np.float64]


class BatchSums:
    """Sums over a few particles of one half set, in single precision.

    Args:
        voxels: Of the average.
    """

    def __init__(self, voxels: Voxels) -> None:
        self.grid = empty_grid(voxels.reach)
        self.weights = np.zeros(len(voxels))
        self.count = 0
        self._side = grid_side(voxels.reach)

    def add(self, backend: AlignmentBackend, terms: Terms, pose: Pose, factor: float, stretch: float) -> None:
        """Add a particle in its pose."""
        backend.add(self.grid, self.weights, terms, pose, factor, stretch, self._side)
        self.count += 1


@dataclass(eq=False)
class HalfSums:
    """Sums over a half set, in double precision."""

    voxels: Voxels
    grid: Float
    weights: Float
    count: int = 0

    @staticmethod
    def empty(voxels: Voxels) -> HalfSums:
        """Begin with nothing."""
        return HalfSums(voxels, empty_grid(voxels.reach).astype(np.float64), np.zeros(len(voxels)))

    def add(self, part: BatchSums) -> None:
        """Add a batch; the order of batches decides the last bits."""
        self.grid += part.grid
        self.weights += part.weights
        self.count += part.count

    def finished(self) -> AverageSums:
        """Turn them into transforms on the grid of the map."""
        voxels = self.voxels
        size = voxels.size
        sums = AverageSums(size)
        density = map_of_grid(self.grid, voxels.reach, size)
        spectrum = np.fft.rfftn(np.fft.ifftshift(density))
        x, y, z = voxels.indices.T.astype(np.int64)
        plane = x == 0
        # what the crop leaks beyond the last shell has no weights to be divided by
        for target, values in ((sums.spectrum, spectrum), (sums.ctf2, None)):
            target[z, y, x] = self.weights if values is None else values[z, y, x]
            mirrored = -z[plane], -y[plane], 0
            target[mirrored] = self.weights[plane] if values is None else values[mirrored]
        sums.count = self.count
        return sums
