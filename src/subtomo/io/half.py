"""Round float32 to float16 as RELION does, which differs from IEEE rounding at ties, near zero and at the top."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16  # values per step, so that the intermediate arrays stay in the cache

SIGN_AND_EXPONENT_SHIFT = 13  # float32 has 23 mantissa bits, float16 has 10
HALF_OF_LAST_BIT = np.uint32(1 << (SIGN_AND_EXPONENT_SHIFT - 1))
MAGNITUDE = np.uint32(0x7FFFFFFF)
INFINITE = np.uint32(0x7F800000)
SMALLEST_NORMAL = np.uint32((127 - 14) << 23)  # bits of 2^-14
TOO_LARGE = np.uint32((127 + 16) << 23)  # bits of 2^16
EXPONENT_CHANGE = np.uint32((127 - 15) << 23)
LARGEST_HALF = np.uint16(0x7BFF)  # 65504


def to_half(values: NDArray[np.float32]) -> tuple[NDArray[np.float16], int]:
    """Round to float16 and count the finite values that were too large for it.

    Ties go away from zero, magnitudes that round to less than 2^-14 become a zero of the same sign (no subnormals),
    finite values that are too large become +-65504, and infinities and NaN stay what they are.
    Source: spec/conventions.md §8.

    Args:
        values: Any shape, float32.

    Returns:
        The rounded values, same shape, C-contiguous, and the number of values that became +-65504 by overflow.
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).reshape(-1)
    halves = np.empty(bits.shape, np.uint16)
    overflowed = 0
    for start in range(0, bits.size, BLOCK):
        block = slice(start, start + BLOCK)
        overflowed += _round_block(bits[block], halves[block])
    return halves.view(np.float16).reshape(np.shape(values)), overflowed


def _round_block(bits: NDArray[np.uint32], halves_out: NDArray[np.uint16]) -> int:
    """Write the float16 bits of some float32 bits and return the number of overflows."""
    magnitude = bits & MAGNITUDE
    # A carry out of the mantissa adds one to the exponent, which is what rounding up to a power of two means.
    rounded = magnitude + HALF_OF_LAST_BIT
    sign = ((bits ^ magnitude) >> np.uint32(16)).astype(np.uint16)
    halves_out[:] = (rounded - EXPONENT_CHANGE) >> np.uint32(SIGN_AND_EXPONENT_SHIFT)
    halves_out *= rounded >= SMALLEST_NORMAL
    overflowed = 0
    if rounded.max() >= TOO_LARGE:
        overflowed = _replace_large(magnitude, rounded, halves_out)
    halves_out |= sign
    return overflowed


def _replace_large(magnitude: NDArray[np.uint32], rounded: NDArray[Any], halves_out: NDArray[np.uint16]) -> int:
    """Write the bits of overflowed, infinite and undefined values and return the number of overflows."""
    finite = magnitude < INFINITE
    overflow = finite & (rounded >= TOO_LARGE)
    halves_out[overflow] = LARGEST_HALF
    halves_out[magnitude == INFINITE] = 0x7C00
    halves_out[magnitude > INFINITE] = 0x7E00
    return int(np.count_nonzero(overflow))
