"""The sum of rotated volumes by its definition, for backends that have no faster way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.nufft import volume_from_points
from subtomo.backends.volumes import RotatedSum, half_frequencies

if TYPE_CHECKING:
    from subtomo.backends.volumes import AnyVolumeBackend

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


class DirectSum(RotatedSum):
    """Sums the waves of all volumes in double precision.

    Args:
        size: Side of the volumes, c, even.
        verbs: Rotate the weights.
    """

    def __init__(self, size: int, verbs: AnyVolumeBackend) -> None:
        self.size, self._verbs = size, verbs
        self._frequencies = half_frequencies(size)
        x, y, z = self._frequencies.T
        self._is_inside = (self._frequencies**2).sum(axis=1) < size * size / 4
        # column 0 holds both of each pair of mirror images
        self._is_inside &= (x > 0) | (z > 0) | ((z == 0) & (y >= 0))
        self.clear()

    def clear(self) -> None:
        """Forget what is in the sum."""
        size = self.size
        self._data, self._weights = np.zeros((size,) * 3), np.zeros((size, size, size // 2 + 1))

    def add(self, data: Float32, factor: Float32 | None, weights: Float32, matrix: Float, offset_px: Float) -> None:
        """Sum the waves of a volume at every voxel."""
        size, inside = self.size, self._is_inside
        half = np.fft.rfftn(np.fft.ifftshift(data.astype(np.float64)))
        if factor is not None:
            half = half * factor
        points = self._frequencies[inside]
        values = half.ravel()[inside] * np.exp(-2j * np.pi * (points @ np.asarray(offset_px)) / size)
        # the origin is its own mirror image
        values[(points == 0).all(axis=1)] /= 2
        self._data += volume_from_points(points @ np.asarray(matrix, np.float64) / size, values, size) / size**3
        self._weights += self._verbs.rotated_weights(weights, matrix)

    def read(self) -> tuple[Float32, Float32]:
        """Give the sums."""
        data, weights = self._data.astype(np.float32), self._weights.astype(np.float32)
        self.clear()
        return data, weights
