"""Minimum, maximum and sums of large arrays in one pass over memory."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_BLOCK = 1024


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _block_sums(block: NDArray[np.float32], origin: float) -> tuple[float, float]:
    total = squares = 0.0
    for value in block:
        deviation = value - origin
        total += deviation
        squares += deviation * deviation
    return total, squares


@njit(nogil=True, cache=True)
def _block_range(block: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    low = high = block[0]
    for value in block:
        low = value if value < low else low
        high = value if value > high else high
    return low, high


@njit(nogil=True, cache=True)
def range_and_sums(values: NDArray[np.float32], origin: float) -> tuple[float, float, float, float]:
    """Measure a flat float32 array: minimum, maximum, Σ (v - origin), Σ (v - origin)², sums in double precision."""
    low, high, total, squares = values[0], values[0], 0.0, 0.0
    for start in range(0, values.shape[0], _BLOCK):
        block = values[start : start + _BLOCK]
        block_low, block_high = _block_range(block)
        low, high = min(low, block_low), max(high, block_high)
        block_total, block_squares = _block_sums(block, origin)
        total += block_total
        squares += block_squares
    return float(low), float(high), total, squares
