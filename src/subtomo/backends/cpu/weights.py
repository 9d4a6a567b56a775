"""Undo what trilinear insertion does to weights, as far as they stay positive (spec/cost.md, quadratic term)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.conventions import WEIGHT_FLOOR, WEIGHT_KEPT, WEIGHT_SHARPENING

Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True)
def sharpen_weights(weights_out: Float32) -> None:
    """Sharpen CTF² along each axis, and raise it to a small share of its largest value at least.

    ``weights_out`` (c, c, c // 2 + 1) is a half transform. Insertion blurs by a triangle; taking away a twelfth of the
    second difference undoes that to fourth order. No voxel loses more than a set share, so that none becomes negative.
    """
    c, half = weights_out.shape[1], weights_out.shape[2]
    # the neighbours beyond the first and the last column are mirror images
    before, after = weights_out[:, :, 1].copy(), weights_out[:, :, half - 2].copy()
    least = np.float32(WEIGHT_FLOOR) * weights_out.max()
    extended = np.empty(half + 2, np.float32)
    for z in range(c):
        for y in range(c):
            mirror_z, mirror_y = (c - z) % c, (c - y) % c
            extended[1 : half + 1] = weights_out[z, y]
            extended[0], extended[half + 1] = before[mirror_z, mirror_y], after[mirror_z, mirror_y]
            _sharpen(extended[:half], extended[1 : half + 1], extended[2:], weights_out[z, y])
    for z in range(c):
        plane = weights_out[z].copy()
        for y in range(c):
            _sharpen(plane[(y - 1) % c], plane[y], plane[(y + 1) % c], weights_out[z, y])
    for y in range(c):
        plane = weights_out[:, y].copy()
        for z in range(c):
            row = weights_out[z, y]
            _sharpen(plane[(z - 1) % c], plane[z], plane[(z + 1) % c], row)
            for x in range(half):
                row[x] = max(row[x], least)


@njit(nogil=True, cache=True, inline="always")
def _sharpen(left: Float32, middle: Float32, right: Float32, row_out: Float32) -> None:
    amount = np.float32(WEIGHT_SHARPENING)
    for i in range(row_out.shape[0]):
        sharp = middle[i] + amount * (np.float32(2.0) * middle[i] - left[i] - right[i])
        row_out[i] = max(sharp, np.float32(WEIGHT_KEPT) * middle[i])
