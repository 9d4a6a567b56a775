"""One point's share in a volume, or in a grid, in vector instructions.

A compiler sees 32 scalar additions in trilinear insertion and keeps them scalar. Written down as vectors of one voxel
each, they become eight loads, eight fused multiply-adds and eight stores. Vectors of two voxels would be half as many,
but where the next pixel moves on by one voxel they would load what two earlier stores have written, and processors wait
for that.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from subtomo.backends.cpu.gridding import TAPS

_FLOAT, _DOUBLE = ir.FloatType(), ir.DoubleType()
_INDEX = ir.IntType(32)


LANES, KINDS = 8, 5
"""Pixels that `place_pixels` places at a time, and how many shares it leaves of each."""


def _place_pixels(
    typing_context: Any, index_out: Any, place_out: Any, at: Any, first: Any, line: Any, steps: Any
) -> Any:
    """Find voxels and trilinear shares of `LANES` pixels of a row.

    Args:
        typing_context: Of numba.
        index_out: 1-D int32, per pixel the first number of the voxel at floor(p).
        place_out: 1-D float32, by block of `LANES` pixels, kind and pixel: p - floor(p) along x, then the shares of the
            four pairs of voxels along x, (y, z) = (0, 0), (1, 0), (0, 1), (1, 1).
        at: Number of the first of these pixels, a multiple of `LANES`.
        first: x of the first pixel, float64.
        line: Direction and starting point of the row in the volume, x, y, z each.
        steps: Numbers from one voxel to the next along x, y, z, and the index of the origin, float64.
    """
    signature = types.void(index_out, place_out, at, first, line, steps)
    return signature, _emit_place


place_pixels: Any = intrinsic(_place_pixels)


def _emit_place(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    """Write the instructions: positions in double precision, as one voxel more or less would show; shares in single."""
    indices, places, at, first, line, steps = arguments
    index_pointer = context.make_array(signature.args[0])(context, builder, indices).data
    place_pointer = context.make_array(signature.args[1])(context, builder, places).data
    doubles, floats, whole = (ir.VectorType(kind, LANES) for kind in (_DOUBLE, _FLOAT, _INDEX))
    # p = x u + y v, axis by axis: floor, fraction, and the index that floors add up to
    x = builder.fadd(_spread(builder, first, doubles), ir.Constant(doubles, [float(i) for i in range(LANES)]))
    direction, start = (_members(builder, part) for part in _members(builder, line))
    *strides, origin = _members(builder, steps)
    floor = builder.module.declare_intrinsic(f"llvm.floor.v{LANES}f64", fnty=ir.FunctionType(doubles, [doubles]))
    index, fractions = _spread(builder, origin, doubles), []
    for along, offset, stride in zip(direction, start, strides, strict=True):
        p = builder.fadd(
            builder.fmul(x, _spread(builder, along, doubles), flags=("contract",)), _spread(builder, offset, doubles),
            flags=("contract",),
        )  # fmt: skip
        base = builder.call(floor, [p])
        fractions.append(builder.fptrunc(builder.fsub(p, base), floats))
        step = builder.fmul(base, _spread(builder, stride, doubles), flags=("contract",))
        index = builder.fadd(step, index, flags=("contract",))
    _store(builder, index_pointer, at, builder.fptosi(index, whole))
    # the four shares of pairs along x: (1 - fy)(1 - fz), fy (1 - fz), (1 - fy) fz, fy fz
    fx, fy, fz = fractions
    one, at = ir.Constant(floats, [1.0] * LANES), builder.mul(at, ir.Constant(at.type, KINDS))
    gy, gz = builder.fsub(one, fy), builder.fsub(one, fz)
    for values in (fx, *(builder.fmul(y, z) for y, z in ((gy, gz), (fy, gz), (gy, fz), (fy, fz)))):
        _store(builder, place_pointer, at, values)
        at = builder.add(at, ir.Constant(at.type, LANES))
    return context.get_dummy_value()


def _store(builder: ir.IRBuilder, pointer: Any, at: Any, values: Any) -> None:
    builder.store(values, builder.bitcast(builder.gep(pointer, [at]), values.type.as_pointer()), align=4)


def _add_pixel(
    typing_context: Any, flat_out: Any, index: Any, strides: Any, place: Any, at: Any, values: Any, weights: Any,
    x: Any, factors: Any, parity: Any,
) -> Any:  # fmt: skip
    """Add a pixel, times its shares, to the eight voxels around it.

    Args:
        typing_context: Of numba.
        flat_out: 1-D float32, real part, imaginary part, CTF², and multiplicity of each voxel; or the latter two.
        index: Of the first number of the voxel at floor(p).
        strides: Numbers from one row, and from one section, to the next.
        place: 1-D float32, as `place_pixels` leaves it.
        at: Number of the pixel there.
        values: 1-D float32, complex numbers as pairs; None for a volume of two numbers per voxel.
        weights: 1-D float32.
        x: Number of the pixel in values and weights.
        factors: 1-D float32: of real part, imaginary part, weight and one; another four follow for odd pixels.
        parity: Whether the pixel is an odd one.
    """
    signature = types.void(flat_out, index, strides, place, at, values, weights, x, factors, parity)
    return signature, _emit_pixel


add_pixel: Any = intrinsic(_add_pixel)


def _emit_pixel(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    """Write the instructions."""

    def pointer_of(number: int) -> Any:
        return context.make_array(signature.args[number])(context, builder, arguments[number]).data

    _, index, strides, _, at, _, _, x, _, parity = arguments
    pointer, shares, with_data = pointer_of(0), pointer_of(3), signature.args[5] is not types.none
    # one voxel as a vector: real, imaginary, weight, one; each with the factor of its kind
    parts = [builder.load(builder.gep(pointer_of(6), [x])), ir.Constant(_FLOAT, 1.0)]
    first_factor = ir.Constant(parity.type, 2)
    if with_data:
        pair = builder.gep(pointer_of(5), [builder.add(x, x)])
        parts = [builder.load(builder.gep(pair, [ir.Constant(_INDEX, i)])) for i in range(2)] + parts
        first_factor = builder.shl(parity, first_factor)
    voxel = ir.Constant(ir.VectorType(_FLOAT, len(parts)), ir.Undefined)
    for i, part in enumerate(parts):
        voxel = builder.insert_element(voxel, part, ir.Constant(_INDEX, i))
    factors = builder.bitcast(builder.gep(pointer_of(8), [first_factor]), voxel.type.as_pointer())
    voxel = builder.fmul(voxel, builder.load(factors, align=4))
    # shares lie block by block and kind by kind, as `place_pixels` has stored them
    lane = builder.and_(at, ir.Constant(at.type, LANES - 1))
    block = builder.mul(builder.sub(at, lane), ir.Constant(at.type, KINDS))
    first = builder.gep(shares, [builder.add(block, lane)])
    share = [builder.load(builder.gep(first, [ir.Constant(_INDEX, kind * LANES)])) for kind in range(KINDS)]
    # along x by a product and a difference, which add up to the whole
    right = builder.fmul(voxel, _spread(builder, share[0], voxel.type))
    left = builder.fsub(voxel, right)
    # four rows of two voxels: load, add, store
    stride_y, stride_z = _members(builder, strides)
    section = builder.add(index, stride_z)
    places = index, builder.add(index, stride_y), section, builder.add(section, stride_y)
    for start, part in zip(places, share[1:], strict=True):
        factor = _spread(builder, part, voxel.type)
        for side, step in ((left, 0), (right, len(parts))):
            at_voxel = builder.add(start, ir.Constant(start.type, step))
            line = builder.bitcast(builder.gep(pointer, [at_voxel]), voxel.type.as_pointer())
            product = builder.fmul(factor, side, flags=("contract",))
            builder.store(builder.fadd(builder.load(line, align=4), product, flags=("contract",)), line, align=4)
    return context.get_dummy_value()


def _members(builder: ir.IRBuilder, values: Any) -> list[Any]:
    """Take a tuple apart."""
    return [builder.extract_value(values, i) for i in range(len(values.type))]


def _spread(builder: ir.IRBuilder, scalar: Any, vector: ir.VectorType) -> Any:
    """Repeat a scalar in all lanes of a vector."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_INDEX, 0))
    mask = ir.Constant(ir.VectorType(_INDEX, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


def _add_to_block(
    typing_context: Any, flat_out: Any, index: Any, strides: Any, taps: Any, at: Any, count: Any, value: Any
) -> Any:
    """Add ``value · kernel`` to the `TAPS`³ nodes of a block.

    Args:
        typing_context: Of numba.
        flat_out: 1-D float32, two numbers per node.
        index: Of the first number of the block.
        strides: Numbers from one row, and from one section, to the next.
        taps: 1-D float32, the kernel by axis (x, y, z), tap and point.
        at: Number of the point.
        count: Number of points.
        value: Real and imaginary part.
    """
    signature = types.void(flat_out, index, strides, taps, at, count, value)
    return signature, _emit_block


add_to_block: Any = intrinsic(_add_to_block)


def _emit_block(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    """Write the instructions: the block's rows as vectors of eight numbers and what remains."""
    array, index, strides, taps, at, count, value = arguments
    pointer = context.make_array(signature.args[0])(context, builder, array).data
    source = context.make_array(signature.args[3])(context, builder, taps).data
    # eighteen kernel values, which stay in registers
    factors = []
    for _ in range(3 * TAPS):
        factors.append(builder.load(builder.gep(source, [at])))
        at = builder.add(at, count)
    along_x, along_y, along_z = factors[:TAPS], factors[TAPS : 2 * TAPS], factors[2 * TAPS :]
    # value · kernel along x once, then 36 rows of it, each with its share along y and z
    lines = _lines(builder, along_x, _members(builder, value))
    stride_y, stride_z = _members(builder, strides)
    for factor_z in along_z:
        row = index
        for factor_y in along_y:
            share, start = builder.fmul(factor_y, factor_z), row
            for line in lines:
                spread = _spread(builder, share, line.type)
                place = builder.bitcast(builder.gep(pointer, [start]), line.type.as_pointer())
                old = builder.load(place, align=4)
                builder.store(builder.fadd(old, builder.fmul(spread, line, flags=("contract",)), flags=("contract",)),
                              place, align=4)  # fmt: skip
                start = builder.add(start, ir.Constant(start.type, line.type.count))
            row = builder.add(row, stride_y)
        index = builder.add(index, stride_z)
    return context.get_dummy_value()


def _lines(builder: ir.IRBuilder, along_x: list[Any], parts: list[Any]) -> list[Any]:
    """Multiply real and imaginary part by the kernel along x, in vectors of up to eight numbers."""
    lines = []
    for start in range(0, TAPS, 4):
        factors = along_x[start : start + 4]
        line = ir.Constant(ir.VectorType(_FLOAT, 2 * len(factors)), ir.Undefined)
        for i, factor in enumerate(factors):
            for j, part in enumerate(parts):
                line = builder.insert_element(line, builder.fmul(factor, part), ir.Constant(_INDEX, 2 * i + j))
        lines.append(line)
    return lines
