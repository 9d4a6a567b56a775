"""Undo what trilinear insertion does to weights, as far as they stay positive (spec/cost.md, quadratic term)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.conventions import RAISED_SHARE, REACH_SHARE, WEIGHT_KEPT, WEIGHT_SHARPENING

Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True)
def sharpen_weights(weights_out: Float32, share: np.float32) -> None:
    """Sharpen CTF² along each axis, and raise it to a share of its largest value at least.

    ``weights_out`` (c, c, c // 2 + 1) is a half transform. Insertion blurs by a triangle; taking away a twelfth of the
    second difference undoes that to fourth order. No voxel loses more than a set share, so that none becomes negative.
    """
    least = share * weights_out.max()
    _filter(weights_out, np.float32(WEIGHT_SHARPENING), np.float32(WEIGHT_KEPT))
    weights_out[...] = np.maximum(weights_out, least)


@njit(nogil=True, cache=True)
def raise_weights(weights_out: Float32) -> None:
    """Sharpen CTF² (c, c, c // 2 + 1), and raise it beside the slices; see `subtomo.physics.weights.raised`."""
    # what insertion has at a place, blurred further, tells how much exact data leak there
    spread = weights_out.copy()
    _filter(spread, np.float32(-REACH_SHARE), np.float32(0.0))
    _filter(weights_out, np.float32(WEIGHT_SHARPENING), np.float32(WEIGHT_KEPT))
    c, half = weights_out.shape[1], weights_out.shape[2]
    for z in range(c):
        for y in range(c):
            for x in range(half):
                weights_out[z, y, x] = max(weights_out[z, y, x], np.float32(RAISED_SHARE) * spread[z, y, x])


@njit(nogil=True, cache=True)
def only_sharpen_weights(weights_out: Float32) -> None:
    """Sharpen CTF² (c, c, c // 2 + 1) along each axis, without raising any of it."""
    _filter(weights_out, np.float32(WEIGHT_SHARPENING), np.float32(WEIGHT_KEPT))


@njit(nogil=True, cache=True)
def _filter(weights_out: Float32, amount: np.float32, kept: np.float32) -> None:
    """Take a share of the second difference away along each axis; of every weight the share ``kept`` stays at least."""
    c, half = weights_out.shape[1], weights_out.shape[2]
    # the neighbours beyond the first and the last column are mirror images
    before, after = weights_out[:, :, 1].copy(), weights_out[:, :, half - 2].copy()
    along_x, section = np.empty((c, half + 2), np.float32), np.empty((c, half), np.float32)
    # a section along x, then y, while it is in the cache
    for z in range(c):
        for y in range(c):
            for x in range(half):
                along_x[y, x + 1] = weights_out[z, y, x]
            mirror_z, mirror_y = (c - z) % c, (c - y) % c
            along_x[y, 0], along_x[y, half + 1] = before[mirror_z, mirror_y], after[mirror_z, mirror_y]
            for x in range(half):
                section[y, x] = _filtered(along_x[y, x], along_x[y, x + 1], along_x[y, x + 2], amount, kept)
        for y in range(c):
            last, following = (y - 1) % c, (y + 1) % c
            for x in range(half):
                weights_out[z, y, x] = _filtered(section[last, x], section[y, x], section[following, x], amount, kept)
    for y in range(c):
        # a copy, for the results overwrite what the next row needs
        for z in range(c):
            for x in range(half):
                section[z, x] = weights_out[z, y, x]
        for z in range(c):
            last, following = (z - 1) % c, (z + 1) % c
            for x in range(half):
                weights_out[z, y, x] = _filtered(section[last, x], section[z, x], section[following, x], amount, kept)


@njit(nogil=True, cache=True, inline="always")
def _filtered(
    left: np.float32, middle: np.float32, right: np.float32, amount: np.float32, kept: np.float32
) -> np.float32:
    return max(middle + amount * (np.float32(2.0) * middle - left - right), kept * middle)
