"""Pieces of eight Fourier transforms at a time, in vector instructions: one transform per lane of a vector.

Butterflies of one transform need their numbers shuffled; those of eight transforms do not, and every instruction works
on eight numbers. Between passes an element of eight transforms is sixteen numbers of a work array, eight real parts and
eight imaginary parts, which is a line of the cache. Memory of images and slices is given by its address, so that
mapped and read-only files, parts of images and own buffers are all the same to the compiler.

A butterfly is written down for every radix and every place where its numbers come from or go to; see `passes` for the
loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8
ELEMENT = 2 * LANES
"""Numbers of the work array per element."""
RADICES = (2, 3, 4, 5, 7, 8)

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
# products and sums may become one instruction
_FLAGS = ("contract",)
_EVEN, _ODD = tuple(range(0, ELEMENT, 2)), tuple(range(1, ELEMENT, 2))
_LOWER, _UPPER = (0, 8, 1, 9, 2, 10, 3, 11), (4, 12, 5, 13, 6, 14, 7, 15)


class _Complex:
    """Eight complex numbers in two vectors, and instructions on them."""

    def __init__(self, builder: ir.IRBuilder, re: Any, im: Any) -> None:
        self.builder, self.re, self.im = builder, re, im

    def __add__(self, other: _Complex) -> _Complex:
        add = self.builder.fadd
        return _Complex(self.builder, add(self.re, other.re, flags=_FLAGS), add(self.im, other.im, flags=_FLAGS))

    def __sub__(self, other: _Complex) -> _Complex:
        subtract = self.builder.fsub
        return _Complex(
            self.builder, subtract(self.re, other.re, flags=_FLAGS), subtract(self.im, other.im, flags=_FLAGS)
        )

    def __mul__(self, other: _Complex) -> _Complex:
        b = self.builder
        re = b.fsub(_product(b, self.re, other.re), _product(b, self.im, other.im), flags=_FLAGS)
        return _Complex(b, re, b.fadd(_product(b, self.re, other.im), _product(b, self.im, other.re), flags=_FLAGS))

    def scaled(self, factor: Any) -> _Complex:
        """Multiply by a real number, or by a vector of them."""
        if isinstance(factor, float):
            factor = ir.Constant(_VECTOR, [factor] * LANES)
        return _Complex(self.builder, _product(self.builder, self.re, factor), _product(self.builder, self.im, factor))

    def conjugate(self) -> _Complex:
        return _Complex(self.builder, self.re, self.builder.fneg(self.im))

    def swapped(self) -> _Complex:
        """Exchange real and imaginary part: a forward transform of swapped numbers is a swapped backward one."""
        return _Complex(self.builder, self.im, self.re)

    def plus_i(self, other: _Complex) -> _Complex:
        """Give self + i other."""
        b = self.builder
        return _Complex(b, b.fsub(self.re, other.im, flags=_FLAGS), b.fadd(self.im, other.re, flags=_FLAGS))

    def minus_i(self, other: _Complex) -> _Complex:
        """Give self - i other."""
        b = self.builder
        return _Complex(b, b.fadd(self.re, other.im, flags=_FLAGS), b.fsub(self.im, other.re, flags=_FLAGS))


def _product(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    return builder.fmul(a, b, flags=_FLAGS)


def _transformed(values: Sequence[_Complex]) -> list[_Complex]:
    """Transform 2, 4, 8 or an odd number of values; forward."""
    if len(values) % 2:
        return _transformed_odd(values)
    if len(values) == 2:
        return [values[0] + values[1], values[0] - values[1]]
    even, odd = _transformed(values[::2]), _transformed(values[1::2])
    if len(values) == 4:
        return [even[0] + odd[0], even[1].minus_i(odd[1]), even[0] - odd[0], even[1].plus_i(odd[1])]
    # the eighth roots of one: (1 - i) / √2 and (-1 - i) / √2
    root = math.sqrt(0.5)
    first, third = odd[1].minus_i(odd[1]).scaled(root), odd[3].plus_i(odd[3]).scaled(root)
    upper = [even[0] + odd[0], even[1] + first, even[2].minus_i(odd[2]), even[3] - third]
    return [*upper, even[0] - odd[0], even[1] - first, even[2].plus_i(odd[2]), even[3] + third]


def _transformed_odd(values: Sequence[_Complex]) -> list[_Complex]:
    """Transform an odd number of values: sums and differences of pairs, with cosines and sines."""
    n, half = len(values), len(values) // 2
    sums = [values[k] + values[n - k] for k in range(1, half + 1)]
    differences = [values[k] - values[n - k] for k in range(1, half + 1)]
    results = [values[0]] * n
    for pair in sums:
        results[0] = results[0] + pair
    for k in range(1, half + 1):
        angles = [2.0 * math.pi * (k * (j + 1) % n) / n for j in range(half)]
        even, odd = values[0], differences[0].scaled(math.sin(angles[0]))
        for pair, angle in zip(sums, angles, strict=True):
            even = even + pair.scaled(math.cos(angle))
        for pair, angle in zip(differences[1:], angles[1:], strict=True):
            odd = odd + pair.scaled(math.sin(angle))
        results[k], results[n - k] = even.minus_i(odd), even.plus_i(odd)
    return results


class _Work:
    """Memory that an instruction reads or writes: an array of numba by number of its argument, or an address."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, number: int) -> None:
        kind, value = signature.args[number], arguments[number]
        self.builder = builder
        self.pointer = (
            builder.inttoptr(value, _FLOAT.as_pointer())
            if isinstance(kind, types.Integer)
            else context.make_array(kind)(context, builder, value).data
        )

    def vector(self, at: Any, offset: int = 0) -> Any:
        """Load eight numbers."""
        return self.builder.load(self._place(at, offset), align=4)

    def store(self, vector: Any, at: Any, offset: int = 0) -> None:
        self.builder.store(vector, self._place(at, offset), align=4)

    def number(self, at: Any, offset: int = 0) -> Any:
        """Load one number."""
        return self.builder.load(self.builder.gep(self.pointer, [_plus(self.builder, at, offset)]))

    def store_number(self, value: Any, at: Any) -> None:
        self.builder.store(value, self.builder.gep(self.pointer, [at]))

    def element(self, at: Any, offset: int = 0) -> _Complex:
        """Load an element of the work array."""
        return _Complex(self.builder, self.vector(at, offset), self.vector(at, offset + LANES))

    def store_element(self, value: _Complex, at: Any) -> None:
        self.store(value.re, at)
        self.store(value.im, at, LANES)

    def root(self, at: Any, offset: int) -> _Complex:
        """Load one complex number into all lanes."""
        return _Complex(self.builder, *(_spread(self.builder, self.number(at, offset + part)) for part in range(2)))

    def complex_row(self, at: Any) -> _Complex:
        """Load eight complex numbers that lie side by side."""
        pair = self.vector(at), self.vector(at, LANES)
        return _Complex(self.builder, *(_shuffled(self.builder, *pair, order) for order in (_EVEN, _ODD)))

    def store_complex_row(self, value: _Complex, at: Any) -> None:
        for order, offset in ((_LOWER, 0), (_UPPER, LANES)):
            self.store(_shuffled(self.builder, value.re, value.im, order), at, offset)

    def _place(self, at: Any, offset: int) -> Any:
        place = self.builder.gep(self.pointer, [_plus(self.builder, at, offset)])
        return self.builder.bitcast(place, _VECTOR.as_pointer())


