"""Add particles to an average: the adjoint of what `pose_cost` samples (spec/refinement.md)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uintp
from numpy.typing import NDArray

from subtomo.backends.cpu.pose_cost import phase_of

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]


@njit(nogil=True, cache=True)
def spread_data(
    indices: Int16, data: Float32, weights: Float32, factor: float, rotation: Float, phases: Float32, side: int,
    grid: Float32,
) -> None:  # fmt: skip
    """Add w D' of a particle, rotated and shifted back, to the grid of half frequencies, trilinearly.

    Args:
        indices: (n, 3) x, y, z of each voxel, x ≥ 0; of each pair of opposite frequencies one.
        data: (n, 2) divided by the root of the weight.
        weights: (n,) root of the weight.
        factor: Of the particle in the average.
        rotation: (3, 3) as in `pose_equations`.
        phases: Of the shift, see `tabulate_phases`.
        side: Of the grid.
        grid: Laid out as in `pose_equations`; its plane x = 0 gets what falls on it from one side only.
    """
    # the grid runs from -side // 2 along z and y, from 0 along x; offsets are unsigned, which spares a test for
    # negative ones
    reach = phases.shape[1] // 2
    middle, columns = side // 2, side // 2 + 1
    limit = float(middle - 1)
    step_y, step_z = uintp(2 * columns), uintp(2 * columns * side)
    one, two, three = uintp(1), uintp(2), uintp(3)
    for i in range(len(weights)):
        weight = np.float32(factor * weights[i])
        if weight == 0.0:
            continue
        kx, ky, kz = int(indices[i, 0]), int(indices[i, 1]), int(indices[i, 2])
        # p = Rᵀ k in half frequencies; what lies beyond the reference has no place in it
        px = 2.0 * (rotation[0, 0] * kx + rotation[1, 0] * ky + rotation[2, 0] * kz)
        py = 2.0 * (rotation[0, 1] * kx + rotation[1, 1] * ky + rotation[2, 1] * kz)
        pz = 2.0 * (rotation[0, 2] * kx + rotation[1, 2] * ky + rotation[2, 2] * kz)
        if px * px + py * py + pz * pz > limit * limit * (1.0 + 1e-9):
            continue
        # the half that is not kept is the complex conjugate at the opposite frequency
        sign = np.float32(-1.0 if px < 0.0 else 1.0)
        px, py, pz = sign * px, sign * py, sign * pz
        # the origin is its own opposite, and would count twice
        if kx == 0 and ky == 0 and kz == 0:
            weight *= np.float32(0.5)
        # shift back: the conjugate of the phase with which the model was shifted
        cosine, sine = phase_of(phases, reach, kx, ky, kz)
        re = weight * (cosine * data[i, 0] + sine * data[i, 1])
        im = sign * weight * (cosine * data[i, 1] - sine * data[i, 0])
        # eight neighbours as four rows of two: along x they are four numbers that follow one another
        ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
        fx, fy, fz = np.float32(px - ix), np.float32(py - iy), np.float32(pz - iz)
        unit = np.float32(1.0)
        a = uintp(2 * (((iz + middle) * side + iy + middle) * columns + ix))
        for corner in range(4):
            share = (fy if corner & 1 else unit - fy) * (fz if corner & 2 else unit - fz)
            b = a
            if corner & 1:
                b += step_y
            if corner & 2:
                b += step_z
            near, far = share * (unit - fx), share * fx
            grid[b] += near * re
            grid[b + one] += near * im
            grid[b + two] += far * re
            grid[b + three] += far * im


@njit(nogil=True, cache=True)
def lay_out_weights(indices: Int16, weights: Float32, factor: float, reach: int, volume: Float32) -> None:
    """Lay squared weights out as a half volume (2r + 3, 2r + 3, r + 2), r the reach, origin at [r + 1, r + 1, 0]."""
    volume[:] = 0.0
    middle = reach + 1
    for i in range(len(weights)):
        kx, ky, kz = int(indices[i, 0]), int(indices[i, 1]), int(indices[i, 2])
        # a plane that holds both halves must have both of a pair, as looking up takes neighbours from either side
        value = factor * weights[i] * weights[i]
        volume[kz + middle, ky + middle, kx] = value
        if kx == 0:
            volume[middle - kz, middle - ky, 0] = value


@njit(nogil=True, cache=True)
def add_rotated_weights(indices: Int16, rotation: Float, reach: int, volume: Float32, total: Float) -> None:
    """Add the weights at R k, trilinear, to those of each voxel k of the average.

    Args:
        indices: (n, 3) of the average's voxels.
        rotation: (3, 3) from the average's frame to the volume's, over the ratio of the average's box to the volume's.
        reach: Of the volume, see `lay_out_weights`.
        volume: Of `lay_out_weights`.
        total: (n,)
    """
    middle = reach + 1
    for i in range(len(total)):
        kx, ky, kz = int(indices[i, 0]), int(indices[i, 1]), int(indices[i, 2])
        # R k in steps of the particle: weights are looked up, while data are spread
        px = rotation[0, 0] * kx + rotation[0, 1] * ky + rotation[0, 2] * kz
        py = rotation[1, 0] * kx + rotation[1, 1] * ky + rotation[1, 2] * kz
        pz = rotation[2, 0] * kx + rotation[2, 1] * ky + rotation[2, 2] * kz
        if px * px + py * py + pz * pz > reach * reach * (1.0 + 1e-9):
            continue
        if px < 0.0:
            px, py, pz = -px, -py, -pz
        ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
        fx, fy, fz = np.float32(px - ix), np.float32(py - iy), np.float32(pz - iz)
        # trilinear, so that no weight becomes negative; along x by one product
        sum_ = np.float32(0.0)
        for corner in range(4):
            along_y, along_z = corner & 1, corner >> 1
            row = volume[uintp(iz + middle + along_z), uintp(iy + middle + along_y)]
            share = (fy if along_y else np.float32(1.0) - fy) * (fz if along_z else np.float32(1.0) - fz)
            near = row[uintp(ix)]
            sum_ += share * (near + fx * (row[uintp(ix + 1)] - near))
        total[i] += sum_
