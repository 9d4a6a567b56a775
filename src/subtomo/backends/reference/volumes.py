"""Verbs of volumes in double precision: every value of a transform is the sum over all voxels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.nufft import values_at_points
from subtomo.backends.volumes import RangeAndSums, Samples, VolumeBackend, half_frequencies

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Real = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class ReferenceSpectrum:
    """The volume itself, (c, c, c)."""

    volume: Float

    @property
    def size(self) -> int:
        """Side of the volume, voxels."""
        return len(self.volume)


class ReferenceVolumes(VolumeBackend[ReferenceSpectrum]):
    """Nothing is interpolated but weights."""

    def spectrum(self, volume: Real, damping: Real | None = None) -> ReferenceSpectrum:
        """Keep the volume."""
        values = np.asarray(volume, np.float64)
        return ReferenceSpectrum(values if damping is None else values / damping)

    def sample(self, spectrum: ReferenceSpectrum, points: Float, *, gradient: bool = False) -> Samples:
        """Sum over the voxels; derivatives by x are the transform of -2πi x / c times the volume."""
        c = spectrum.size
        inside = (points**2).sum(axis=1) < c * c / 4
        values = np.where(inside, values_at_points(spectrum.volume, points / c), 0.0)
        slopes = np.zeros((len(points) if gradient else 0, 3), np.complex128)
        if gradient:
            coordinate = np.arange(c) - c // 2
            for axis in range(3):
                along = coordinate.reshape([-1 if i == 2 - axis else 1 for i in range(3)])
                slopes[:, axis] = inside * values_at_points(along * spectrum.volume, points / c)
        return Samples(values, -2j * np.pi / c * slopes)

    def rotated_weights(self, weights: Real, matrix: Float) -> Float32:
        """Interpolate between the eight neighbours."""
        c = len(weights)
        points = half_frequencies(c)
        inside = (points**2).sum(axis=1) < c * c / 4
        points = points @ np.asarray(matrix, np.float64).T
        points = np.where(points[:, :1] < 0, -points, points)
        base = np.floor(points)
        total = np.zeros(len(points))
        for corner in product((0, 1), repeat=3):
            node = base + np.array(corner)
            share = np.prod(1.0 - np.abs(points - node), axis=1)
            x, y, z = node.astype(np.int64).T
            # a frequency on the last column itself has no neighbour beyond
            total += share * weights[z % c, y % c, np.minimum(x, c // 2)]
        return np.where(inside, total, 0.0).reshape(weights.shape).astype(np.float32)

    def range_and_sums(self, values: Float32, origin: float) -> RangeAndSums:
        """Measure in four passes."""
        deviations = values.astype(np.float64) - origin
        squares = float((deviations**2).sum())
        return RangeAndSums(float(values.min()), float(values.max()), float(deviations.sum()), squares)
