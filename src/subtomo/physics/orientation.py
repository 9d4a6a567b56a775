"""Rotations: ZYZ Euler angles to matrices and back (spec/conventions.md §3.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import GIMBAL_THRESHOLD

Float = NDArray[np.float64]


def euler_to_matrix(angles_deg: Float) -> Float:
    """Convert (..., 3) angles rot, tilt, psi in degrees to (..., 3, 3) matrices.

    A matrix maps vectors of the particle's frame to the tomogram's frame.
    """
    alpha, beta, gamma = np.moveaxis(np.asarray(angles_deg, dtype=np.float64) * np.pi / 180.0, -1, 0)
    ca, cb, cg = np.cos(alpha), np.cos(beta), np.cos(gamma)
    sa, sb, sg = np.sin(alpha), np.sin(beta), np.sin(gamma)
    # multiplied from left to right: RELION's last bit decides the angles of orientations that cancel
    rows = [
        [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
        [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
        [sb * ca, sb * sa, cb],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_euler(matrix: Float) -> Float:
    """Convert (..., 3, 3) rotation matrices to (..., 3) angles rot, tilt, psi in degrees.

    The threshold for gimbal lock is as tiny as RELION's, so "identity up to rounding" gives arbitrary rot and psi.
    """
    a = np.asarray(matrix, dtype=np.float64)
    sine_squared = a[..., 0, 2] ** 2 + a[..., 1, 2] ** 2
    regular = sine_squared > GIMBAL_THRESHOLD
    tilt = np.arctan2(np.sqrt(sine_squared), a[..., 2, 2])
    rot = np.where(regular, np.arctan2(a[..., 2, 1], a[..., 2, 0]), 0.0)
    upright = np.arctan2(-a[..., 1, 0], a[..., 0, 0])
    upside_down = np.arctan2(a[..., 1, 0], -a[..., 0, 0])
    locked = np.where(a[..., 2, 2] > 0, upright, upside_down)
    psi = np.where(regular, np.arctan2(a[..., 1, 2], -a[..., 0, 2]), locked)
    return np.stack([rot, tilt, psi], axis=-1) * 180.0 / np.pi


def compose(first: Float, second: Float) -> Float:
    """Multiply (..., 3, 3) matrices with plain left-to-right sums.

    The order of the sums matters: where orientations cancel, rounding decides the angles that are written (§3.1).
    """
    a, b = np.asarray(first), np.asarray(second)
    terms = [a[..., :, k, None] * b[..., None, k, :] for k in range(3)]
    return (terms[0] + terms[1]) + terms[2]


def rotate(matrix: Float, vectors: Float) -> Float:
    """Apply (..., 3, 3) matrices to (..., 3) vectors with plain left-to-right sums."""
    a, v = np.asarray(matrix), np.asarray(vectors)
    return (a[..., 0] * v[..., 0, None] + a[..., 1] * v[..., 1, None]) + a[..., 2] * v[..., 2, None]
