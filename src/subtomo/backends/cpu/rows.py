"""Where the pixels of a slice's row lie in the volume."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]


@njit(nogil=True, cache=True)
def first_of_other_sign(start: int, stop: int, ux: float, vx: float) -> int:
    """Find where x ux + vx changes its sign between start and stop; stop if it does not."""
    # most rows stay on one side
    negative = start * ux + vx < 0.0
    if start >= stop or ((stop - 1) * ux + vx < 0.0) == negative:
        return stop
    # solved, then corrected by what the loop itself will compute: rounding must not decide differently there
    x = min(max(int(-vx / ux), start + 1), stop - 1)
    while x > start + 1 and ((x - 1) * ux + vx < 0.0) != negative:
        x -= 1
    while (x * ux + vx < 0.0) == negative:
        x += 1
    return x


@njit(nogil=True, cache=True)
def reach(axes: Float, radius: float) -> float:
    """Give the largest coordinate that a pixel within a radius can have."""
    farthest = 0.0
    for i in range(3):
        farthest = max(farthest, radius * math.sqrt(axes[0, i] ** 2 + axes[1, i] ** 2))
    return farthest


@njit(nogil=True, cache=True)
def is_near(x: int, y: int, axes: Float, limit: float) -> bool:
    """Tell whether a pixel lies where every coordinate is below a limit."""
    near = True
    for i in range(3):
        near &= abs(x * axes[0, i] + y * axes[1, i]) < limit
    return near
