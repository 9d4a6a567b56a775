"""Two-dimensional real transforms of many planes, of which only some rows and columns are there or wanted.

Half transforms have rows that are a little longer than they need be, see `pitch_of`: rows can be transformed eight
columns at a time to their ends, and do not fall upon one another in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.lanes import LANES
from subtomo.backends.cpu.passes import (
    ColumnPlan,
    Places,
    RowPlan,
    column_plan,
    is_planned,
    row_plan,
    rows_from_half,
    rows_to_half,
    transform_columns,
)
from subtomo.backends.fft import complex_to_complex, half_to_real, real_to_half

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]
Rows = NDArray[np.int64]

_LINE = 64
"""Bytes of a line of the cache, which holds eight complex numbers."""


def pitch_of(n_columns: int) -> int:
    """Give the length of rows for a number of columns: a multiple of eight, and an odd number of lines of the cache."""
    return LANES * ((n_columns + LANES - 1) // LANES | 1)


def half_planes(*shape: int) -> Complex64:
    """Allocate zeros at the beginning of a line of the cache; the last axis should be a `pitch_of`."""
    n_bytes = int(np.prod(shape)) * 8
    memory = np.zeros(n_bytes + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + n_bytes].view(np.complex64).reshape(shape)


_Memory = tuple[int, int, Rows]
"""Where planes are, for loops: plane i begins at the address ``first + step * numbers[i]``. Whoever makes one keeps the
planes as long as it is used."""


def _memory_of(planes: NDArray[Any]) -> _Memory:
    """Look up where the planes of an array are."""
    return planes.ctypes.data, planes.strides[0], _numbers(len(planes))


@cache
def _numbers(n: int) -> Rows:
    return np.arange(n)


class _Planes:
    """What both directions share.

    Args:
        height: Of the whole plane, pixels.
        width: Likewise; even.
        rows: Of the plane, consecutive, that real images have.
        n_columns: Of the half transforms, as far as they are there or wanted; width // 2 + 1 are all.
    """

    _backward: ClassVar[bool | None]
    """None for forward, as numba wants to have it."""

    def __init__(self, height: int, width: int, rows: slice, n_columns: int) -> None:
        self.height, self.width, self.rows, self.n_columns = height, width, rows, n_columns
        self.n_rows, self.pitch = rows.stop - rows.start, pitch_of(n_columns)
        self.is_fast = is_planned(height) and is_planned(width) and self.n_rows >= LANES
        if self.is_fast:
            self._plans = column_plan(height), row_plan(width)
            self._scales = height**-0.5, width**-0.5
            # one row more: black, or for what is not wanted
            self._between = half_planes(self.n_rows + 1, self.pitch)
            self._between_at, self._step = self._between.ctypes.data, 2 * self.pitch
            self._between_rows = _places(height, np.arange(height)[rows], self._step)
            self._work = half_planes(max(height, width // 2) * LANES).view(np.float32)
            self._rows_by_step: dict[int, Places] = {}

    def transform_columns(self, half: Complex64) -> None:
        """Transform columns of half transforms (n, height, pitch), see `half_planes`, in place.

        Planes and rows may lie in any order in memory.
        """
        if not self.is_fast:
            columns = half[..., : self.n_columns]
            complex_to_complex(columns, columns, 1, forward=not self._backward)
            return
        columns_of_planes(
            _memory_of(half), self._rows_of(half), self.n_columns, self._plans[0], self._scales[0], self._backward,
            self._work,
        )  # fmt: skip

    def _rows_of(self, half: Complex64) -> Places:
        """Say where rows are in a plane."""
        step = half.strides[1]
        if step not in self._rows_by_step:
            self._rows_by_step[step] = (step // 4 * np.arange(self.height)).astype(np.uint64)
        return self._rows_by_step[step]


class ToHalf(_Planes):
    """Transforms real planes, black but for some rows, to some rows and columns of their half transforms.

    Args:
        height: Of the whole plane, pixels.
        width: Likewise; even.
        rows: Of the plane, consecutive, that are not black.
        n_columns: Of the half transforms, at most; width // 2 + 1 are all.
        frequencies: Rows of the plane's transform that are wanted; None for all.
    """

    _backward = None

    def __init__(self, height: int, width: int, rows: slice, n_columns: int, frequencies: Rows | None = None) -> None:
        super().__init__(height, width, rows, n_columns)
        self._frequencies = np.arange(height) if frequencies is None else frequencies
        self._target_rows = _places(height, self._frequencies, 2 * self.pitch)

    def half(self, n: int) -> Complex64:
        """Allocate half transforms of n planes: (n, frequencies, pitch), and a row for those that are not wanted."""
        n_wanted = len(self._frequencies)
        return half_planes(n, n_wanted + (n_wanted < self.height), self.pitch)

    def transform(self, planes: Float32, half_out: Complex64, n_columns: int) -> None:
        """Transform the rows (n, rows, width) that are not black, as far as ``n_columns``; see `half`."""
        if self.is_fast:
            self._transform(_memory_of(planes), planes.strides[1], half_out, n_columns)
            return
        whole = np.zeros((len(planes), self.height, n_columns), np.complex64)
        all_columns = np.empty((len(planes), self.n_rows, self.width // 2 + 1), np.complex64)
        whole[:, self.rows] = real_to_half(planes, all_columns, (2,))[..., :n_columns]
        complex_to_complex(whole, whole, 1)
        half_out[:, : len(self._frequencies), :n_columns] = whole[:, self._frequencies]

    def transform_parts(self, images: Sequence[Float32], corners: Rows, half_out: Complex64) -> None:
        """Transform parts of images, of one pitch, where they are; only where this `is_fast`.

        Args:
            images: (height, width) each.
            corners: (n, 2) x and y of the first pixel in the image.
            half_out: see `half`
        """
        step = images[0].strides[0]
        starts = np.array([image.ctypes.data for image in images]) + step * corners[:, 1] + 4 * corners[:, 0]
        self._transform((0, 1, starts), step, half_out, self.n_columns)

    def transform_rows(self, first: int, block: Float32) -> None:
        """Transform some rows of a plane (rows, width), from ``first`` on, for `finish`; only where this `is_fast`."""
        rows_to_half(
            block.ctypes.data, self.width, self._between_at + 4 * first * self._step, self._step,
            len(block), self.width, self.n_columns, self._plans[1], self._scales[1], self._work,
        )  # fmt: skip

    def finish(self, half_out: Complex64) -> None:
        """Transform the columns of all that `transform_rows` was given; see `half`."""
        transform_columns(
            self._between_at, self._between_rows, half_out.ctypes.data, self._target_rows, self.n_columns,
            self._plans[0], self._scales[0], None, self._work,
        )  # fmt: skip

    def _transform(self, sources: _Memory, step: int, half_out: Complex64, n_columns: int) -> None:
        planes_to_half(
            sources, step // 4, self._between_at, self._between_rows, _memory_of(half_out), self._target_rows,
            (self.n_rows, self.width, n_columns, self._step), self._plans, self._scales, self._work,
        )  # fmt: skip


class ToReal(_Planes):
    """Transforms half transforms back to some rows of real planes."""

    _backward = True

    def transform(self, half: Complex64, planes_out: Float32) -> None:
        """Transform half transforms (n, height, columns), whose rows may be longer, to rows (n, rows, width).

        Planes and rows may lie in any order in memory. Half transforms may be overwritten.
        """
        if not self.is_fast:
            spectra = half[..., : self.n_columns]
            complex_to_complex(spectra, spectra, 1, forward=False)
            half_to_real(spectra[:, self.rows], planes_out, (2,))
            return
        planes_to_real(
            _memory_of(half), self._rows_of(half), self._between_at, self._between_rows,
            _memory_of(planes_out), planes_out.strides[1] // 4,
            (self.n_rows, self.width, self.n_columns, self._step), self._plans, self._scales, self._work,
        )  # fmt: skip


def _places(height: int, rows: Rows, step: int) -> Places:
    """Say where each row of a plane is if only some are there, one after another; all others are the row after them."""
    places = np.full(height, len(rows))
    places[rows] = np.arange(len(rows))
    return (step * places).astype(np.uint64)


@njit(nogil=True, cache=True)
def planes_to_half(
    sources: _Memory, source_step: int, between: int, between_rows: Places, targets: _Memory, target_rows: Places,
    shape: tuple[int, int, int, int], plans: tuple[ColumnPlan, RowPlan], scales: tuple[float, float], work: Float32,
) -> None:  # fmt: skip
    """Transform rows, then columns, of one plane after another; see `ToHalf`."""
    n_rows, width, n_columns, step = shape
    for i in range(len(sources[2])):
        here, there = sources[0] + sources[1] * sources[2][i], targets[0] + targets[1] * targets[2][i]
        rows_to_half(here, source_step, between, step, n_rows, width, n_columns, plans[1], scales[1], work)
        transform_columns(between, between_rows, there, target_rows, n_columns, plans[0], scales[0], None, work)


@njit(nogil=True, cache=True)
def planes_to_real(
    sources: _Memory, source_rows: Places, between: int, between_rows: Places, targets: _Memory, target_step: int,
    shape: tuple[int, int, int, int], plans: tuple[ColumnPlan, RowPlan], scales: tuple[float, float], work: Float32,
) -> None:  # fmt: skip
    """Transform columns, then rows, of one plane after another; see `ToReal`."""
    n_rows, width, n_columns, step = shape
    for i in range(len(sources[2])):
        here, there = sources[0] + sources[1] * sources[2][i], targets[0] + targets[1] * targets[2][i]
        transform_columns(here, source_rows, between, between_rows, n_columns, plans[0], scales[0], True, work)
        rows_from_half(between, step, there, target_step, n_rows, width, plans[1], scales[1], work)


@njit(nogil=True, cache=True)
def columns_of_planes(
    planes: _Memory, rows: Places, n_columns: int, plan: ColumnPlan, scale: float, backward: bool | None, work: Float32
) -> None:
    """Transform columns of one plane after another, in place."""
    for i in range(len(planes[2])):
        here = planes[0] + planes[1] * planes[2][i]
        transform_columns(here, rows, here, rows, n_columns, plan, scale, backward, work)
