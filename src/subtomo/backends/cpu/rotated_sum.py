"""The sum of many rotated volumes: one transform of a grid over which all of them are spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cpu.cubes import CubeToHalf
from subtomo.backends.cpu.exact import ExactVolume
from subtomo.backends.cpu.rotate import sum_rotated_weights
from subtomo.backends.cpu.tables import row_lengths
from subtomo.backends.volumes import RotatedSum
from subtomo.physics.frequency import wrapped_index

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_OVERSAMPLING = 1.5
"""At 1.25 rounding in the corners of the box, which particles do not reach, is a hundred times as large."""


class CpuRotatedSum(RotatedSum):
    """Spreads transforms as the exact data term spreads slices.

    Args:
        size: Side of the volumes, c, even.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._volume = ExactVolume(size, _OVERSAMPLING)
        self._to_half = CubeToHalf(size)
        self._weights = np.zeros((size, size, size // 2 + 1), np.float32)
        self._scratch = np.empty((size + 1, size + 1, size // 2 + 1), np.float32)

    def add(self, data: Float32, factor: Float32 | None, weights: Float32, matrix: Float, offset_px: Float) -> None:
        """Transform a volume, spread it, and interpolate its weights."""
        matrix, size = np.asarray(matrix, np.float64), self.size
        half = self._to_half.transform(data)
        if factor is not None:
            half[..., : size // 2 + 1] *= factor
        # a shift, and the volume's centre at c // 2
        turns = wrapped_index(size) * ((size // 2 - np.asarray(offset_px, np.float64)) / size)[:, None]
        waves = np.exp(2j * np.pi * turns).view(np.float64).reshape(3, size, 2)
        self._volume.add_volume(half, matrix, waves, row_lengths(size))
        weights = np.ascontiguousarray(weights, np.float32)
        sum_rotated_weights(weights, matrix, row_lengths(size), self._scratch, self._weights)

    def read(self) -> tuple[Float32, Float32]:
        """Read the sum off the transform of the grid."""
        data, weights = np.empty((self.size,) * 3, np.float32), self._weights
        # the transforms of the volumes are orthonormal, too
        self._volume.read(1.0, data)
        self._weights = np.zeros_like(weights)
        return data, weights

    def clear(self) -> None:
        """Forget what is in the sum."""
        self._volume.clear()
        self._weights[...] = 0.0
