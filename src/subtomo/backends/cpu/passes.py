"""Fourier transforms of eight rows, or of eight columns, at a time: the loops over the pieces in `lanes`.

Numbers are transformed in place by decimation in frequency, so that frequencies come out in an order of their own,
which plans keep. The first pass over columns reads them where they are, the last one writes them where they go to, and
tables say where each row is: rows that are black or not wanted have a line of memory in common.

All transforms multiply by a scale; with one over the root of the length they are orthonormal. Their error is that of
single precision, as ducc0's is; see tests/backends/test_planes.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.lanes import (
    BUTTERFLIES,
    ELEMENT,
    FIRST_RADIX,
    LANES,
    LAST_BACKWARD,
    LAST_BUTTERFLIES,
    LAST_FORWARD,
    LAST_RADICES,
    begin_from_half,
    end_of_half,
    first_backward,
    first_forward,
    from_half,
    load_rows,
    store_rows,
    store_swapped_rows,
    to_half,
)

Float32 = NDArray[np.float32]
Places = NDArray[np.uint64]

_u = np.uint64
_FOUR, _ELEMENT = _u(4), _u(ELEMENT)
_PRIMES = (7, 5, 3, 2)
_by_2, _by_3, _by_4, _by_5, _by_7, _by_8 = BUTTERFLIES.values()
_last_by_2, _last_by_3, _last_by_4, _last_by_5, _last_by_7, _last_by_8 = LAST_BUTTERFLIES.values()
_forward_by_2, _forward_by_4, _forward_by_8 = LAST_FORWARD.values()
_backward_by_2, _backward_by_4, _backward_by_8 = LAST_BACKWARD.values()


# plain tuples: numba looks long at named ones, at every call
ColumnPlan = tuple[NDArray[np.int64], Float32, Places]
"""How columns of one length are transformed: the radices; the roots of one, by pass and butterfly, all but the first of
each butterfly, complex numbers as pairs; and the frequency that comes out first of each butterfly of the last pass."""
RowPlan = tuple[NDArray[np.int64], Float32, Places, Float32]
"""How real rows of one length, 2 n, are transformed, as n complex numbers: radices and roots as in `ColumnPlan`; (n,)
where in the work array a frequency comes out; and (n // 2 + 1) exp(-πi k / n), complex numbers as pairs."""


def is_planned(length: int) -> bool:
    """Tell whether there are fast transforms of rows and columns of a length: multiples of 8, primes up to 7."""
    return length > 0 and length % LANES == 0 and _reduced(length) == 1


@cache
def column_plan(length: int) -> ColumnPlan:
    """Plan transforms of columns; their first radix is `FIRST_RADIX`, their last one of `LAST_RADICES`."""
    rest = length // FIRST_RADIX
    last = max(radix for radix in LAST_RADICES if rest % radix == 0)
    radices = [FIRST_RADIX, *_factors(rest // last), last]
    starts = np.argsort(_order(length, radices))[::last]
    return np.array(radices, np.int64), _roots(length, radices), starts.astype(np.uint64)


@cache
def row_plan(width: int) -> RowPlan:
    """Plan transforms of real rows: their numbers are transformed as pairs."""
    half = width // 2
    radices = _factors(half)
    return (
        np.array(radices, np.int64),
        _roots(half, radices),
        (_order(half, radices) * ELEMENT).astype(np.uint64),
        _pairs(np.arange(half // 2 + 1) / width),
    )


def _roots(length: int, radices: list[int]) -> Float32:
    """List the roots of one that numbers are multiplied by between passes."""
    roots = []
    for radix in radices[:-1]:
        apart = length // radix
        roots.append(_pairs(np.outer(np.arange(apart), np.arange(1, radix)) / length))
        length = apart
    return np.concatenate([*roots, np.zeros(0, np.float32)])


def _order(length: int, radices: list[int]) -> NDArray[np.int64]:
    """Tell where each frequency comes out: its remainder by the first radix decides first, and so on."""
    places, left = np.zeros(length, np.int64), np.arange(length)
    for radix in radices:
        length //= radix
        places += left % radix * length
        left //= radix
    return places


def _pairs(turns: NDArray[np.float64]) -> Float32:
    """Give exp(-2πi t) as pairs."""
    angles = 2.0 * np.pi * turns
    return np.stack([np.cos(angles), -np.sin(angles)], axis=-1).reshape(-1).astype(np.float32)


def _reduced(length: int) -> int:
    for prime in _PRIMES:
        while length % prime == 0:
            length //= prime
    return length


def _factors(length: int) -> list[int]:
    """Split a length into radices, as few as possible, large ones first."""
    factors = []
    for prime in _PRIMES[:-1]:
        while length % prime == 0:
            factors.append(prime)
            length //= prime
    twos = length.bit_length() - 1
    # two fours rather than an eight and a two
    eights = next(n for n in range(twos // 3, -1, -1) if (twos - 3 * n) % 2 == 0 or twos < 3)
    factors += [8] * eights
    twos -= 3 * eights
    return sorted(factors + [4] * (twos // 2) + [2] * (twos % 2), reverse=True)


@njit(nogil=True, cache=True)
def _passes(work: Float32, radices: NDArray[np.int64], roots: Float32, n: int, first: int, last: int) -> None:
    """Do some passes of butterflies on elements that are in the work array."""
    length, root = n, _u(0)
    for i in range(first):
        length //= radices[i]
        root += _u(2 * (radices[i] - 1) * length)
    end = _u(ELEMENT * n)
    for i in range(first, last):
        radix = radices[i]
        apart, block = length // radix, _u(ELEMENT * length)
        step, n_roots = _u(ELEMENT * apart), _u(2 * (radix - 1))
        for j in range(apart):
            for at in range(_u(ELEMENT * j), end, block):
                if radix == 4:
                    _by_4(work, at, step, roots, root)
                elif radix == 8:
                    _by_8(work, at, step, roots, root)
                elif radix == 3:
                    _by_3(work, at, step, roots, root)
                elif radix == 2:
                    _by_2(work, at, step, roots, root)
                elif radix == 5:
                    _by_5(work, at, step, roots, root)
                else:
                    _by_7(work, at, step, roots, root)
            root += n_roots
        length = apart


@njit(nogil=True, cache=True)
def _all_passes(work: Float32, radices: NDArray[np.int64], roots: Float32, n: int) -> None:
    """Transform elements that are in the work array."""
    count = len(radices)
    _passes(work, radices, roots, n, 0, count - 1)
    radix, step, none = radices[count - 1], _ELEMENT, _u(0)
    for at in range(_u(0), _u(ELEMENT * n), _u(ELEMENT * radix)):
        if radix == 4:
            _last_by_4(work, at, step, roots, none)
        elif radix == 8:
            _last_by_8(work, at, step, roots, none)
        elif radix == 3:
            _last_by_3(work, at, step, roots, none)
        elif radix == 2:
            _last_by_2(work, at, step, roots, none)
        elif radix == 5:
            _last_by_5(work, at, step, roots, none)
        else:
            _last_by_7(work, at, step, roots, none)


@njit(nogil=True, cache=True)
def transform_columns(
    source: int, source_rows: Places, target: int, target_rows: Places, n_columns: int, plan: ColumnPlan, scale: float,
    backward: bool | None, work: Float32,
) -> None:  # fmt: skip
    """Transform columns of complex numbers, eight at a time; the last eight may run over ``n_columns``.

    Args:
        source: Address.
        source_rows: (n,) where each row begins beyond the address, float32 numbers.
        target: Address; it may be the same.
        target_rows: Likewise, by frequency.
        n_columns: Complex numbers per row.
        plan: Of `column_plan`.
        scale: Factor.
        backward: None for forward.
        work: At least 16 n numbers.
    """
    radices, roots, starts = plan
    n, n_passes = len(source_rows), len(radices)
    factor, last = np.float32(scale), radices[n_passes - 1]
    apart, last_apart = _u(n // FIRST_RADIX), _u(n // last)
    step, n_roots, width = _ELEMENT * apart, _u(2 * (FIRST_RADIX - 1)), _u(ELEMENT * last)
    for column in range(0, n_columns, LANES):
        here, there = _u(source + 8 * column), _u(target + 8 * column)
        root = _u(0)
        for j in range(apart):
            # two branches that numba compiles apart: None has a type of its own
            if backward is None:
                first_forward(work, _ELEMENT * j, step, here, source_rows, j, apart, roots, root)
            else:
                first_backward(work, _ELEMENT * j, step, here, source_rows, j, apart, roots, root)
            root += n_roots
        _passes(work, radices, roots, n, 1, n_passes - 1)
        at = _u(0)
        for k in starts:
            if backward is None:
                if last == 8:
                    _forward_by_8(there, target_rows, k, last_apart, work, at, factor)
                elif last == 4:
                    _forward_by_4(there, target_rows, k, last_apart, work, at, factor)
                else:
                    _forward_by_2(there, target_rows, k, last_apart, work, at, factor)
            else:
                if last == 8:
                    _backward_by_8(there, target_rows, k, last_apart, work, at, factor)
                elif last == 4:
                    _backward_by_4(there, target_rows, k, last_apart, work, at, factor)
                else:
                    _backward_by_2(there, target_rows, k, last_apart, work, at, factor)
            at += width


@njit(nogil=True, cache=True)
def rows_to_half(
    source: int, source_step: int, target: int, target_step: int, n_rows: int, width: int, n_columns: int,
    plan: RowPlan, scale: float, work: Float32,
) -> None:  # fmt: skip
    """Transform real rows, eight at a time, and keep their first frequencies.

    Args:
        source: Address.
        source_step: From row to row, float32 numbers.
        target: Address; rows are written up to ``n_columns`` rounded up to a multiple of four, or, where that is all
            frequencies, to width // 2 + 1.
        target_step: From row to row, float32 numbers.
        n_rows: At least eight.
        width: Of a row.
        n_columns: Frequencies to keep.
        plan: Of `row_plan`.
        scale: Factor.
        work: At least 8 ``width`` numbers.
    """
    half, factor = width // 2, np.float32(0.5 * scale)
    last, step = _u(half), _u(target_step)
    stop = _u(min((n_columns + 3) // 4 * 4, half))
    # frequencies and their mirror images are made together
    pairs_stop = _u(min(half // 2 + 1, n_columns + 3) if 2 * n_columns < half else half // 2 + 1)
    radices, roots, places, half_roots = plan
    for row in range(0, n_rows, LANES):
        # the last eight rows may have been done in part
        first = min(row, n_rows - LANES)
        place, there = _u(first * source_step), _u(first * target_step)
        for j in range(_u(0), last, _FOUR):
            load_rows(work, _ELEMENT * j, _u(source), place + _u(2) * j, _u(source_step))
        _all_passes(work, radices, roots, half)
        if n_columns > half:
            end_of_half(work, _u(target), there + _u(width), step, factor)
        else:
            end_of_half(work, _u(target), there, step, factor)
        for k in range(_u(1), pairs_stop):
            to_half(work, places[k], places[last - k], half_roots, _u(2) * k)
        for k in range(_u(0), stop, _FOUR):
            a, b, c, d = places[k], places[k + _u(1)], places[k + _u(2)], places[k + _u(3)]
            store_rows(_u(target), there + _u(2) * k, step, work, a, b, c, d, factor)


@njit(nogil=True, cache=True)
def rows_from_half(
    source: int, source_step: int, target: int, target_step: int, n_rows: int, width: int, plan: RowPlan, scale: float,
    work: Float32,
) -> None:  # fmt: skip
    """Transform half transforms of real rows back, eight at a time; arguments as in `rows_to_half`."""
    half, factor = width // 2, np.float32(scale)
    last, step = _u(half), _u(source_step)
    radices, roots, places, half_roots = plan
    for row in range(0, n_rows, LANES):
        first = min(row, n_rows - LANES)
        place, there = _u(first * source_step), _u(first * target_step)
        for j in range(_u(0), last, _FOUR):
            load_rows(work, _ELEMENT * j, _u(source), place + _u(2) * j, step)
        begin_from_half(work, _u(source), place + _u(width), step)
        for k in range(_u(1), _u(half // 2 + 1)):
            from_half(work, _ELEMENT * k, _ELEMENT * (last - k), half_roots, _u(2) * k)
        _all_passes(work, radices, roots, half)
        for k in range(_u(0), last, _FOUR):
            a, b, c, d = places[k], places[k + _u(1)], places[k + _u(2)], places[k + _u(3)]
            store_swapped_rows(_u(target), there + _u(2) * k, _u(target_step), work, a, b, c, d, factor)
