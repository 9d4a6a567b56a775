"""The amplitude that radiation damage leaves at each frequency, and what is worth inserting (§6.5, §7.1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import CRITICAL_DOSE
from subtomo.physics.frequency import half_frequency, wrapped_index


def dose_weights(
    dose_e_per_a2: NDArray[np.float64], b_factor_per_dose: float, size: int, pixel_size_angstrom: float
) -> NDArray[np.float32]:
    """Compute the amplitude that remains at each frequency after the dose before each tilt.

    Args:
        dose_e_per_a2: (n,) accumulated dose before each tilt, e/Å².
        b_factor_per_dose: B factor per dose, Å² per e/Å²; if zero, the critical-dose model is used.
        size: box size in pixels.
        pixel_size_angstrom: of the (binned) box.

    Returns:
        (n, size, size // 2 + 1) float32, one at the origin.
    """
    x, y = half_frequency(size, pixel_size_angstrom)
    k2 = x * x + y * y
    dose = np.asarray(dose_e_per_a2, dtype=np.float64)[:, None, None]
    if b_factor_per_dose > 0:
        return np.exp(-b_factor_per_dose * dose * k2 / 4.0).astype(np.float32)
    a, exponent, c = CRITICAL_DOSE
    k = np.sqrt(k2)
    k[0, 0] = 1.0
    critical = a * k**exponent + c
    critical[0, 0] = math.inf
    return np.exp(-0.5 * dose / critical).astype(np.float32)


def insertion_limits(weights: NDArray[np.float32], cutoff: float) -> NDArray[np.int32]:
    """Count the columns to insert in every row of every slice.

    They reach to the last column inside the Nyquist circle whose dose weight exceeds the cutoff; columns before it
    count whatever their weight (§7.1).

    Args:
        weights: (n, size, size // 2 + 1) dose weights.
        cutoff: fraction between 0 and 1.

    Returns:
        (n, size) int32.
    """
    size = weights.shape[1]
    inside = size * size // 4 - wrapped_index(size) ** 2
    column = np.arange(weights.shape[2])
    in_circle = column**2 <= inside[:, None]
    # RELION compares in single precision
    chosen = in_circle & (weights > np.float32(cutoff))
    limits: NDArray[np.int32] = np.where(chosen, column + 1, 0).max(axis=-1).astype(np.int32)
    return limits
