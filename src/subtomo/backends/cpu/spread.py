"""Spread slices over the grid of the exact data term, and read the volume off its transform.

The grid holds the half space x >= 0 of a periodic Fourier space, with a margin all around, so that no node has to be
tested; `fold_margins` brings to their place what fell there.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.gridding import TAPS
from subtomo.backends.cpu.rows import first_of_other_sign, is_near, reach
from subtomo.backends.cpu.vector import add_to_block

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

MARGIN = TAPS // 2 + 1
_HALF_TAPS = TAPS / 2


def grid_shape(grid_size: int) -> tuple[int, int, int, int]:
    """Give the shape of the grid: z and y from -M/2 - MARGIN, x from -MARGIN, real and imaginary part."""
    side = grid_size + 2 * MARGIN
    return side, side, grid_size // 2 + 1 + 2 * MARGIN, 2


@njit(nogil=True, cache=True, fastmath={"contract"})
def _place_row(
    first: int, count: int, line: Float, shape: tuple[int, int], index_out: NDArray[np.int32], offset_out: Float32
) -> None:
    """Find the first node of the block of some points of a row, and per axis how far it lies from the block's edge.

    ``line`` holds direction and starting point of the row, x, y, z, in nodes. Written for vector instructions: see
    `insert._place_row`.
    """
    step_y, step_z = 2.0 * shape[1], 2.0 * shape[1] * shape[0]
    middle = shape[0] / 2.0
    origin = middle * (step_y + step_z) + 2.0 * MARGIN
    for i in range(count):
        # the first node of a block is the next whole number above p - TAPS / 2
        x = float(np.int32(first) + np.int32(i))
        gx, gy, gz = x * line[0] + line[3], x * line[1] + line[4], x * line[2] + line[5]
        gx, gy, gz = gx - _HALF_TAPS, gy - _HALF_TAPS, gz - _HALF_TAPS
        base_x, base_y, base_z = np.ceil(gx), np.ceil(gy), np.ceil(gz)
        index_out[i] = np.int32(base_z * step_z + base_y * step_y + base_x * 2.0 + origin)
        offset_out[i] = base_x - gx
        offset_out[count + i] = base_y - gy
        offset_out[2 * count + i] = base_z - gz


@njit(nogil=True, cache=True, fastmath={"contract"})
def _evaluate_taps(count: int, offset: Float32, polynomials: Float32, taps_out: Float32) -> None:
    """Evaluate the kernel at the nodes of every point: axis by axis, tap by tap, point by point."""
    for axis in range(3):
        # one polynomial per tap (Horner), along all points of the row: long vectors, no tables
        t = offset[axis * count : (axis + 1) * count]
        for tap in range(TAPS):
            start = (axis * TAPS + tap) * count
            values = taps_out[start : start + count]
            a, b, c, d = polynomials[tap, 0], polynomials[tap, 1], polynomials[tap, 2], polynomials[tap, 3]
            e, f, g = polynomials[tap, 4], polynomials[tap, 5], polynomials[tap, 6]
            for i in range(count):
                values[i] = (((((a * t[i] + b) * t[i] + c) * t[i] + d) * t[i] + e) * t[i] + f) * t[i] + g


@njit(nogil=True, cache=True)
def spread_slices(
    slices: Float32, axes: Float, limits: NDArray[np.int32], scales: Float, polynomials: Float32, grid_out: Float32
) -> None:
    """Add every pixel of slices, times the scale of its slice, to the nodes around x u + y v.

    ``slices`` (n, s, 2 (s // 2 + 1)) are complex numbers as pairs; they change sign from pixel to pixel, which is
    undone. ``axes`` are in nodes. Where the point has x < 0 its mirror image is taken.
    """
    n, side = limits.shape
    shape = grid_out.shape[0], grid_out.shape[2]
    strides = np.uint64(shape[1] * 2), np.uint64(shape[0] * shape[1] * 2)
    # places and kernel values of a row at a time, so that they stay in the cache
    flat = grid_out.reshape(-1)
    half = side // 2 + 1
    index, offset, taps = (
        np.empty(half, np.int32),
        np.empty(3 * half, np.float32),
        np.empty(3 * TAPS * half, np.float32),
    )
    line = np.empty(6)
    limit = (shape[0] - 2 * MARGIN) / 2 + 1e-6
    for i in range(n):
        u, v = axes[i, 0], axes[i, 1]
        # most slices lie inside as a whole, and then no pixel is tested
        safe = reach(axes[i], side / 2) < limit
        for row in range(side):
            # column 0 holds both halves of a slice: of its pixels those with y >= 0 are taken
            y = row if row < side // 2 else row - side
            start, stop = 0 if y >= 0 else 1, limits[i, row]
            values = slices[i, row]
            while start < stop:
                # pixels with x < 0 are mirrored; a row changes sides once at most
                end = first_of_other_sign(start, stop, u[0], y * v[0])
                flip = -1.0 if start * u[0] + y * v[0] < 0.0 else 1.0
                for axis in range(3):
                    line[axis], line[3 + axis] = flip * u[axis], flip * y * v[axis]
                count = end - start
                _place_row(start, count, line, shape, index, offset)
                _evaluate_taps(count, offset, polynomials, taps)
                for x in range(start, end):
                    if safe or is_near(x, y, axes[i], limit):
                        at = np.uint64(x - start)
                        # signs that alternate are undone; a mirror image is the complex conjugate
                        factor = np.float32((1 - 2 * ((x + row) & 1)) * scales[i])
                        value = factor * values[2 * x], np.float32(flip) * factor * values[2 * x + 1]
                        add_to_block(flat, np.uint64(index[at]), strides, taps, at, np.uint64(count), value)
                start = end


@njit(nogil=True, cache=True)
def spread_volume(
    half: Float32, axes: Float, waves: Float, stops: NDArray[np.int32], polynomials: Float32, grid_out: Float32
) -> None:
    """Add every voxel of a half transform to the nodes around x u + y v + z w.

    Args:
        half: (c, c, 2 (c // 2 + 1)) complex numbers as pairs, origin at [0, 0, 0].
        axes: (3, 3) u, v, w, in nodes.
        waves: (3, c, 2) complex factors by index along x, y and z.
        stops: (c, c) how many voxels of the row (z, y) are taken; all of them nearer to the origin than c / 2.
        polynomials: Of the kernel.
        grid_out: As in `spread_slices`.
    """
    side = len(half)
    shape = grid_out.shape[0], grid_out.shape[2]
    strides = np.uint64(shape[1] * 2), np.uint64(shape[0] * shape[1] * 2)
    flat = grid_out.reshape(-1)
    longest = side // 2 + 1
    index, offset, taps = (
        np.empty(longest, np.int32),
        np.empty(3 * longest, np.float32),
        np.empty(3 * TAPS * longest, np.float32),
    )
    line = np.empty(6)
    u, v, w = axes[0], axes[1], axes[2]
    for row_z in range(side):
        z = row_z if row_z < side // 2 else row_z - side
        for row_y in range(side):
            y = row_y if row_y < side // 2 else row_y - side
            # column 0 holds both of each pair of mirror images, of which one is taken
            start, stop = 0 if z > 0 or (z == 0 and y >= 0) else 1, stops[row_z, row_y]
            values = half[row_z, row_y]
            row_real = waves[1, row_y, 0] * waves[2, row_z, 0] - waves[1, row_y, 1] * waves[2, row_z, 1]
            row_imaginary = waves[1, row_y, 0] * waves[2, row_z, 1] + waves[1, row_y, 1] * waves[2, row_z, 0]
            while start < stop:
                first = y * v[0] + z * w[0]
                end = first_of_other_sign(start, stop, u[0], first)
                flip = -1.0 if start * u[0] + first < 0.0 else 1.0
                for axis in range(3):
                    line[axis], line[3 + axis] = flip * u[axis], flip * (y * v[axis] + z * w[axis])
                count = end - start
                _place_row(start, count, line, shape, index, offset)
                _evaluate_taps(count, offset, polynomials, taps)
                for x in range(start, end):
                    at = np.uint64(x - start)
                    # the origin is its own mirror image
                    share = 0.5 if x == 0 and y == 0 and z == 0 else 1.0
                    real = share * (waves[0, x, 0] * row_real - waves[0, x, 1] * row_imaginary)
                    imaginary = share * (waves[0, x, 0] * row_imaginary + waves[0, x, 1] * row_real)
                    a, b = values[2 * x], values[2 * x + 1]
                    value = np.float32(real * a - imaginary * b), np.float32(flip * (real * b + imaginary * a))
                    add_to_block(flat, np.uint64(index[at]), strides, taps, at, np.uint64(count), value)
                start = end


@njit(nogil=True, cache=True)
def fold_margins(grid_out: Float32) -> None:
    """Add what lies in the margins to its place: x < 0 and x > M/2 as mirror image, y and z by the grid's period.

    The planes x = 0 and x = M/2 are their own mirror images and count twice: a transform to real numbers takes the
    real part of what they become.
    """
    side, width = grid_out.shape[0], grid_out.shape[2]
    size = side - 2 * MARGIN
    # z first, over all of y with its margins; then y, which takes along what z has brought there
    for axis in range(2):
        for margin in range(2 * MARGIN):
            source = margin if margin < MARGIN else size + margin
            target = source + size if margin < MARGIN else source - size
            for other in range(side):
                for x in range(width):
                    for part in range(2):
                        if axis == 0:
                            grid_out[target, other, x, part] += grid_out[source, other, x, part]
                        else:
                            grid_out[other, target, x, part] += grid_out[other, source, x, part]
    # x: nodes of the margins belong to the mirror image
    last = width - 1 - MARGIN
    for z in range(MARGIN, MARGIN + size):
        mirror_z = MARGIN + (2 * size - (z - MARGIN)) % size
        for y in range(MARGIN, MARGIN + size):
            mirror_y = MARGIN + (2 * size - (y - MARGIN)) % size
            for x in (MARGIN, last):
                grid_out[z, y, x, 0] *= np.float32(2.0)
                grid_out[z, y, x, 1] *= np.float32(2.0)
            for step in range(1, MARGIN + 1):
                for source, target in ((MARGIN - step, MARGIN + step), (last + step, last - step)):
                    grid_out[mirror_z, mirror_y, target, 0] += grid_out[z, y, source, 0]
                    grid_out[mirror_z, mirror_y, target, 1] -= grid_out[z, y, source, 1]


@njit(nogil=True, cache=True)
def undo_kernel(
    periodic: Float32, factors: Float32, factors_yz: Float32, scale: np.float32, volume_out: Float32
) -> None:
    """Multiply lines (c, c, M) by a scale and the factors (c,) of their axes, and put the centre at c // 2.

    The first two axes run from -c/2; the third is periodic with its origin first.
    """
    c, size = volume_out.shape[0], periodic.shape[2]
    half = c // 2
    for z in range(c):
        for y in range(c):
            # the kernel is divided out along all three axes; the halves of a line change places
            factor = scale * factors_yz[z] * factors_yz[y]
            line, result = periodic[z, y], volume_out[z, y]
            for x in range(half):
                result[x] = factor * factors[x] * line[size - half + x]
            for x in range(half):
                result[half + x] = factor * factors[half + x] * line[x]
