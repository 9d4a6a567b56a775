"""Minimum, maximum and sums of large arrays in one pass over memory."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_BLOCK = 2048


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _block_sums(values: Float32, start: np.uint64, count: np.uint64, origin: float) -> tuple[float, float]:
    total = squares = 0.0
    for i in range(count):
        # sums may be reordered here, so they become vector instructions; blocks are added in order
        deviation = float(values[start + i]) - origin
        total += deviation
        squares += deviation * deviation
    return total, squares


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _block_range(values: Float32, start: np.uint64, count: np.uint64) -> tuple[np.float32, np.float32]:
    low = high = values[start]
    for i in range(count):
        value = values[start + i]
        low = value if value < low else low
        high = value if value > high else high
    return low, high


@njit(nogil=True, cache=True)
def range_and_sums(values: Float32, origin: float) -> tuple[float, float, float, float]:
    """Measure a flat float32 array: minimum, maximum, Σ (v - origin), Σ (v - origin)², sums in double precision."""
    low, high, total, squares = values[0], values[0], 0.0, 0.0
    # both loops over a block while it is in the cache
    for start in range(0, values.shape[0], _BLOCK):
        count = np.uint64(min(_BLOCK, values.shape[0] - start))
        block_low, block_high = _block_range(values, np.uint64(start), count)
        low, high = min(low, block_low), max(high, block_high)
        block_total, block_squares = _block_sums(values, np.uint64(start), count, origin)
        total += block_total
        squares += block_squares
    return float(low), float(high), total, squares
