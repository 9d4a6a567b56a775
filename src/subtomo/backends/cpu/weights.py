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
    weights_out[...] = np.maximum(weights_out, np.float32(RAISED_SHARE) * spread)


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
    extended = np.empty(half + 2, np.float32)
    # along x, rows with their two neighbours beyond the ends
    for z in range(c):
        for y in range(c):
            mirror_z, mirror_y = (c - z) % c, (c - y) % c
            extended[1 : half + 1] = weights_out[z, y]
            extended[0], extended[half + 1] = before[mirror_z, mirror_y], after[mirror_z, mirror_y]
            _filter_row(extended[:half], extended[1 : half + 1], extended[2:], amount, kept, weights_out[z, y])
    # along y, then z: whole rows at a time, of a copy, for the results overwrite what the next row needs
    for z in range(c):
        plane = weights_out[z].copy()
        for y in range(c):
            _filter_row(plane[(y - 1) % c], plane[y], plane[(y + 1) % c], amount, kept, weights_out[z, y])
    for y in range(c):
        plane = weights_out[:, y].copy()
        for z in range(c):
            _filter_row(plane[(z - 1) % c], plane[z], plane[(z + 1) % c], amount, kept, weights_out[z, y])


@njit(nogil=True, cache=True, inline="always")
def _filter_row(
    left: Float32, middle: Float32, right: Float32, amount: np.float32, kept: np.float32, row_out: Float32
) -> None:
    for i in range(row_out.shape[0]):
        filtered = middle[i] + amount * (np.float32(2.0) * middle[i] - left[i] - right[i])
        row_out[i] = max(filtered, kept * middle[i])
