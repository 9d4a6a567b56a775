"""Alignment in NumPy and double precision: slow, and what the compiled loops are tested against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.backends.alignment import AlignmentBackend, FoundPose, Grid, Pose, Prior, ShellPower, Shifts, Terms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Complex = NDArray[np.complex128]


class ReferenceAlignment(AlignmentBackend):
    """See `AlignmentBackend`."""

    def align(
        self, grid: Grid, terms: Terms, start: Pose, prior: Prior, precision: Float, stretch: float, evaluations: int
    ) -> FoundPose:
        """Levenberg-Marquardt with the derivatives of `pose_equations`."""
        pose, damping, precision = start, 1e-3, grid.known(precision, stretch)
        value, gradient, normal = _objective(grid, terms, pose, prior, precision, stretch)
        for _ in range(evaluations - 1):
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
            moved = Pose(pose.rotation @ Rotation.from_rotvec(step[:3]).as_matrix(), pose.shift_px + step[3:])
            tried = _objective(grid, terms, moved, prior, precision, stretch)
            if tried[0] < value:
                pose, damping = moved, damping * 0.2
                value, gradient, normal = tried
            else:
                damping *= 8.0
        return FoundPose(pose, value, np.linalg.inv(normal).astype(np.float64))

    def residuals(self, grid: Grid, terms: Terms, pose: Pose, stretch: float, least_weight: float) -> ShellPower:
        """See `AlignmentBackend`."""
        model, data = model_of(grid, terms, pose, stretch)[0], _data(terms)
        weight = np.where(terms.weights > least_weight, terms.weights.astype(np.float64) ** 2, 0.0)
        held, n = weight > 0, terms.reach + 1
        products = [(model.conj() * data).real * held, np.abs(model) ** 2 * held]
        return ShellPower(
            np.bincount(terms.shells, weight * np.abs(data - model) ** 2, n).astype(np.float64),
            np.bincount(terms.shells, weight, n).astype(np.float64),
            np.stack([np.bincount(terms.shells, product, n) for product in products], axis=1),
        )

    def score(
        self, grid: Grid, terms: Terms, rotations: Float, shifts: Shifts, precision: Float, stretch: float
    ) -> tuple[Float32, Float32, Float]:
        """See `AlignmentBackend`."""
        scale = grid.known(precision, stretch)[terms.shells] ** 2
        tried = shifts.of(np.flatnonzero(shifts.is_within))
        quadratic, cross, best = [], [], []
        for rotation in rotations:
            models = [model_of(grid, terms, Pose(rotation, shift), stretch)[0] for shift in tried]
            fits = [float((scale * (model.conj() * _data(terms)).real).sum()) for model in models]
            best.append(int(np.argmax(fits)))
            cross.append(max(fits))
            quadratic.append(float((scale * np.abs(models[0]) ** 2).sum()))
        return np.array(quadratic, np.float32), np.array(cross, np.float32), tried[best]

    def add(
        self, data_out: Float32, weights_out: Float, terms: Terms, pose: Pose, factor: float, stretch: float, side: int
    ) -> None:
        """See `AlignmentBackend`."""
        k = terms.indices.astype(np.float64)
        phase = np.exp(2j * np.pi * (k @ pose.shift_px) / terms.size)
        values = factor * terms.weights * _data(terms) * phase
        values[~k.any(axis=1)] *= 0.5
        corners, shares, mirrored = _neighbours(2.0 * stretch * (k @ pose.rotation), side)
        values = np.where(mirrored, values.conj(), values)
        flat = data_out.reshape(-1, 2)
        for corner, share in zip(corners, shares, strict=True):
            np.add.at(flat, corner, np.stack([share * values.real, share * values.imag], axis=1).astype(np.float32))
        weights_out += self._rotated_weights(terms, pose.rotation / stretch, factor)

    @staticmethod
    def _rotated_weights(terms: Terms, rotation: Float, factor: float) -> Float:
        middle, side = terms.reach + 1, 2 * terms.reach + 3
        volume = np.zeros((side, side, middle + 1))
        x, y, z = terms.indices.T.astype(np.int64)
        squared = factor * terms.weights.astype(np.float64) ** 2
        volume[z + middle, y + middle, x] = squared
        plane = x == 0
        volume[middle - z[plane], middle - y[plane], 0] = squared[plane]
        points = terms.indices.astype(np.float64) @ rotation.T
        inside = (points**2).sum(axis=1) <= terms.reach**2 * (1.0 + 1e-9)
        corners, shares, _ = _neighbours(points * inside[:, None], side)
        total = sum(share * volume.reshape(-1)[corner] for corner, share in zip(corners, shares, strict=True))
        return np.where(inside, total, 0.0)


def model_of(grid: Grid, terms: Terms, pose: Pose, stretch: float) -> tuple[Complex, Complex]:
    """Compute the model (n,) and its derivatives (n, 6) by rotation vector and shift."""
    k = terms.indices.astype(np.float64)
    points = 2.0 * stretch * (k @ pose.rotation)
    corners, shares, mirrored = _neighbours(points, grid.side)
    values = grid.values.astype(np.float64).view(np.complex128)
    sampled = [values[corner] for corner in corners]
    signed = np.where(mirrored[:, None], -points, points)
    fraction = signed - np.floor(signed)
    density, slopes = np.zeros(len(k), np.complex128), np.zeros((len(k), 3), np.complex128)
    for share, value in zip(shares, sampled, strict=True):
        density += share * value
    for number, value in enumerate(sampled):
        bits = [(number >> axis) & 1 for axis in range(3)]
        one = [fraction[:, axis] if bit else 1.0 - fraction[:, axis] for axis, bit in enumerate(bits)]
        for axis in range(3):
            others = one[(axis + 1) % 3] * one[(axis + 2) % 3]
            slopes[:, axis] += (1.0 if bits[axis] else -1.0) * others * value
    turned = -np.cross(signed, slopes)
    density, turned = (np.where(mirrored, density.conj(), density),
                       np.where(mirrored[:, None], turned.conj(), turned))  # fmt: skip
    phase = terms.weights * np.exp(-2j * np.pi * (k @ pose.shift_px) / terms.size)
    model = phase * density
    return model, np.concatenate([phase[:, None] * turned, -2j * np.pi / terms.size * k * model[:, None]], axis=1)


def _objective(
    grid: Grid, terms: Terms, pose: Pose, prior: Prior, precision: Float, stretch: float
) -> tuple[float, Float, Float]:
    """Give -2 log of likelihood and prior, minus half its gradient, and the normal matrix."""
    model, slopes = model_of(grid, terms, pose, stretch)
    scale = np.where(terms.weights > 0, precision[terms.shells], 0.0)
    residual, slopes = scale * (_data(terms) - model), scale[:, None] * slopes
    value = 2.0 * float((np.abs(residual) ** 2).sum())
    gradient = 2.0 * (slopes.conj() * residual[:, None]).real.sum(axis=0)
    normal = 2.0 * (slopes.conj().T @ slopes).real
    off = pose.shift_px - prior.place_px
    turn = Rotation.from_matrix(prior.centre.T @ pose.rotation).as_rotvec()
    value += prior.place_precision * float(off @ off) + prior.turn_precision * float(turn @ turn)
    gradient -= np.concatenate([prior.turn_precision * turn, prior.place_precision * off])
    normal += np.diag([prior.turn_precision] * 3 + [prior.place_precision] * 3)
    return value, gradient, normal


def _data(terms: Terms) -> Complex:
    values: Complex = terms.data[:, 0].astype(np.float64) + 1j * terms.data[:, 1]
    return values


def _neighbours(points: Float, side: int) -> tuple[list[Int], list[Float], NDArray[np.bool_]]:
    """List the flat indices of the eight neighbours of points, their shares, and which points were mirrored."""
    middle, columns = side // 2, side // 2 + 1
    mirrored = points[:, 0] < 0
    points = np.where(mirrored[:, None], -points, points)
    low = np.floor(points).astype(np.int64)
    fraction = points - low
    corners, shares = [], []
    for number in range(8):
        bits = np.array([(number >> axis) & 1 for axis in range(3)])
        x, y, z = (low + bits).T
        corners.append(((z + middle) * side + y + middle) * columns + x)
        shares.append(np.where(bits, fraction, 1.0 - fraction).prod(axis=1))
    return corners, shares, mirrored
