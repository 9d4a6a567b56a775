"""Gaussian priors of poses, and small matrices."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]

_LEAST_SINE = 0.05
"""Where rot and psi turn about nearly the same axis, only their sum means anything."""


@njit(nogil=True, cache=True)
def rotate_by(rotation: Float, vector: Float, rotated: Float) -> None:
    """Compute R exp([ω]×) for a rotation vector ω, radians; orthonormal up to rounding."""
    # sin(a) / a and (1 - cos a) / a², by their series where they would be 0 / 0
    angle = math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    a = 1.0 - angle * angle / 6.0 if angle < 1e-4 else math.sin(angle) / angle
    b = 0.5 - angle * angle / 24.0 if angle < 1e-4 else (1.0 - math.cos(angle)) / (angle * angle)
    x, y, z = vector[0], vector[1], vector[2]
    # exp = 1 + a [ω] + b [ω]²
    e = np.empty((3, 3))
    e[0, 0], e[0, 1], e[0, 2] = 1.0 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y
    e[1, 0], e[1, 1], e[1, 2] = b * x * y + a * z, 1.0 - b * (x * x + z * z), b * y * z - a * x
    e[2, 0], e[2, 1], e[2, 2] = b * x * z - a * y, b * y * z + a * x, 1.0 - b * (x * x + y * y)
    for i in range(3):
        for j in range(3):
            rotated[i, j] = rotation[i, 0] * e[0, j] + rotation[i, 1] * e[1, j] + rotation[i, 2] * e[2, j]


@njit(nogil=True, cache=True)
def rotation_vector(first: Float, second: Float, vector: Float) -> float:
    """Find ω with second = first exp([ω]×), and give its length, radians."""
    # firstᵀ second, whose antisymmetric part is sin(angle) times the axis
    m = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            m[i, j] = first[0, i] * second[0, j] + first[1, i] * second[1, j] + first[2, i] * second[2, j]
    vector[0], vector[1], vector[2] = 0.5 * (m[2, 1] - m[1, 2]), 0.5 * (m[0, 2] - m[2, 0]), 0.5 * (m[1, 0] - m[0, 1])
    sine = math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    cosine = 0.5 * (m[0, 0] + m[1, 1] + m[2, 2] - 1.0)
    angle = math.atan2(sine, cosine)
    if sine > 1e-9:
        for i in range(3):
            vector[i] *= angle / sine
    elif cosine < 0.0:
        # half a turn: any axis of the two that fit
        axis = 0
        for i in range(1, 3):
            if m[i, i] > m[axis, axis]:
                axis = i
        length = math.sqrt(max(0.5 * (m[axis, axis] + 1.0), 1e-12))
        for i in range(3):
            vector[i] = math.pi * (length if i == axis else 0.5 * m[i, axis] / length)
    return angle


@njit(nogil=True, cache=True)
def add_prior(
    rotation: Float, shift: Float, centre: Float, turn_precision: float, angles: Float, angle_precisions: Float,
    place: Float, place_precision: float, gradient: Float, normal: Float,
) -> float:  # fmt: skip
    """Compute eᵀ P e, take P e in terms of the parameters from the gradient, and add P to the normal matrix.

    Args:
        rotation: (3, 3) of the pose.
        shift: (3,) of the pose, voxels.
        centre: (3, 3) rotation of the prior on the rotation vector.
        turn_precision: Of each component of that vector, radians⁻²; 0 for no such prior.
        angles: (3,) rot, tilt, psi, radians, of the prior on Euler angles.
        angle_precisions: (3,) radians⁻²; 0 for no such prior.
        place: (3,) of the prior on the shift.
        place_precision: voxels⁻².
        gradient: (6,)
        normal: (6, 6)
    """
    value = 0.0
    for i in range(3):
        # quadratic in the shift, whose precision is the same in all directions
        off = shift[i] - place[i]
        value += place_precision * off * off
        gradient[3 + i] -= place_precision * off
        normal[3 + i, 3 + i] += place_precision
    if turn_precision > 0.0:
        vector = np.empty(3)
        angle = rotation_vector(centre, rotation, vector)
        # the vector's change by a further small rotation is that rotation, up to second order in the angle
        value += turn_precision * angle * angle
        for i in range(3):
            gradient[i] -= turn_precision * vector[i]
            normal[i, i] += turn_precision
    if angle_precisions[0] > 0.0 or angle_precisions[1] > 0.0 or angle_precisions[2] > 0.0:
        # Euler angles, each with a width of its own; linearised about the pose
        off, rates = np.empty(3), np.empty((3, 3))
        _euler_rates(rotation, angles, off, rates)
        for a in range(3):
            precision = angle_precisions[a]
            value += precision * off[a] * off[a]
            for i in range(3):
                gradient[i] -= precision * off[a] * rates[a, i]
                for j in range(3):
                    normal[i, j] += precision * rates[a, i] * rates[a, j]
    return value


@njit(nogil=True, cache=True)
def _euler_rates(rotation: Float, angles: Float, off: Float, rates: Float) -> None:
    """Compute how far rot, tilt and psi are from a prior's, and their derivatives by the rotation vector, (3, 3).

    R = Rz(-psi) Ry(-tilt) Rz(-rot), see `physics.orientation`.
    """
    cosine = min(1.0, max(-1.0, rotation[2, 2]))
    tilt = math.acos(cosine)
    sine = max(math.sin(tilt), _LEAST_SINE)
    rot = math.atan2(rotation[2, 1], rotation[2, 0])
    psi = math.atan2(rotation[1, 2], -rotation[0, 2])
    off[0], off[1], off[2] = rot - angles[0], tilt - angles[1], psi - angles[2]
    for a in range(3):
        # the shorter way round
        off[a] -= 2.0 * math.pi * math.floor(off[a] / (2.0 * math.pi) + 0.5)
    # -ω = z d(rot) + Rz(rot) y d(tilt) + Rz(rot) Ry(tilt) z d(psi), solved for the three
    c, s = math.cos(rot), math.sin(rot)
    rates[0, 0], rates[0, 1], rates[0, 2] = c * cosine / sine, s * cosine / sine, -1.0
    rates[1, 0], rates[1, 1], rates[1, 2] = s, -c, 0.0
    rates[2, 0], rates[2, 1], rates[2, 2] = -c / sine, -s / sine, 0.0


@njit(nogil=True, cache=True)
def solve(matrix: Float, right: Float, damping: float, solution: Float) -> bool:
    """Solve (M + damping diag M) x = b by Cholesky's factorisation; False if the matrix is not positive definite."""
    n = len(right)
    # M + damping diag M = L Lᵀ
    factor = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j] * (1.0 + damping if i == j else 1.0)
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 1e-12 * matrix[i, i]:
                    return False
                factor[i, i] = math.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    for i in range(n):
        # L y = b
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * solution[k]
        solution[i] = total / factor[i, i]
    # Lᵀ x = y
    for i in range(n - 1, -1, -1):
        total = solution[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * solution[k]
        solution[i] = total / factor[i, i]
    return True
