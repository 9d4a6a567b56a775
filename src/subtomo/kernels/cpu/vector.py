"""One step of trilinear insertion in vector instructions.

A compiler sees 32 scalar additions here and keeps them scalar. Written down as vectors of eight, they become four
loads, four fused multiply-adds and four stores on any processor with vectors of that length.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_FLOAT = ir.FloatType()
_QUAD = ir.VectorType(_FLOAT, 4)
_PAIR = ir.VectorType(_FLOAT, 8)
_INDEX = ir.IntType(32)


def _add_to_neighbours(
    typing_context: Any, flat_out: Any, index: Any, strides: Any, fractions: Any, values: Any, scale: Any
) -> Any:
    """Add ``scale · share · (re, im, weight, 1)`` to the eight voxels around a point.

    Args:
        typing_context: Of numba.
        flat_out: 1-D float32, four numbers per voxel.
        index: Of the first number of the voxel at floor(p).
        strides: Numbers from one row, and from one section, to the next.
        fractions: p - floor(p) along x, y, z.
        values: Real part, imaginary part, weight.
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
            share = _spread(builder, builder.fmul(weight_y, weight_z), _PAIR)
            place = builder.bitcast(builder.gep(pointer, [at]), _PAIR.as_pointer())
            old = builder.load(place, align=4)
            builder.store(builder.fadd(old, builder.fmul(share, left_right, flags=("contract",)), flags=("contract",)),
                          place, align=4)  # fmt: skip
    return context.get_dummy_value()


def _pair_of_voxels(builder: ir.IRBuilder, channels: Any, fraction: Any, scale: Any) -> Any:
    """Build the eight numbers for a voxel and its right neighbour."""
    quad = ir.Constant(_QUAD, ir.Undefined)
    for i, channel in enumerate(channels):
        quad = builder.insert_element(quad, channel, ir.Constant(_INDEX, i))
    right = builder.fmul(scale, fraction)
    both = [builder.fmul(quad, _spread(builder, part, _QUAD)) for part in (builder.fsub(scale, right), right)]
    order = ir.Constant(ir.VectorType(_INDEX, 8), list(range(8)))
    return builder.shuffle_vector(both[0], both[1], order)


def _members(builder: ir.IRBuilder, values: Any) -> list[Any]:
    """Take a tuple apart."""
    return [builder.extract_value(values, i) for i in range(values.type.count)]


def _spread(builder: ir.IRBuilder, scalar: Any, vector: ir.VectorType) -> Any:
    """Repeat a scalar in all lanes of a vector."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_INDEX, 0))
    mask = ir.Constant(ir.VectorType(_INDEX, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)
