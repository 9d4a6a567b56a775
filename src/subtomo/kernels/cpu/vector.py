"""One point's share in a volume, or in a grid, in vector instructions.

A compiler sees 32 scalar additions in trilinear insertion and keeps them scalar. Written down as vectors of eight, they
become four loads, four fused multiply-adds and four stores on any processor with vectors of that length.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from subtomo.kernels.cpu.gridding import TAPS

_FLOAT = ir.FloatType()
_INDEX = ir.IntType(32)


def _add_to_neighbours(
    typing_context: Any, flat_out: Any, index: Any, strides: Any, fractions: Any, values: Any, scale: Any
) -> Any:
    """Add ``scale · share · (*values, 1)`` to the eight voxels around a point.

    Args:
        typing_context: Of numba.
        flat_out: 1-D float32, one number per voxel more than there are values.
        index: Of the first number of the voxel at floor(p).
        strides: Numbers from one row, and from one section, to the next.
        fractions: p - floor(p) along x, y, z.
        values: Real part, imaginary part, weight; or the weight alone.
        scale: Multiplies everything.
    """
    signature = types.void(flat_out, index, strides, fractions, values, scale)
    return signature, _emit


add_to_neighbours: Any = intrinsic(_add_to_neighbours)


def _emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
    """Write the instructions."""
    array, index, strides, fractions, values, scale = arguments
    pointer = context.make_array(signature.args[0])(context, builder, array).data
    one = ir.Constant(_FLOAT, 1.0)
    fx, fy, fz = _members(builder, fractions)
    left_right = _pair_of_voxels(builder, (*_members(builder, values), one), fx, scale)
    stride_y, stride_z = _members(builder, strides)
    for weight_z, step_z in ((builder.fsub(one, fz), None), (fz, stride_z)):
        section = index if step_z is None else builder.add(index, step_z)
        for weight_y, step_y in ((builder.fsub(one, fy), None), (fy, stride_y)):
            at = section if step_y is None else builder.add(section, step_y)
            share = _spread(builder, builder.fmul(weight_y, weight_z), left_right.type)
            place = builder.bitcast(builder.gep(pointer, [at]), left_right.type.as_pointer())
            old = builder.load(place, align=4)
            builder.store(builder.fadd(old, builder.fmul(share, left_right, flags=("contract",)), flags=("contract",)),
                          place, align=4)  # fmt: skip
    return context.get_dummy_value()


def _pair_of_voxels(builder: ir.IRBuilder, channels: Any, fraction: Any, scale: Any) -> Any:
    """Build the numbers for a voxel and its right neighbour."""
    one_voxel = ir.VectorType(_FLOAT, len(channels))
    voxel = ir.Constant(one_voxel, ir.Undefined)
    for i, channel in enumerate(channels):
        voxel = builder.insert_element(voxel, channel, ir.Constant(_INDEX, i))
    right = builder.fmul(scale, fraction)
    both = [builder.fmul(voxel, _spread(builder, part, one_voxel)) for part in (builder.fsub(scale, right), right)]
    order = ir.Constant(ir.VectorType(_INDEX, 2 * len(channels)), list(range(2 * len(channels))))
    return builder.shuffle_vector(both[0], both[1], order)


def _members(builder: ir.IRBuilder, values: Any) -> list[Any]:
    """Take a tuple apart."""
    return [builder.extract_value(values, i) for i in range(values.type.count)]


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
    factors = []
    for _ in range(3 * TAPS):
        factors.append(builder.load(builder.gep(source, [at])))
        at = builder.add(at, count)
    along_x, along_y, along_z = factors[:TAPS], factors[TAPS : 2 * TAPS], factors[2 * TAPS :]
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
