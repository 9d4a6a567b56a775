"""The seam of alignment: what a backend must do with the terms of a particle.

Arrays of voxels are in the order of `alignment.voxels`; a reference is the grid of `alignment.reference`.
One instance belongs to one thread.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Int16 = NDArray[np.int16]


class Grid(NamedTuple):
    """A reference's transform at half frequencies, up to M of them from the origin."""

    values: Float32
    """Real and imaginary parts, flat: from -M - 1 to M + 1 along z, then y, and from 0 to M + 1 along x."""
    side: int
    """2 M + 3"""

    def known(self, precision: Float, stretch: float) -> Float:
        """Give the precision (n_shells,) of a particle, zero where its voxels would lie beyond this reference.

        Args:
            precision: One over the standard deviation of the noise, per shell of the particle.
            stretch: Side of the reference's box against that of the particle, both in Å.
        """
        most = (self.side - 1) / 2
        last = int((most / stretch - 1.0) / 2.0 + 1e-9)
        if last + 1 >= len(precision):
            return precision
        known = precision.copy()
        known[last + 1 :] = 0.0
        return known


class Terms(NamedTuple):
    """A particle at the voxels of a transform."""

    indices: Int16
    """(n, 3) x, y, z."""
    shells: Int
    """(n,)"""
    data: Float32
    """(n, 2) D / √W."""
    weights: Float32
    """(n,) √W."""
    size: int
    """Side of the volume, voxels."""
    reach: int
    """The last shell."""


class Pose(NamedTuple):
    """Where a particle is, and how it is rotated."""

    rotation: Float
    """(3, 3) from the reference's frame to the volume's."""
    shift_px: Float
    """(3,) of the particle's centre from the volume's, voxels."""


@dataclass(frozen=True, eq=False)
class Shifts:
    """A cube of shifts that are tried, or those within a sphere."""

    step_px: float
    """Between neighbours, voxels."""
    steps: int
    """On either side along each axis."""
    largest_px: float
    """Longer ones are left out."""

    @property
    def axis_px(self) -> Float:
        """(2 steps + 1,) along each axis, voxels."""
        return np.arange(-self.steps, self.steps + 1, dtype=np.float64) * self.step_px

    @property
    def is_within(self) -> NDArray[np.bool_]:
        """Whether each of the cube, by x, y and z, is tried."""
        squares = self.axis_px**2
        within: NDArray[np.bool_] = squares[:, None, None] + squares[:, None] + squares <= (self.largest_px + 1e-9) ** 2
        return within

    def of(self, flat: Int) -> Float:
        """Give shifts (m, 3), voxels, by their flat index into the cube."""
        n = 2 * self.steps + 1
        return self.axis_px[np.stack(np.unravel_index(flat, (n, n, n)), axis=-1)]


@dataclass(frozen=True, eq=False)
class Prior:
    """Gaussian priors of a pose; a precision of zero means none."""

    centre: Float
    """(3, 3) about which rotation vectors are counted."""
    turn_precision: float
    """Of each component of the rotation vector, radians⁻²."""
    angles_rad: Float
    """(3,) rot, tilt, psi about which Euler angles are counted."""
    angle_precisions: Float
    """(3,) radians⁻²."""
    place_px: Float
    """(3,)"""
    place_precision: float
    """voxels⁻²"""


class FoundPose(NamedTuple):
    """The best pose, and what it leaves unexplained."""

    pose: Pose
    value: float
    """-2 log of likelihood and prior, up to a constant."""
    covariance: Float
    """(6, 6) of rotation vector (radians, particle's frame) and shift (voxels); zero where nothing determines them."""


class ShellPower(NamedTuple):
    """Sums over the voxels of each shell that hold data, weighted by W: (n_shells,)."""

    residual: Float
    """W |D' - m|²"""
    weight: Float
    """W"""
    products: Float
    """(n_shells, 2): Re m* D' and |m|², not weighted."""


class AlignmentBackend(Protocol):
    """What alignment needs to have computed."""

    @abstractmethod
    def align(
        self, grid: Grid, terms: Terms, start: Pose, prior: Prior, precision: Float, stretch: float, evaluations: int
    ) -> FoundPose:
        """Find the best pose from a start by the Levenberg-Marquardt method.

        Args:
            grid: The reference.
            terms: The particle.
            start: Where to begin.
            prior: Of the pose.
            precision: (n_shells,) one over the standard deviation of D / √W; zero leaves a shell out.
            stretch: Side of the reference's box against that of the particle's, both in Å.
            evaluations: Of the cost, at most.
        """

    @abstractmethod
    def residuals(self, grid: Grid, terms: Terms, pose: Pose, stretch: float, least_weight: float) -> ShellPower:
        """Compare a particle with the reference in a pose, where √W is above `least_weight`."""

    @abstractmethod
    def score(
        self, grid: Grid, terms: Terms, rotations: Float, shifts: Shifts, precision: Float, stretch: float
    ) -> tuple[Float32, Float32, Float]:
        """Compare rotations (m, 3, 3), each at the best of some shifts.

        Returns:
            Σ |m|² (m,), Re Σ m* D' (m,) and the shift (m, 3), voxels.
        """

    @abstractmethod
    def add(
        self, data_out: Float32, weights_out: Float, terms: Terms, pose: Pose, factor: float, stretch: float, side: int
    ) -> None:
        """Add a particle in its pose to sums: a grid of data, and weights (n,) by voxel of the average."""
