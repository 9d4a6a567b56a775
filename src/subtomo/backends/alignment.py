"""The seam of alignment: what a backend must do with the terms of a particle, and the compiled one.

Arrays of voxels are in the order of `alignment.voxels`; a reference is the grid of `alignment.reference`.
One instance belongs to one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cache import compiled_here

with compiled_here():
    from subtomo.backends.cpu.accumulate import add_rotated_weights, lay_out_weights, spread_data
    from subtomo.backends.cpu.pose_cost import tabulate_phases
    from subtomo.backends.cpu.pose_search import add_residual_power, align_pose, gather_terms, score_orientations

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Int16 = NDArray[np.int16]


class Grid(NamedTuple):
    """A reference's transform at half frequencies."""

    values: Float32
    """Flat, see `backends.cpu.pose_cost.pose_equations`."""
    side: int


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

    def residuals(self, grid: Grid, terms: Terms, pose: Pose, stretch: float, least_weight: float) -> ShellPower:
        """Compare a particle with the reference in a pose, where √W is above `least_weight`."""

    def score(
        self, grid: Grid, terms: Terms, rotations: Float, shifts_px: Float, precision: Float, stretch: float
    ) -> tuple[Float32, Float32, Int]:
        """Compare rotations (m, 3, 3), each at the best of some shifts (s, 3).

        Returns:
            Σ |m|², Re Σ m* D' and the index of the shift, (m,) each.
        """

    def add(
        self, data: Float32, weights: Float, terms: Terms, pose: Pose, factor: float, stretch: float, side: int
    ) -> None:
        """Add a particle in its pose to sums: a grid of data, and weights (n,) by voxel of the average."""


class CpuAlignment:
    """Compiled loops, single precision where sums allow it."""

    def __init__(self) -> None:
        self._sizes = (0, 0)

    def align(
        self, grid: Grid, terms: Terms, start: Pose, prior: Prior, precision: Float, stretch: float, evaluations: int
    ) -> FoundPose:
        """See `AlignmentBackend`."""
        indices, data, weights = self._gathered(terms, precision)
        rotation, shift, covariance = start.rotation.copy(), start.shift_px.copy(), np.empty((6, 6))
        value = align_pose(
            grid.values, grid.side, indices, data, weights, float(terms.size), stretch, rotation, shift, prior.centre,
            prior.turn_precision, prior.angles_rad, prior.angle_precisions, prior.place_px, prior.place_precision,
            evaluations, self._phases, covariance,
        )  # fmt: skip
        return FoundPose(Pose(rotation, shift), float(value), covariance)

    def residuals(self, grid: Grid, terms: Terms, pose: Pose, stretch: float, least_weight: float) -> ShellPower:
        """See `AlignmentBackend`."""
        self._prepare(terms)
        n = terms.reach + 1
        power = ShellPower(np.zeros(n), np.zeros(n), np.zeros((n, 2)))
        tabulate_phases(pose.shift_px, float(terms.size), self._phases)
        add_residual_power(
            grid.values, grid.side, terms.indices, terms.shells, terms.data, terms.weights, least_weight,
            stretch * pose.rotation, self._phases, self._model, *power,
        )  # fmt: skip
        return power

    def score(
        self, grid: Grid, terms: Terms, rotations: Float, shifts_px: Float, precision: Float, stretch: float
    ) -> tuple[Float32, Float32, Int]:
        """See `AlignmentBackend`."""
        indices, data, weights = self._gathered(terms, precision)
        angle = 2.0 * np.pi / terms.size * (shifts_px @ indices.T.astype(np.float64))
        quadratic, cross = np.empty((2, len(rotations)), np.float32)
        shifts = np.empty(len(rotations), np.int64)
        tabulate_phases(np.zeros(3), float(terms.size), self._phases)
        score_orientations(
            grid.values, grid.side, indices, data, weights, np.ascontiguousarray(rotations), stretch,
            np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32), self._phases,
            quadratic, cross, shifts,
        )  # fmt: skip
        return quadratic, cross, shifts

    def add(
        self, data: Float32, weights: Float, terms: Terms, pose: Pose, factor: float, stretch: float, side: int
    ) -> None:
        """See `AlignmentBackend`."""
        self._prepare(terms)
        tabulate_phases(pose.shift_px, float(terms.size), self._phases)
        spread_data(
            terms.indices, terms.data, terms.weights, factor, stretch * pose.rotation, self._phases, side, data
        )  # fmt: skip
        lay_out_weights(terms.indices, terms.weights, factor, terms.reach, self._volume)
        add_rotated_weights(terms.indices, pose.rotation / stretch, terms.reach, self._volume, weights)

    def _gathered(self, terms: Terms, precision: Float) -> tuple[Int16, Float32, Float32]:
        """Give indices, data and weights of the voxels that count, at unit noise."""
        self._prepare(terms)
        n = gather_terms(
            terms.indices, terms.shells, terms.data, terms.weights, precision, self._indices, self._data, self._weights
        )
        return self._indices[:n], self._data[:n], self._weights[:n]

    def _prepare(self, terms: Terms) -> None:
        """Make room for particles of a size."""
        n, reach = len(terms.weights), terms.reach
        if self._sizes == (n, reach):
            return
        self._sizes = (n, reach)
        self._indices, self._data = np.empty((n, 3), np.int16), np.empty((n, 2), np.float32)
        self._weights, self._model = np.empty(n, np.float32), np.empty((n, 2), np.float32)
        self._phases = np.empty((3, 2 * reach + 1, 2), np.float32)
        self._volume = np.empty((2 * reach + 3, 2 * reach + 3, reach + 2), np.float32)
