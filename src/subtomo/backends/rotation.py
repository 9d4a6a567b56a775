"""Rotate volumes in Fourier space: interpolation between the values of a finer transform."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cache import compiled_here
from subtomo.backends.fft import real_to_half

with compiled_here():
    from subtomo.backends.cpu.rotate import rotate_spectrum, rotate_weights

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]
Real = NDArray[np.floating]

PADDING = 2
"""Volumes are embedded in a cube this many times larger, which makes their transform that much finer."""


class FineTransform:
    """The transform of a volume, ready to be looked up at any frequency.

    The volume is zero-padded and divided by sinc⁴(x / P) along each axis, which is what interpolation with cubic
    B-splines multiplies it by. What remains is the ghost of the volume at the distance P, sinc⁴ there: below 0.02 %
    of a density at half the radius, and at most 1.3 % at the very edge.

    Args:
        volume: (c, c, c) real space, centre at ``c // 2``; c is even.
        damping: (c, c, c) by which the volume was multiplied, and which is to be undone; None for nothing.
    """

    def __init__(self, volume: Real, damping: Real | None = None) -> None:
        size = len(volume)
        self.size = size
        factor = _spline_correction(size)
        flat = np.asarray(volume, np.float32) if damping is None else np.asarray(volume / damping, np.float32)
        flat = flat * factor[:, None, None] * factor[:, None] * factor
        padded = np.zeros((PADDING * size,) * 3, np.float32)
        half = size // 2
        # the centre goes to the origin, negative coordinates to the far end
        for corner in product((False, True), repeat=3):
            source = tuple(slice(0, half) if negative else slice(half, None) for negative in corner)
            target = tuple(slice(-half, None) if negative else slice(0, half) for negative in corner)
            padded[target] = flat[source]
        fine = PADDING * size
        spectrum = np.empty((fine, fine, fine // 2 + 1), np.complex64)
        real_to_half(padded, spectrum, axes=(0, 1, 2))
        self._values = spectrum.view(np.float32)
        self._scale = np.float32(fine**1.5)

    def rotated(self, matrix: Float, offset_px: Float | None = None) -> Complex64:
        """Give the transform of r → volume(matrix · r - offset).

        Args:
            matrix: (3, 3) rotation.
            offset_px: (3,) x, y, z in voxels; None for none.

        Returns:
            (c, c, c // 2 + 1) half transform without normalisation, of a volume with its centre at [0, 0, 0];
            zero from the frequency c / 2 on.
        """
        offset = np.zeros(3) if offset_px is None else np.asarray(offset_px, np.float64)
        size = self.size
        result = np.empty((size, size, size // 2 + 1), np.complex64)
        rotate_spectrum(self._values, np.asarray(matrix, np.float64), offset, PADDING, result.view(np.float32))
        result *= self._scale
        return result


def rotated_weights(weights: Real, matrix: Float) -> Float32:
    """Give k → weights(matrix · k), trilinear, zero from c / 2 on; half transforms (c, c, c // 2 + 1)."""
    result = np.empty(weights.shape, np.float32)
    values = np.ascontiguousarray(weights, np.float32)
    rotate_weights(values, np.asarray(matrix, np.float64), result)
    return result


def _spline_correction(size: int) -> Float32:
    coordinate = (np.arange(size) - size // 2) / (PADDING * size)
    return (1.0 / np.sinc(coordinate) ** 4).astype(np.float32)
