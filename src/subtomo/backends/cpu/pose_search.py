"""Search for the best pose of a particle by the Levenberg-Marquardt method, and what a pose leaves unexplained."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.pose_cost import model_values, pose_equations, tabulate_phases
from subtomo.backends.cpu.pose_priors import add_prior, rotate_by, solve

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]
Int = NDArray[np.int64]

_FIRST_DAMPING = 1e-3
_LARGEST_DAMPING = 1e6
_SMALL_TURN = 1e-4
"""A step below this (radians) and `_SMALL_SHIFT` (voxels) is the last one."""
_SMALL_SHIFT = 1e-3
_LARGEST_TURN = 0.3
"""Of a step, radians: beyond, the quadratic model says nothing."""


@njit(nogil=True, cache=True)
def gather_terms(
    indices: Int16, shells: Int, data: Float32, weights: Float32, precision: Float, indices_out: Int16,
    data_out: Float32, weights_out: Float32,
) -> int:  # fmt: skip
    """Copy the voxels that count, scaled to unit noise, and give their number.

    Args:
        indices: (n, 3)
        shells: (n,) of each voxel.
        data: (n, 2) divided by the root of the weight.
        weights: (n,) root of the weight; voxels with zero are left out.
        precision: (n_shells,) one over the noise's standard deviation; shells with zero are left out.
        indices_out: (n, 3)
        data_out: (n, 2)
        weights_out: (n,)
    """
    count = 0
    for i in range(len(shells)):
        # divided by the noise once here, not at every evaluation; what does not count is left out of all loops
        scale = precision[shells[i]]
        if scale == 0.0 or weights[i] == 0.0:
            continue
        indices_out[count, 0], indices_out[count, 1], indices_out[count, 2] = (
            indices[i, 0],
            indices[i, 1],
            indices[i, 2],
        )
        data_out[count, 0], data_out[count, 1] = scale * data[i, 0], scale * data[i, 1]
        weights_out[count] = scale * weights[i]
        count += 1
    return count


@njit(nogil=True, cache=True)
def align_pose(
    grid: Float32, side: int, indices: Int16, data: Float32, weights: Float32, size: float, stretch: float,
    rotation: Float, shift: Float, centre: Float, turn_precision: float, angles: Float, angle_precisions: Float,
    place: Float, place_precision: float, evaluations: int, phases: Float32, covariance: Float,
) -> float:  # fmt: skip
    """Minimise 2 Σ |D' - m|² + eᵀ P e over a pose, in place; returns the least value.

    Args:
        grid: Of the reference, see `pose_equations`; also side, indices, data and weights.
        side: Of the grid.
        indices: (n, 3)
        data: (n, 2) of unit noise.
        weights: (n,)
        size: Side of the volume, voxels.
        stretch: Side of the reference's box against that of the volume, both in Å.
        rotation: (3, 3) of the pose.
        shift: (3,) of the pose, voxels.
        centre: Of the priors, see `add_prior`; also the next five.
        turn_precision: radians⁻²
        angles: (3,) radians
        angle_precisions: (3,) radians⁻²
        place: (3,) voxels
        place_precision: voxels⁻²
        evaluations: At most so many.
        phases: (3, 2 reach + 1, 2) scratch.
        covariance: (6, 6) result: inverse of the normal matrix at the minimum; zero where there is none.
    """
    # equations of the best pose so far, and of the one that is tried
    gradient, normal = np.empty(6), np.empty((6, 6))
    trial_gradient, trial_normal = np.empty(6), np.empty((6, 6))
    step, trial_rotation, trial_shift = np.zeros(6), np.empty((3, 3)), np.empty(3)
    turn, scaled = 2.0 * math.pi / size, np.empty((3, 3))
    damping, best = _FIRST_DAMPING, 0.0
    trial_rotation[:], trial_shift[:] = rotation, shift
    for evaluation in range(evaluations):
        # cost, gradient and normal matrix of the trial: one pass over the particle, for all three
        for i in range(3):
            for j in range(3):
                scaled[i, j] = stretch * trial_rotation[i, j]
        tabulate_phases(trial_shift, size, phases)
        value = 2.0 * pose_equations(
            grid, side, indices, data, weights, scaled, phases, turn, trial_gradient, trial_normal
        )
        # voxels stand for two each, as half of the transform is compared; the prior does not
        for i in range(6):
            trial_gradient[i] *= 2.0
            for j in range(6):
                trial_normal[i, j] *= 2.0
        value += add_prior(
            trial_rotation, trial_shift, centre, turn_precision, angles, angle_precisions, place, place_precision,
            trial_gradient, trial_normal,
        )  # fmt: skip
        if evaluation == 0 or value < best:
            gained = best - value
            best = value
            rotation[:], shift[:] = trial_rotation, trial_shift
            gradient[:], normal[:] = trial_gradient, trial_normal
            # better: from here on, with a bolder step
            damping *= 0.2
            # a gain so small is beyond what noise lets one know
            if evaluation > 0 and (gained < 1e-3 or _is_small(step)):
                break
        else:
            # worse: a shorter step from the same place
            damping *= 8.0
            if damping > _LARGEST_DAMPING or _is_small(step):
                break
        if evaluation == evaluations - 1 or not solve(normal, gradient, damping, step):
            break
        # shorten a step that turns too far as a whole, which keeps its direction
        length = math.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2)
        if length > _LARGEST_TURN:
            for i in range(6):
                step[i] *= _LARGEST_TURN / length
        rotate_by(rotation, step, trial_rotation)
        for i in range(3):
            trial_shift[i] = shift[i] + step[3 + i]
    # covariance: the inverse, column by column
    unit, column = np.zeros(6), np.zeros(6)
    for j in range(6):
        unit[:] = 0.0
        unit[j] = 1.0
        if solve(normal, unit, 0.0, column):
            covariance[:, j] = column
        else:
            covariance[:, j] = 0.0
    return best


@njit(nogil=True, cache=True)
def _is_small(step: Float) -> bool:
    turn = math.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2)
    return turn < _SMALL_TURN and math.sqrt(step[3] ** 2 + step[4] ** 2 + step[5] ** 2) < _SMALL_SHIFT


@njit(nogil=True, cache=True)
def add_residual_power(
    grid: Float32, side: int, indices: Int16, shells: Int, data: Float32, weights: Float32, least_weight: float,
    rotation: Float, phases: Float32, model: Float32, power: Float, total: Float, products: Float,
) -> None:  # fmt: skip
    """Add W |D' - m|² and W to the sums of shells, where the weight is large enough, and Re m*D' and |m|²."""
    model_values(grid, side, indices, weights, rotation, phases, model)
    for i in range(len(shells)):
        if weights[i] <= least_weight:
            continue
        shell = shells[i]
        # D' and m are divided by √W: times W, residuals count as in the plain cost
        re, im = data[i, 0] - model[i, 0], data[i, 1] - model[i, 1]
        weight = weights[i] * weights[i]
        power[shell] += weight * (re * re + im * im)
        total[shell] += weight
        products[shell, 0] += data[i, 0] * model[i, 0] + data[i, 1] * model[i, 1]
        products[shell, 1] += model[i, 0] * model[i, 0] + model[i, 1] * model[i, 1]
