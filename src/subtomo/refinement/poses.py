"""Poses of a set of particles, and what refinement knows of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.backends.alignment import Pose, Prior
from subtomo.model.rows import ONE_PER_ROW, take_rows
from subtomo.refinement.settings import RefinementSettings

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Poses:
    """Of the particles that are refined, in their order."""

    rotation: Float = field(metadata=ONE_PER_ROW)
    """(n, 3, 3) from the reference's frame to the volumes'."""
    shift_px: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) of the particle's centre from the volume's, voxels of the volume."""
    half: NDArray[np.int64] = field(metadata=ONE_PER_ROW)
    """(n,) 1 or 2."""
    value: Float = field(metadata=ONE_PER_ROW)
    """(n,) -2 log of likelihood and prior, up to a constant."""
    covariance: Float = field(metadata=ONE_PER_ROW)
    """(n, 6, 6) see `FoundPose`."""
    scale: Float = field(metadata=ONE_PER_ROW)
    """(n,) grey scale against the reference; one if none was fitted."""
    is_usable: NDArray[np.bool_] = field(metadata=ONE_PER_ROW)
    """(n,) False for particles that could not be made."""

    @staticmethod
    def starting(rotation: Float, half: NDArray[np.int64]) -> Poses:
        """Begin with orientations (n, 3, 3) and no shifts."""
        n = len(rotation)
        return Poses(
            rotation.copy(),
            np.zeros((n, 3)),
            half.copy(),
            np.zeros(n),
            np.zeros((n, 6, 6)),
            np.ones(n),
            np.ones(n, bool),
        )

    def __len__(self) -> int:
        return len(self.half)

    def of(self, index: int) -> Pose:
        """Give one pose."""
        return Pose(np.ascontiguousarray(self.rotation[index]), self.shift_px[index])

    def take(self, indices: ArrayLike) -> Poses:
        """Take some particles."""
        return take_rows(self, indices)

    def replaced(self, **arrays: NDArray[np.generic]) -> Poses:
        """Give the same with other arrays."""
        return replace(self, **arrays)  # type: ignore[arg-type]

    def errors(self, voxel_angstrom: Float) -> tuple[Float, Float]:
        """Give standard errors of orientation (degrees) and position (Å), (n,) each: roots of the sum of variances.

        Args:
            voxel_angstrom: (n,) of the volumes.
        """
        variance = np.maximum(np.diagonal(self.covariance, axis1=1, axis2=2), 0.0)
        return np.degrees(np.sqrt(variance[:, :3].sum(axis=1))), voxel_angstrom * np.sqrt(variance[:, 3:].sum(axis=1))


@dataclass(frozen=True, eq=False)
class Priors:
    """Of all particles; the starting poses are the centres unless the particles bring others."""

    rotation: Float
    """(n, 3, 3)"""
    angles_rad: Float
    """(n, 3) rot, tilt, psi."""
    voxel_angstrom: Float
    """(n,)"""
    settings: RefinementSettings

    def of(self, index: int) -> Prior:
        """Give that of one particle."""
        settings = self.settings
        sigmas = (settings.sigma_rot_deg, settings.sigma_tilt_deg, settings.sigma_psi_deg)
        return Prior(
            np.ascontiguousarray(self.rotation[index]),
            _precision(settings.sigma_ang_deg),
            np.ascontiguousarray(self.angles_rad[index]),
            np.array([_precision(sigma) for sigma in sigmas]),
            np.zeros(3),
            float((self.voxel_angstrom[index] / settings.sigma_offset_angstrom) ** 2),
        )


def _precision(sigma_deg: float | None) -> float:
    """Convert a standard deviation in degrees to radians⁻²."""
    return 0.0 if sigma_deg is None else float(np.deg2rad(sigma_deg) ** -2)
