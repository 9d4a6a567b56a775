"""Poses to compare costs at: near the true one, and anywhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]

N_LOCAL = 120
N_ANYWHERE = 60
LARGEST_ANGLE_DEG = 12.0
LARGEST_SHIFT_PX = 4.0


class Pose(NamedTuple):
    """The rotation and shift of the reference."""

    rotation: Float
    """(3, 3)"""
    shift_px: Float
    """(3,)"""


TRUE_POSE = Pose(np.eye(3), np.zeros(3))


def random_poses(rng: np.random.Generator, n_local: int = N_LOCAL, n_anywhere: int = N_ANYWHERE) -> list[Pose]:
    """Return the true pose, then poses within 12° and 4 pixels of it, then random ones."""
    local = [Pose(_small_rotation(rng), _in_ball(LARGEST_SHIFT_PX, rng)) for _ in range(n_local)]
    turned = Rotation.random(n_anywhere, rng=rng).as_matrix()
    return [TRUE_POSE, *local, *(Pose(matrix, _in_ball(LARGEST_SHIFT_PX, rng)) for matrix in turned)]


def _small_rotation(rng: np.random.Generator) -> Float:
    matrix: Float = Rotation.from_rotvec(_in_ball(np.deg2rad(LARGEST_ANGLE_DEG), rng)).as_matrix()
    return matrix


def _in_ball(radius: float, rng: np.random.Generator) -> Float:
    direction = rng.normal(size=3)
    place: Float = direction / np.linalg.norm(direction) * radius * rng.uniform() ** (1 / 3)
    return place
