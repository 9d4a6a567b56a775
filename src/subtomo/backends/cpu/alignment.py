"""Alignment by compiled loops, in single precision where sums allow it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.alignment import AlignmentBackend, FoundPose, Grid, Pose, Prior, ShellPower, Shifts, Terms
from subtomo.backends.cache import compiled_here

with compiled_here():
    from subtomo.backends.cpu.accumulate import add_rotated_weights, lay_out_weights, spread_data
    from subtomo.backends.cpu.pose_cost import tabulate_phases
    from subtomo.backends.cpu.pose_scores import score_orientations
    from subtomo.backends.cpu.pose_search import add_residual_power, align_pose, gather_terms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Int16 = NDArray[np.int16]


class CpuAlignment(AlignmentBackend):
    """Loops over the voxels of one particle, with room for its gathered terms."""

    def __init__(self) -> None:
        self._sizes = (0, 0)

    def align(
        self, grid: Grid, terms: Terms, start: Pose, prior: Prior, precision: Float, stretch: float, evaluations: int
    ) -> FoundPose:
        """See `AlignmentBackend`."""
        indices, data, weights = self._gathered(terms, grid.known(precision, stretch))
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
        self, grid: Grid, terms: Terms, rotations: Float, shifts: Shifts, precision: Float, stretch: float
    ) -> tuple[Float32, Float32, Float]:
        """See `AlignmentBackend`."""
        indices, data, weights = self._gathered(terms, grid.known(precision, stretch))
        x, y, z = indices.T.astype(np.int64)
        order = np.lexsort((x, y, z))
        begins = np.flatnonzero(np.diff(y[order]) | np.diff(z[order])) + 1
        lines = np.concatenate([[0], begins, [len(order)]]) if len(order) else np.zeros(1, np.int64)
        reach = terms.reach
        angle = 2.0 * np.pi / terms.size * np.outer(np.arange(-reach, reach + 1), shifts.axis_px[shifts.axis_px >= 0])
        quadratic, cross = np.empty((2, len(rotations)), np.float32)
        best = np.zeros(len(rotations), np.int64)
        score_orientations(
            grid.values, grid.side, indices[order], data[order], weights[order], np.ascontiguousarray(rotations),
            stretch, lines, np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32),
            shifts.is_within, quadratic, cross, best,
        )  # fmt: skip
        return quadratic, cross, shifts.of(best)

    def add(
        self, data_out: Float32, weights_out: Float, terms: Terms, pose: Pose, factor: float, stretch: float, side: int
    ) -> None:
        """See `AlignmentBackend`."""
        self._prepare(terms)
        tabulate_phases(pose.shift_px, float(terms.size), self._phases)
        spread_data(
            terms.indices, terms.data, terms.weights, factor, stretch * pose.rotation, self._phases, side, data_out
        )  # fmt: skip
        lay_out_weights(terms.indices, terms.weights, factor, terms.reach, self._volume)
        add_rotated_weights(terms.indices, pose.rotation / stretch, terms.reach, self._volume, weights_out)

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
