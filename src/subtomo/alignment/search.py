"""A local pose search: from a start near the truth to the best pose by some cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from subtomo.alignment.cost import LeastSquares, Reference
from subtomo.alignment.poses import Pose

Float = NDArray[np.float64]

_STEPS = np.array([3e-3] * 3 + [3e-2] * 3)
"""Of the numerical derivatives: radians and pixels."""


class PoseError(NamedTuple):
    """How far a pose is from the true one, the identity."""

    angle_deg: float
    shift_px: float


def search_pose(cost: LeastSquares, reference: Reference, start: Pose, iterations: int = 8) -> Pose:
    """Minimise a cost over rotations and shifts of the reference with the Levenberg-Marquardt method.

    Args:
        cost: Of the particle.
        reference: In its true pose.
        start: Where to begin.
        iterations: At most; each evaluates the cost about seven times.
    """
    first = np.concatenate([Rotation.from_matrix(start.rotation).as_rotvec(), start.shift_px])

    def residuals(parameters: Float) -> Float:
        return cost.residuals(reference.moved(*_pose(parameters)))

    def derivatives(parameters: Float) -> Float:
        centre = residuals(parameters)
        columns = [(residuals(parameters + step) - centre) / step.sum() for step in np.diag(_STEPS)]
        return np.stack(columns, axis=1)

    found = least_squares(residuals, first, jac=derivatives, x_scale=_STEPS, max_nfev=iterations, xtol=1e-4, ftol=1e-6)
    return _pose(found.x)


def pose_error(pose: Pose) -> PoseError:
    """Measure how far a pose is from no rotation and no shift."""
    angle = float(np.rad2deg(Rotation.from_matrix(pose.rotation).magnitude()))
    return PoseError(angle, float(np.linalg.norm(pose.shift_px)))


def _pose(parameters: Float) -> Pose:
    return Pose(Rotation.from_rotvec(parameters[:3]).as_matrix(), parameters[3:])
