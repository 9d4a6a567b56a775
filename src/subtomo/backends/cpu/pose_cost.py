"""The cost of a pose, its gradient and its normal matrix, in one pass over a particle's terms (spec/refinement.md)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uintp
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]

N_PARAMETERS = 6
"""Three of a rotation vector in the particle's frame, radians; three of a shift in the volume's frame, voxels."""


@njit(nogil=True, cache=True)
def tabulate_phases(shift: Float, size: float, phases: Float32) -> None:
    """Tabulate exp(-2πi k t / c) along each axis, (3, 2 reach + 1, 2), from k = -reach on."""
    reach = phases.shape[1] // 2
    for axis in range(3):
        # phases are products of one per axis: 3 (2 reach + 1) sines instead of one per voxel
        step = -2.0 * math.pi * shift[axis] / size
        for k in range(-reach, reach + 1):
            phases[axis, k + reach, 0] = math.cos(step * k)
            phases[axis, k + reach, 1] = math.sin(step * k)


@njit(nogil=True, cache=True, inline="always")
def phase_of(phases: Float32, reach: int, kx: int, ky: int, kz: int) -> tuple[float, float]:
    """Multiply the phases of three axes."""
    ax, bx = phases[0, kx + reach, 0], phases[0, kx + reach, 1]
    ay, by = phases[1, ky + reach, 0], phases[1, ky + reach, 1]
    az, bz = phases[2, kz + reach, 0], phases[2, kz + reach, 1]
    cosine, sine = ax * ay - bx * by, ax * by + bx * ay
    return cosine * az - sine * bz, cosine * bz + sine * az


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def pose_equations(
    grid: Float32, side: int, indices: Int16, data: Float32, weights: Float32, rotation: Float, phases: Float32,
    turn: float, gradient: Float, normal: Float,
) -> float:  # fmt: skip
    """Compute Σ |D' - m|², and of the model m(k) = w(k) V(Rᵀk) exp(-2πi k t / c) Re Σ Jᴴ(D' - m) and Re Σ JᴴJ.

    Between the grid's points V is trilinear, and its gradient is that of what is interpolated.

    Args:
        grid: The reference's transform at half frequencies, real and imaginary parts, flat: from -M - 1 to M + 1 along
            z and y, from 0 to M + 1 along x.
        side: 2M + 3.
        indices: (n, 3) x, y, z of each voxel, x ≥ 0.
        data: (n, 2) divided by the root of the weight and by the noise.
        weights: (n,) root of the weight, divided by the noise.
        rotation: (3, 3) from the reference's frame to the volume's, times the ratio of their boxes.
        phases: Of `tabulate_phases`.
        turn: 2π / c.
        gradient: (6,) result.
        normal: (6, 6) result.
    """
    reach = phases.shape[1] // 2
    middle, columns = side // 2, side // 2 + 1
    step_y, step_z = uintp(2 * columns), uintp(2 * columns * side)
    one, two, three = uintp(1), uintp(2), uintp(3)
    # p = Rᵀ k, in steps of the grid
    xx, xy, xz = 2.0 * rotation[0, 0], 2.0 * rotation[1, 0], 2.0 * rotation[2, 0]
    yx, yy, yz = 2.0 * rotation[0, 1], 2.0 * rotation[1, 1], 2.0 * rotation[2, 1]
    zx, zy, zz = 2.0 * rotation[0, 2], 2.0 * rotation[1, 2], 2.0 * rotation[2, 2]
    # sums live in registers: arrays here would be read and written for every voxel
    cost = 0.0
    g0 = g1 = g2 = g3 = g4 = g5 = 0.0
    h00 = h01 = h02 = h11 = h12 = h22 = 0.0
    h03 = h04 = h05 = h13 = h14 = h15 = h23 = h24 = h25 = 0.0
    h33 = h34 = h35 = h44 = h45 = h55 = 0.0
    for i in range(len(weights)):
        kx, ky, kz = int(indices[i, 0]), int(indices[i, 1]), int(indices[i, 2])
        px = xx * kx + xy * ky + xz * kz
        py = yx * kx + yy * ky + yz * kz
        pz = zx * kx + zy * ky + zz * kz
        # half of the transform is kept; the other half is its complex conjugate, at the opposite frequency
        sign = -1.0 if px < 0.0 else 1.0
        px, py, pz = sign * px, sign * py, sign * pz
        ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
        fx, fy, fz = np.float32(px - ix), np.float32(py - iy), np.float32(pz - iz)
        # the eight neighbours: rows of two along x
        a = uintp(2 * (((iz + middle) * side + iy + middle) * columns + ix))
        b, c, d = a + step_y, a + step_z, a + step_y + step_z
        re_a, im_a, re_b, im_b = grid[a], grid[a + one], grid[b], grid[b + one]
        re_c, im_c, re_d, im_d = grid[c], grid[c + one], grid[d], grid[d + one]
        rx_a, ix_a, rx_b, ix_b = (
            grid[a + two] - re_a,
            grid[a + three] - im_a,
            grid[b + two] - re_b,
            grid[b + three] - im_b,
        )
        rx_c, ix_c, rx_d, ix_d = (
            grid[c + two] - re_c,
            grid[c + three] - im_c,
            grid[d + two] - re_d,
            grid[d + three] - im_d,
        )
        # along x, y and z in turn: values, and differences along each axis
        re_a, re_b, re_c, re_d = re_a + fx * rx_a, re_b + fx * rx_b, re_c + fx * rx_c, re_d + fx * rx_d
        im_a, im_b, im_c, im_d = im_a + fx * ix_a, im_b + fx * ix_b, im_c + fx * ix_c, im_d + fx * ix_d
        ry_a, iy_a, ry_c, iy_c = re_b - re_a, im_b - im_a, re_d - re_c, im_d - im_c
        re_a, im_a, re_c, im_c = re_a + fy * ry_a, im_a + fy * iy_a, re_c + fy * ry_c, im_c + fy * iy_c
        rx_a, ix_a = rx_a + fy * (rx_b - rx_a), ix_a + fy * (ix_b - ix_a)
        rx_c, ix_c = rx_c + fy * (rx_d - rx_c), ix_c + fy * (ix_d - ix_c)
        rz, jz = re_c - re_a, im_c - im_a
        re, im = re_a + fz * rz, sign * (im_a + fz * jz)
        rx, jx = rx_a + fz * (rx_c - rx_a), ix_a + fz * (ix_c - ix_a)
        ry, jy = ry_a + fz * (ry_c - ry_a), iy_a + fz * (iy_c - iy_a)
        # the model and what it leaves unexplained
        cosine, sine = phase_of(phases, reach, kx, ky, kz)
        cosine, sine = weights[i] * cosine, weights[i] * sine
        mr, mi = cosine * re - sine * im, cosine * im + sine * re
        rr, ri = data[i, 0] - mr, data[i, 1] - mi
        cost += rr * rr + ri * ri
        # ∂V/∂ω = -p × ∇V
        c0, s0 = pz * ry - py * rz, sign * (pz * jy - py * jz)
        c1, s1 = px * rz - pz * rx, sign * (px * jz - pz * jx)
        c2, s2 = py * rx - px * ry, sign * (py * jx - px * jy)
        # the shift and the weight act on derivatives as on the model
        d0, e0 = cosine * c0 - sine * s0, cosine * s0 + sine * c0
        d1, e1 = cosine * c1 - sine * s1, cosine * s1 + sine * c1
        d2, e2 = cosine * c2 - sine * s2, cosine * s2 + sine * c2
        g0 += d0 * rr + e0 * ri
        g1 += d1 * rr + e1 * ri
        g2 += d2 * rr + e2 * ri
        h00 += d0 * d0 + e0 * e0
        h01 += d0 * d1 + e0 * e1
        h02 += d0 * d2 + e0 * e2
        h11 += d1 * d1 + e1 * e1
        h12 += d1 * d2 + e1 * e2
        h22 += d2 * d2 + e2 * e2
        # ∂m/∂t = -i (2π k / c) m
        qx, qy, qz = turn * kx, turn * ky, turn * kz
        slope = mi * rr - mr * ri
        g3 += qx * slope
        g4 += qy * slope
        g5 += qz * slope
        # Re of (∂m/∂ω)* times -i m, without the factor 2πk / c
        t0, t1, t2 = d0 * mi - e0 * mr, d1 * mi - e1 * mr, d2 * mi - e2 * mr
        h03 += qx * t0
        h04 += qy * t0
        h05 += qz * t0
        h13 += qx * t1
        h14 += qy * t1
        h15 += qz * t1
        h23 += qx * t2
        h24 += qy * t2
        h25 += qz * t2
        power = mr * mr + mi * mi
        h33 += qx * qx * power
        h34 += qx * qy * power
        h35 += qx * qz * power
        h44 += qy * qy * power
        h45 += qy * qz * power
        h55 += qz * qz * power
    # out of the registers; the normal matrix is symmetric
    gradient[0], gradient[1], gradient[2], gradient[3], gradient[4], gradient[5] = g0, g1, g2, g3, g4, g5
    normal[0, 0], normal[0, 1], normal[0, 2], normal[0, 3], normal[0, 4], normal[0, 5] = h00, h01, h02, h03, h04, h05
    normal[1, 1], normal[1, 2], normal[1, 3], normal[1, 4], normal[1, 5] = h11, h12, h13, h14, h15
    normal[2, 2], normal[2, 3], normal[2, 4], normal[2, 5] = h22, h23, h24, h25
    normal[3, 3], normal[3, 4], normal[3, 5] = h33, h34, h35
    normal[4, 4], normal[4, 5], normal[5, 5] = h44, h45, h55
    for row in range(N_PARAMETERS):
        for column in range(row):
            normal[row, column] = normal[column, row]
    return cost


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def model_values(
    grid: Float32, side: int, indices: Int16, weights: Float32, rotation: Float, phases: Float32, model: Float32
) -> None:
    """Compute the model (n, 2) alone, zero beyond the grid; arguments as in `pose_equations`."""
    reach = phases.shape[1] // 2
    middle, columns = side // 2, side // 2 + 1
    # beyond the grid there is no reference; a little room, as rotated lengths are rounded
    limit = float(middle - 1)
    step_y, step_z = uintp(2 * columns), uintp(2 * columns * side)
    one, two, three = uintp(1), uintp(2), uintp(3)
    for i in range(len(weights)):
        kx, ky, kz = int(indices[i, 0]), int(indices[i, 1]), int(indices[i, 2])
        px = 2.0 * (rotation[0, 0] * kx + rotation[1, 0] * ky + rotation[2, 0] * kz)
        py = 2.0 * (rotation[0, 1] * kx + rotation[1, 1] * ky + rotation[2, 1] * kz)
        pz = 2.0 * (rotation[0, 2] * kx + rotation[1, 2] * ky + rotation[2, 2] * kz)
        if px * px + py * py + pz * pz > limit * limit * (1.0 + 1e-9):
            model[i, 0], model[i, 1] = 0.0, 0.0
            continue
        sign = -1.0 if px < 0.0 else 1.0
        px, py, pz = sign * px, sign * py, sign * pz
        ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
        fx, fy, fz = np.float32(px - ix), np.float32(py - iy), np.float32(pz - iz)
        a = uintp(2 * (((iz + middle) * side + iy + middle) * columns + ix))
        b, c, d = a + step_y, a + step_z, a + step_y + step_z
        # along x, then y, then z
        re_a = grid[a] + fx * (grid[a + two] - grid[a])
        re_b = grid[b] + fx * (grid[b + two] - grid[b])
        re_c = grid[c] + fx * (grid[c + two] - grid[c])
        re_d = grid[d] + fx * (grid[d + two] - grid[d])
        im_a = grid[a + one] + fx * (grid[a + three] - grid[a + one])
        im_b = grid[b + one] + fx * (grid[b + three] - grid[b + one])
        im_c = grid[c + one] + fx * (grid[c + three] - grid[c + one])
        im_d = grid[d + one] + fx * (grid[d + three] - grid[d + one])
        re_a, re_c = re_a + fy * (re_b - re_a), re_c + fy * (re_d - re_c)
        im_a, im_c = im_a + fy * (im_b - im_a), im_c + fy * (im_d - im_c)
        re, im = weights[i] * (re_a + fz * (re_c - re_a)), sign * weights[i] * (im_a + fz * (im_c - im_a))
        cosine, sine = phase_of(phases, reach, kx, ky, kz)
        model[i, 0], model[i, 1] = cosine * re - sine * im, cosine * im + sine * re