def _plus(builder: ir.IRBuilder, index: Any, offset: int) -> Any:
    return builder.add(index, ir.Constant(index.type, offset)) if offset else index


def _shuffled(builder: ir.IRBuilder, a: Any, b: Any, order: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INDEX, len(order)), list(order)))


def _spread(builder: ir.IRBuilder, scalar: Any) -> Any:
    """Repeat a scalar in all lanes."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INDEX, 0))
    return _shuffled(builder, first, undefined, [0] * LANES)


def _transposed(builder: ir.IRBuilder, rows: Sequence[Any]) -> list[Any]:
    """Transpose eight vectors in three rounds: within pairs of numbers, within halves, between halves."""
    for distance, low, high in (
        (1, (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)),
        (2, (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)),
        (4, (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)),
    ):
        mixed = list(rows)
        for i in range(LANES):
            if not i & distance:
                mixed[i] = _shuffled(builder, rows[i], rows[i + distance], low)
                mixed[i + distance] = _shuffled(builder, rows[i], rows[i + distance], high)
        rows = mixed
    return list(rows)


def _turned(values: list[_Complex], work: _Work, at: Any) -> list[_Complex]:
    """Multiply what a butterfly gives by its roots of one, which lie side by side; the first has none."""
    return values[:1] + [value * work.root(at, 2 * k) for k, value in enumerate(values[1:])]


def _butterfly(radix: int, *, is_last: bool) -> Any:
    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        work, roots = (_Work(context, builder, signature, arguments, number) for number in (0, 3))
        _, at, step, _, root = arguments
        places = [at]
        for _ in range(radix - 1):
            places.append(builder.add(places[-1], step))
        values = _transformed([work.element(place) for place in places])
        for value, place in zip(values if is_last else _turned(values, roots, root), places, strict=True):
            work.store_element(value, place)
        return context.get_dummy_value()

    def butterfly(typing_context: Any, work: Any, at: Any, step: Any, roots: Any, root: Any) -> Any:
        return types.void(work, at, step, roots, root), emit

    return intrinsic(butterfly)


BUTTERFLIES = {radix: _butterfly(radix, is_last=False) for radix in RADICES}
"""By radix, ``(work, at, step, roots, root)``: elements at ``at``, ``at + step``, ..., transformed in place, then times
roots of one."""
LAST_BUTTERFLIES = {radix: _butterfly(radix, is_last=True) for radix in RADICES}
"""The same without roots, all of which are one in the last pass."""


def _butterfly_of_rows(radix: int, *, swaps: bool) -> Any:
    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        work, source, rows, roots = (_Work(context, builder, signature, arguments, number) for number in (0, 3, 4, 7))
        _, at, step, _, _, row, n_apart, _, root = arguments
        values = []
        for _ in range(radix):
            value = source.complex_row(builder.load(builder.gep(rows.pointer, [row])))
            values.append(value.swapped() if swaps else value)
            row = builder.add(row, n_apart)
        for value in _turned(_transformed(values), roots, root):
            work.store_element(value, at)
            at = builder.add(at, step)
        return context.get_dummy_value()

    def butterfly(
        typing_context: Any, work: Any, at: Any, step: Any, source: Any, rows: Any, row: Any, n_apart: Any, roots: Any,
        root: Any,
    ) -> Any:  # fmt: skip
        return types.void(work, at, step, source, rows, row, n_apart, roots, root), emit

    return intrinsic(butterfly)


FIRST_RADIX = 4
LAST_RADICES = (2, 4, 8)

first_forward, first_backward = (_butterfly_of_rows(FIRST_RADIX, swaps=swaps) for swaps in (False, True))
"""``(work, at, step, source, rows, row, n_apart, roots, root)``: the first pass, from memory into the work array.

