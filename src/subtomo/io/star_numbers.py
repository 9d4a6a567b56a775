"""Write numbers as RELION 5.0.1 does, whole columns at a time (spec/conventions.md §1.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.model.table import TEXT, TextArray

NUMBER_WIDTH = 12
_SMALLEST, _LARGEST = 0.001, 100_000
"""Sizes that are written without an exponent."""
_DECIMALS_POSITIVE, _DECIMALS_NEGATIVE = 6, 5
"""The sign takes the place of one decimal."""
_AT_ONCE = 20_000
"""Numbers that are worked on together, in little memory."""
_UNSURE = 1e-3
"""Numbers this near to a half of their last decimal are rounded by Python, which knows all their digits."""


def format_floats(values: ArrayLike) -> TextArray:
    """Format float64 (n,) as RELION formats doubles: at most 12 characters, returned without padding."""
    numbers = np.asarray(values, dtype=np.float64)
    texts = np.empty(numbers.shape, dtype=TEXT)
    for first in range(0, numbers.size, _AT_ONCE):
        _format_some(numbers[first : first + _AT_ONCE], texts[first : first + _AT_ONCE])
    return texts


def _format_some(numbers: NDArray[np.float64], texts_out: TextArray) -> None:
    size = np.abs(numbers)
    scientific = ((size > 0) & (size < _SMALLEST)) | (size > _LARGEST)
    # NaN counts as negative because RELION tests v >= 0
    for decimals, part in ((_DECIMALS_POSITIVE, numbers >= 0), (_DECIMALS_NEGATIVE, ~(numbers >= 0))):
        for form, chosen in ((_with_exponent, part & scientific), (_without_exponent, part & ~scientific)):
            if chosen.any():
                texts_out[chosen] = form(numbers[chosen], decimals)


def format_ints(values: ArrayLike) -> TextArray:
    """Format integers or bools (n,) as RELION does: at most 12 characters, returned without padding."""
    return _by_pattern("%d", np.asarray(values))


def format_int_vectors(vectors: Iterable[Sequence[int]] | NDArray[np.integer]) -> TextArray:
    """Format n integer vectors, (n, k) or of any lengths, as ``[a,b,c]``."""
    rows: Iterable[Sequence[int]] = vectors.tolist() if isinstance(vectors, np.ndarray) else vectors
    return format_float_vectors(rows)


def format_float_vectors(vectors: Iterable[Sequence[float]]) -> TextArray:
    """Format n vectors of any lengths as ``[a,b,c]``, with as many digits as RELION keeps."""
    return np.array(["[" + ",".join([f"{value:.12g}" for value in row]) + "]" for row in vectors], dtype=TEXT)


def _with_exponent(numbers: NDArray[np.float64], decimals: int) -> TextArray:
    return _by_pattern(f"%{NUMBER_WIDTH}.{decimals}e", numbers)


def _without_exponent(numbers: NDArray[np.float64], decimals: int) -> TextArray:
    """Format numbers (n,) of one sign and up to 100000 in size by arithmetic with whole numbers."""
    scaled = np.abs(numbers) * 10.0**decimals
    below = np.floor(scaled)
    surely = np.abs(scaled - below - 0.5) > _UNSURE  # False for NaN
    surely &= ~((numbers == 0) & np.signbit(numbers))
    texts = np.empty(numbers.shape, dtype=TEXT)
    texts[~surely] = _by_pattern(f"%{NUMBER_WIDTH}.{decimals}f", numbers[~surely])
    digits = np.zeros(numbers.shape, np.int64)
    digits[surely] = np.rint(scaled[surely])
    whole, part = np.divmod(digits, 10**decimals)
    sign = "-" if decimals == _DECIMALS_NEGATIVE else ""
    for n_whole in range(1, len(str(_LARGEST)) + 1):
        first, beyond = 10 ** (n_whole - 1) if n_whole > 1 else 0, 10**n_whole
        chosen = surely & (whole >= first) & (whole < beyond)
        if chosen.any():
            texts[chosen] = _digits(sign, (whole[chosen], n_whole), (part[chosen], decimals))
    return texts


def _digits(sign: str, whole: tuple[NDArray[np.int64], int], part: tuple[NDArray[np.int64], int]) -> TextArray:
    """Put together sign, whole part and decimals, each with its number of digits, and cut to 12 characters."""
    begin = len(sign)
    length = begin + whole[1] + 1 + part[1]
    characters = np.empty((len(whole[0]), length), np.uint8)
    characters[:, :begin] = np.frombuffer(sign.encode(), np.uint8)
    characters[:, begin + whole[1]] = ord(".")
    for (numbers, count), end in ((whole, begin + whole[1]), (part, length)):
        rest = numbers.astype(np.uint32)
        for place in range(end - 1, end - 1 - count, -1):
            tens = rest // np.uint32(10)
            characters[:, place] = (rest - tens * np.uint32(10)) + np.uint32(ord("0"))
            rest = tens
    kept = np.ascontiguousarray(characters[:, :NUMBER_WIDTH])
    return kept.view(f"S{kept.shape[1]}")[:, 0].astype(TEXT)


def _by_pattern(pattern: str, numbers: NDArray[np.generic]) -> TextArray:
    """Apply a printf pattern to numbers (n,), cut to 12 characters."""
    apply: Callable[[object], str] = pattern.__mod__
    return np.array([text[:NUMBER_WIDTH].strip() for text in map(apply, numbers.tolist())], dtype=TEXT)
