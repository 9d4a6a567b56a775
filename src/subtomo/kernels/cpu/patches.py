"""Loops over pixels in real space: cropping and masking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)
def crop_rolled(image: NDArray[Any], corner_x: int, corner_y: int, patch_out: NDArray[np.float32]) -> None:
    """Copy a square of an image, edge pixels repeated, rolled so that its centre comes to the first pixel.

    ``patch_out[(j - s//2) mod s, (i - s//2) mod s] = image[clamp(corner_y + j), clamp(corner_x + i)]``
    """
    height, width = image.shape
    size = patch_out.shape[0]
    half = size // 2
    inside = corner_x >= 0 and corner_x + size <= width
    for j in range(size):
        y = min(max(corner_y + j, 0), height - 1)
        row = patch_out[j - half if j >= half else j - half + size]
        if inside:
            for i in range(half):
                row[i - half + size] = image[y, corner_x + i]
            for i in range(half, size):
                row[i - half] = image[y, corner_x + i]
        else:
            for i in range(size):
                x = min(max(corner_x + i, 0), width - 1)
                row[i - half if i >= half else i - half + size] = image[y, x]


@njit(nogil=True, cache=True)
def circle_crop(images_out: NDArray[np.float32], mask: NDArray[np.float32], background: NDArray[np.bool_]) -> None:
    """Subtract the mean of the background from images and multiply them by the mask: ``t (v - m)``."""
    n, height, width = images_out.shape
    for i in range(n):
        image = images_out[i]
        total, count = 0.0, 0
        for y in range(height):
            for x in range(width):
                if background[y, x]:
                    total += image[y, x]
                    count += 1
        mean = np.float32(total / count) if count else np.float32(0.0)
        for y in range(height):
            for x in range(width):
                image[y, x] = mask[y, x] * (image[y, x] - mean)
