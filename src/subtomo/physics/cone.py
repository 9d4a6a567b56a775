"""Damping of frequencies near the z axis of a particle's frame (spec/conventions.md §7.4)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.frequency import half_index, wrapped_index

Float = NDArray[np.float64]


def cone_weight(size: int, frame: Float, angle_deg: float, sigma_px: float) -> Float:
    """Compute the weight 1 - exp(-t² / 2), t the distance from the cone's axis in units of the cone's width.

    Args:
        size: Side of the volume, voxels; even.
        frame: (3, 3) matrix A; the axis is where A k is parallel to z.
        angle_deg: Full opening angle.
        sigma_px: Width at the origin, voxels.

    Returns:
        (size, size, size // 2 + 1), to be multiplied with a half transform.
    """
    wrapped = wrapped_index(size)
    k = np.broadcast_arrays(half_index(size), wrapped[:, None], wrapped[:, None, None])
    p = [sum((frame[axis, i] * k[i] for i in range(3)), np.zeros(1)) for axis in range(3)]
    width = np.abs(p[2]) * math.sin(math.radians(angle_deg) / 2.0) + sigma_px
    weight: Float = 1.0 - np.exp(-(p[0] ** 2 + p[1] ** 2) / width**2 / 2.0)
    return weight