Eight columns of the rows ``row``, ``row + n_apart``, ...; ``source`` is an address, ``rows`` says by how many numbers
each row lies beyond it.
"""


def _butterfly_to_rows(radix: int, *, swaps: bool) -> Any:
    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        target, rows, work = (_Work(context, builder, signature, arguments, number) for number in (0, 1, 4))
        _, _, row, n_apart, _, at, scale = arguments
        scales = _spread(builder, scale)
        for value in _transformed([work.element(at, ELEMENT * i) for i in range(radix)]):
            value = value.scaled(scales)
            place = builder.load(builder.gep(rows.pointer, [row]))
            target.store_complex_row(value.swapped() if swaps else value, place)
            row = builder.add(row, n_apart)
        return context.get_dummy_value()

    def butterfly(
        typing_context: Any, target: Any, rows: Any, row: Any, n_apart: Any, work: Any, at: Any, scale: Any
    ) -> Any:
        return types.void(target, rows, row, n_apart, work, at, scale), emit

    return intrinsic(butterfly)


LAST_FORWARD, LAST_BACKWARD = (
    {radix: _butterfly_to_rows(radix, swaps=swaps) for radix in LAST_RADICES} for swaps in (False, True)
)
"""By radix, ``(target, rows, row, n_apart, work, at, scale)``: the last pass, from the work array into memory."""


def _load_rows(typing_context: Any, work: Any, at: Any, source: Any, place: Any, step: Any) -> Any:
    """Load eight numbers of each of eight rows as four elements: pairs of neighbours become complex numbers.

    Args:
        typing_context: Of numba.
        work: 1-D float32.
        at: Of the first element.
        source: Address.
        place: Of the first number beyond the address, numbers.
        step: From row to row, numbers.
    """
    return types.void(work, at, source, place, step), _emit_load_rows


def _emit_load_rows(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    work, source = (_Work(context, builder, signature, arguments, number) for number in (0, 2))
    _, at, _, place, step = arguments
    rows = []
    for _ in range(LANES):
        rows.append(source.vector(place))
        place = builder.add(place, step)
    for i, vector in enumerate(_transposed(builder, rows)):
        work.store(vector, at, LANES * i)
    return context.get_dummy_value()


load_rows: Any = intrinsic(_load_rows)


def _store_rows(*, swaps: bool) -> Any:
    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        target, work = (_Work(context, builder, signature, arguments, number) for number in (0, 3))
        _, place, step, _, *elements, scale = arguments
        scales, vectors = _spread(builder, scale), []
        for at in elements:
            value = work.element(at).scaled(scales)
            vectors += [value.im, value.re] if swaps else [value.re, value.im]
        for vector in _transposed(builder, vectors):
            target.store(vector, place)
            place = builder.add(place, step)
        return context.get_dummy_value()

    def store(
        typing_context: Any, target: Any, place: Any, step: Any, work: Any, a: Any, b: Any, c: Any, d: Any, scale: Any
    ) -> Any:
        return types.void(target, place, step, work, a, b, c, d, scale), emit

    return intrinsic(store)


store_rows, store_swapped_rows = (_store_rows(swaps=swaps) for swaps in (False, True))
"""``(target, place, step, work, a, b, c, d, scale)``: four elements, scaled, as eight numbers of each of eight rows."""


def _to_half(typing_context: Any, work: Any, at: Any, mirror: Any, roots: Any, root: Any) -> Any:
    """Turn elements k and n/2 - k of a transform of pairs into frequencies k and n/2 - k of real rows, times 2."""
    return types.void(work, at, mirror, roots, root), _emit_to_half


def _emit_to_half(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    work, roots = (_Work(context, builder, signature, arguments, number) for number in (0, 3))
    _, at, mirror, _, root = arguments
    value, other = work.element(at), work.element(mirror).conjugate()
    # transforms of the numbers at even and at odd places
    even, odd = value + other, (value - other) * roots.root(root, 0)
    work.store_element(even.minus_i(odd), at)
    work.store_element(even.plus_i(odd).conjugate(), mirror)
    return context.get_dummy_value()


to_half: Any = intrinsic(_to_half)


def _from_half(typing_context: Any, work: Any, at: Any, mirror: Any, roots: Any, root: Any) -> Any:
    """Do the opposite of `to_half`, times 2, and swap real and imaginary parts for a backward transform."""
    return types.void(work, at, mirror, roots, root), _emit_from_half


def _emit_from_half(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    work, roots = (_Work(context, builder, signature, arguments, number) for number in (0, 3))
    _, at, mirror, _, root = arguments
    value, other = work.element(at), work.element(mirror).conjugate()
    even, odd = value + other, (value - other) * roots.root(root, 0).conjugate()
    work.store_element(even.plus_i(odd).swapped(), at)
    work.store_element(even.minus_i(odd).conjugate().swapped(), mirror)
    return context.get_dummy_value()


from_half: Any = intrinsic(_from_half)


def _end_of_half(typing_context: Any, work: Any, target: Any, place: Any, step: Any, scale: Any) -> Any:
    """Make the frequencies 0 and n/2 of eight rows, both real, of element 0, and store that of n/2."""
    return types.void(work, target, place, step, scale), _emit_end_of_half


def _emit_end_of_half(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    work, target = (_Work(context, builder, signature, arguments, number) for number in (0, 1))
    _, _, place, step, scale = arguments
    first = ir.Constant(place.type, 0)
    value = work.element(first)
    total, nothing = builder.fadd(value.re, value.im), ir.Constant(_VECTOR, [0.0] * LANES)
    # twice as much as it should be, as all that `to_half` makes
    work.store_element(_Complex(builder, builder.fadd(total, total), nothing), first)
    last = builder.fsub(value.re, value.im)
    last = builder.fmul(builder.fadd(last, last), _spread(builder, scale))
    for lane in range(LANES):
        target.store_number(builder.extract_element(last, ir.Constant(_INDEX, lane)), place)
        target.store_number(ir.Constant(_FLOAT, 0.0), builder.add(place, ir.Constant(place.type, 1)))
        place = builder.add(place, step)
    return context.get_dummy_value()


end_of_half: Any = intrinsic(_end_of_half)


def _begin_from_half(typing_context: Any, work: Any, source: Any, place: Any, step: Any) -> Any:
    """Make element 0 of the frequencies 0, which is there already, and n/2, which is loaded; as `from_half` does."""
    return types.void(work, source, place, step), _emit_begin_from_half


def _emit_begin_from_half(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    work, source = (_Work(context, builder, signature, arguments, number) for number in (0, 1))
    _, _, place, step = arguments
    last, first = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(place.type, 0)
    for lane in range(LANES):
        last = builder.insert_element(last, source.number(place), ir.Constant(_INDEX, lane))
        place = builder.add(place, step)
    zero = work.vector(first)
    work.store_element(_Complex(builder, builder.fsub(zero, last), builder.fadd(zero, last)), first)
    return context.get_dummy_value()


begin_from_half: Any = intrinsic(_begin_from_half)
