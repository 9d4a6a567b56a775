"""Scores of many orientations of a reference, each at the best of many shifts.

A shift multiplies the product of model and data by a phase, and phases are products of one per axis: summed over x, y
and z in turn, a cube of 343 shifts costs some thirty operations per voxel. Several orientations are summed up at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uintp
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]
Int = NDArray[np.int64]

_LANES = 16
"""Orientations that are summed up together."""


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def score_orientations(
    grid: Float32, side: int, indices: Int16, data: Float32, weights: Float32, rotations: Float, stretch: float,
    lines: Int, phases: Float32, is_within: Bool, quadratic: Float32, cross: Float32, best: Int,
) -> None:  # fmt: skip
    """Compare orientations, each at its best shift: Σ |m|² and Re Σ m* D'.

    Args:
        grid: Of the reference, see `pose_equations`; also side, indices, data and weights.
        side: Of the grid.
        indices: (n, 3) ordered by z, then y.
        data: (n, 2) of unit noise.
        weights: (n,)
        rotations: (m, 3, 3)
        stretch: As in `align_pose`.
        lines: (n_lines + 1,) where voxels of the same y and z begin.
        phases: (2 reach + 1, s, 2) cos and sin of 2π k t / c, from k = -reach on, for shifts t of 0 to s - 1 steps.
        is_within: (2 s - 1, 2 s - 1, 2 s - 1) which shifts are tried, by x, y, z from 1 - s steps on.
        quadratic: (m,) result.
        cross: (m,) result.
        best: (m,) result: the shift, flat index into ``is_within``.
    """
    n, count, reach = len(weights), phases.shape[1], phases.shape[0] // 2
    width = 2 * count - 1
    frequencies = np.empty((3, n), np.float32)
    for axis in range(3):
        frequencies[axis] = indices[:, axis]
    corners, fractions = np.empty(n, np.int64), np.empty((4, n), np.float32)
    products = np.zeros((n, 2 * _LANES), np.float32)
    scratch, line_sums = np.empty((2, 2 * _LANES), np.float32), np.empty((width, 2 * _LANES), np.float32)
    plane_sums = np.empty((width, count, 2, 2 * _LANES), np.float32)
    sums = np.empty((width, width, count, 2 * _LANES), np.float32)
    for first in range(0, len(rotations), _LANES):
        for lane in range(min(_LANES, len(rotations) - first)):
            # model without shift, and its product with the data: a shift only multiplies that by a phase
            _look_up(frequencies, side, stretch * rotations[first + lane], corners, fractions)
            quadratic[first + lane] = _multiply(grid, side, corners, fractions, data, weights, lane, products)
        sums[:] = 0.0
        line = 0
        while line < len(lines) - 1:
            kz = indices[lines[line], 2]
            plane_sums[:] = 0.0
            while line < len(lines) - 1 and indices[lines[line], 2] == kz:
                _sum_line(indices, products, lines[line], lines[line + 1], phases, scratch, line_sums)
                _add_line(line_sums, phases[indices[lines[line], 1] + reach], plane_sums)
                line += 1
            _add_plane(plane_sums, phases[kz + reach], scratch, sums)
        _choose(sums, is_within, first, scratch, cross, best)


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _look_up(frequencies: Float32, side: int, rotation: Float, corners: Int, fractions: Float32) -> None:
    """Find where frequencies (3, n) fall in the grid: flat index of the lower corner, and (4, n) fractions and sign.

    Apart from `_multiply`, so that this loop has nothing to fetch and runs over several voxels at once.
    """
    columns, offset, one = side // 2 + 1, np.float32(side // 2), np.float32(1.0)
    twice = (2.0 * rotation).astype(np.float32)
    xx, xy, xz = twice[0, 0], twice[1, 0], twice[2, 0]
    yx, yy, yz = twice[0, 1], twice[1, 1], twice[2, 1]
    zx, zy, zz = twice[0, 2], twice[1, 2], twice[2, 2]
    for i in range(frequencies.shape[1]):
        kx, ky, kz = frequencies[0, i], frequencies[1, i], frequencies[2, i]
        px = xx * kx + xy * ky + xz * kz
        py = yx * kx + yy * ky + yz * kz
        pz = zx * kx + zy * ky + zz * kz
        # half of the transform is kept; the other half is its complex conjugate, at the opposite frequency
        sign = -one if px < 0 else one
        px, py, pz = sign * px, sign * py + offset, sign * pz + offset
        ix, iy, iz = np.int64(px), np.int64(py), np.int64(pz)
        fractions[0, i], fractions[1, i] = px - np.float32(ix), py - np.float32(iy)
        fractions[2, i], fractions[3, i] = pz - np.float32(iz), sign
        corners[i] = 2 * ((iz * side + iy) * columns + ix)


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _multiply(
    grid: Float32, side: int, corners: Int, fractions: Float32, data: Float32, weights: Float32, lane: int,
    products: Float32,
) -> float:  # fmt: skip
    """Put m* D' where one orientation's belong, in (n, 2 lanes): real parts, then imaginary ones; returns Σ |m|²."""
    step_y = uintp(2 * (side // 2 + 1))
    step_z = step_y * uintp(side)
    one, two, three = uintp(1), uintp(2), uintp(3)
    power = np.float32(0.0)
    for i in range(len(weights)):
        a = uintp(corners[i])
        b, c, d = a + step_y, a + step_z, a + step_y + step_z
        fx, fy, fz, sign = fractions[0, i], fractions[1, i], fractions[2, i], fractions[3, i]
        # along x, then y, then z
        re_a = grid[a] + fx * (grid[a + two] - grid[a])
        im_a = grid[a + one] + fx * (grid[a + three] - grid[a + one])
        re_b = grid[b] + fx * (grid[b + two] - grid[b])
        im_b = grid[b + one] + fx * (grid[b + three] - grid[b + one])
        re_c = grid[c] + fx * (grid[c + two] - grid[c])
        im_c = grid[c + one] + fx * (grid[c + three] - grid[c + one])
        re_d = grid[d] + fx * (grid[d + two] - grid[d])
        im_d = grid[d + one] + fx * (grid[d + three] - grid[d + one])
        re_a, im_a = re_a + fy * (re_b - re_a), im_a + fy * (im_b - im_a)
        re_c, im_c = re_c + fy * (re_d - re_c), im_c + fy * (im_d - im_c)
        re, im = weights[i] * (re_a + fz * (re_c - re_a)), sign * weights[i] * (im_a + fz * (im_c - im_a))
        power += re * re + im * im
        products[i, lane] = re * data[i, 0] + im * data[i, 1]
        products[i, _LANES + lane] = re * data[i, 1] - im * data[i, 0]
    return float(power)


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, inline="always")
def _add_times(source: Float32, factor: float, out: Float32) -> None:
    """Add a multiple of real and imaginary parts (2 lanes,)."""
    for at in range(len(out)):
        out[at] += factor * source[at]


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _sum_line(
    indices: Int16, products: Float32, begin: int, end: int, phases: Float32, scratch: Float32, out: Float32
) -> None:  # fmt: skip
    """Sum P exp(i 2π x t / c) over the voxels of a line, for all shifts along x: (2 s - 1, 2 lanes)."""
    count, reach = phases.shape[1], phases.shape[0] // 2
    for j in range(count):
        cosines, sines = scratch[0], scratch[1]
        scratch[:] = 0.0
        for i in range(begin, end):
            k = indices[i, 0] + reach
            _add_times(products[i], phases[k, j, 0], cosines)
            _add_times(products[i], phases[k, j, 1], sines)
        _turn_both_ways(cosines, sines, out[count - 1 + j], out[count - 1 - j])


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _add_line(line_sums: Float32, phases: Float32, out: Float32) -> None:
    """Add a line, times cosines and sines of its y, to the sums of its plane."""
    for x in range(len(line_sums)):
        for j in range(len(phases)):
            _add_times(line_sums[x], phases[j, 0], out[x, j, 0])
            _add_times(line_sums[x], phases[j, 1], out[x, j, 1])


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _add_plane(plane_sums: Float32, phases: Float32, scratch: Float32, out: Float32) -> None:
    """Add a plane, its real part times cosines and its imaginary part times sines of its z, to all sums."""
    middle = plane_sums.shape[1] - 1
    for x in range(len(plane_sums)):
        for j in range(middle + 1):
            _turn_both_ways(plane_sums[x, j, 0], plane_sums[x, j, 1], scratch[0], scratch[1])
            for opposite in range(2 if j else 1):
                values, sums = scratch[opposite], out[x, middle - j if opposite else middle + j]
                for depth in range(middle + 1):
                    _add_times(values[:_LANES], phases[depth, 0], sums[depth, :_LANES])
                    _add_times(values[_LANES:], phases[depth, 1], sums[depth, _LANES:])


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _turn_both_ways(cosines: Float32, sines: Float32, one: Float32, other: Float32) -> None:
    """Join C + i S and C - i S: opposite shifts have opposite sines."""
    half = len(one) // 2
    for lane in range(half):
        one[lane], other[lane] = cosines[lane] - sines[half + lane], cosines[lane] + sines[half + lane]
    for lane in range(half):
        one[half + lane], other[half + lane] = cosines[half + lane] + sines[lane], cosines[half + lane] - sines[lane]


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _choose(sums: Float32, is_within: Bool, first: int, scratch: Float32, cross: Float32, best: Int) -> None:
    """Find the shift of the largest sum for each of the orientations that were summed up."""
    width, middle = len(sums), sums.shape[2] - 1
    largest, number = scratch[0, :_LANES], scratch[1, :_LANES]
    largest[:] = -np.inf
    for x in range(width):
        for y in range(width):
            for z in range(width):
                if is_within[x, y, z]:
                    at = (x * width + y) * width + z
                    _keep_larger(sums[x, y, abs(z - middle)], 1.0 if z > middle else -1.0, at, largest, number)
    for lane in range(min(_LANES, len(cross) - first)):
        cross[first + lane], best[first + lane] = largest[lane], int(number[lane])


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _keep_larger(sums: Float32, sign: float, at: int, largest: Float32, number: Float32) -> None:
    """Keep the larger of what was found before and at a shift."""
    factor, place = np.float32(sign), np.float32(at)
    for lane in range(len(largest)):
        value, before = sums[lane] - factor * sums[len(largest) + lane], largest[lane]
        largest[lane] = value if value > before else before
        number[lane] = place if value > before else number[lane]
