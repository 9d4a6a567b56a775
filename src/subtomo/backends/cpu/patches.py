"""Loops over pixels in real space: cropping and masking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True)
def _copy(line: NDArray[Any], source: int, count: int, row_out: Float32, target: int) -> None:
    """Copy part of a line; unsigned indices need no test for negative ones, so this becomes vector instructions."""
    from_, to = np.uint64(source), np.uint64(target)
    for i in range(np.uint64(count)):
        row_out[to + i] = line[from_ + i]


@njit(nogil=True, cache=True)
def crop_rows(image: NDArray[Any], corner_x: int, corner_y: int, shift: int, rows_out: Float32) -> None:
    """Copy some rows of a square of an image, edge pixels repeated, and roll them to the left by ``shift``.

    ``rows_out[j, (i - shift) mod s] = image[clamp(corner_y + j), clamp(corner_x + i)]``, s the length of a row.
    """
    height, width = image.shape
    size = rows_out.shape[1]
    inside = corner_x >= 0 and corner_x + size <= width
    for j in range(rows_out.shape[0]):
        # beyond the image its edge pixels are repeated
        line = image[min(max(corner_y + j, 0), height - 1)]
        row = rows_out[j]
        if inside:
            # the usual case, two straight copies
            _copy(line, corner_x, shift, row, size - shift)
            _copy(line, corner_x + shift, size - shift, row, 0)
        else:
            for i in range(size):
                row[i - shift if i >= shift else i - shift + size] = line[min(max(corner_x + i, 0), width - 1)]


@njit(nogil=True, cache=True)
def crop_square(image: NDArray[Any], corner_x: int, corner_y: int, shift: int, patch_out: Float32) -> None:
    """Copy a whole square, rolled by ``shift`` in both directions."""
    size = patch_out.shape[0]
    crop_rows(image, corner_x, corner_y, shift, patch_out[size - shift :])
    crop_rows(image, corner_x, corner_y + shift, shift, patch_out[: size - shift])


@njit(nogil=True, cache=True)
def circle_crop_whole(images_out: Float32, mask: Float32, background: NDArray[np.bool_]) -> None:
    """Subtract the mean of the background from images and multiply them by the mask: ``t (v - m)``."""
    n, height, width = images_out.shape
    for i in range(n):
        # mean of what lies outside the circle; zero where the circle fills the patch
        total, count = 0.0, 0
        for y in range(height):
            for x in range(width):
                if background[y, x]:
                    total += images_out[i, y, x]
                    count += 1
        mean = np.float32(total / count) if count else np.float32(0.0)
        for y in range(height):
            for x in range(width):
                images_out[i, y, x] = mask[y, x] * (images_out[i, y, x] - mean)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def circle_crop_rows(
    rows_out: Float32, totals: NDArray[np.float64], mask: Float32, spans: NDArray[np.int32], n_background: int
) -> None:
    """Do the same to images of which only the central rows are there: the rest of the background is in their totals.

    Args:
        rows_out: (n, rows, width), all rows that the mask does not blacken.
        totals: (n,) sums over all pixels of the whole images.
        mask: (rows, width).
        spans: (rows, 2) first pixel, and last pixel plus one, within the circle, i.e. not background.
        n_background: Number of background pixels in a whole image.
    """
    n, height, width = rows_out.shape
    for i in range(n):
        inner = np.float64(0.0)
        for y in range(height):
            # the sum inside the circle, by rows in single precision, so that it becomes vector instructions
            line = rows_out[i, y, spans[y, 0] : spans[y, 1]]
            partial = np.float32(0.0)
            for x in range(line.shape[0]):
                partial += line[x]
            inner += partial
        # the background is the whole image without the circle: rows that were never computed count, too
        mean = np.float32((totals[i] - inner) / n_background) if n_background else np.float32(0.0)
        for y in range(height):
            row, weight = rows_out[i, y], mask[y]
            for x in range(width):
                row[x] = weight[x] * (row[x] - mean)
