"""Whitening of the noise in tilt images (spec/conventions.md §6.7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import BLOCK_OVERLAP
from subtomo.physics.frequency import half_radius, shell_average, shell_values

Float = NDArray[np.float64]


def noise_spectrum(image: NDArray[np.generic], block_size: int) -> Float:
    """Average the power of overlapping blocks of an image over shells.

    Args:
        image: (height, width), at least ``block_size`` in both directions.
        block_size: pixels.

    Returns:
        (block_size // 2 + 1,) power per pixel.
    """
    step = int(block_size / BLOCK_OVERLAP)
    height, width = image.shape
    power = np.zeros((block_size, block_size // 2 + 1))
    corners = [(y, x) for y in range(0, height - block_size + 1, step) for x in range(0, width - block_size + 1, step)]
    for y, x in corners:
        block = np.asarray(image[y : y + block_size, x : x + block_size], dtype=np.float64)
        power += np.abs(np.fft.rfft2(block)) ** 2
    power /= len(corners) * block_size**2
    return shell_average(power, half_radius(block_size), block_size // 2 + 1)


def whitening_weights(spectrum: Float, size: int, binning: float) -> NDArray[np.float32]:
    """Compute from a noise spectrum the factor that makes the noise white.

    Args:
        spectrum: power per shell of the unbinned patch.
        size: box size, binned pixels.
        binning: of the box against the tilt images.

    Returns:
        (size, size // 2 + 1) float32.
    """
    inverse = np.divide(1.0, np.sqrt(np.maximum(spectrum, 0.0)), out=np.zeros(len(spectrum)), where=spectrum > 0)
    # the noise of an almost empty image may be too small for its inverse to be finite
    values = np.minimum(shell_values(inverse, binning * half_radius(size)), np.finfo(np.float32).max)
    return values.astype(np.float32)
