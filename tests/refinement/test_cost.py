"""The compiled cost of a pose: as in NumPy, with the right derivatives, and its adjoint."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.alignment.reference import FourierReference, empty_grid, grid_side, map_of_grid
from subtomo.alignment.voxels import voxels_of
from subtomo.backends.alignment import Grid, Pose, Prior, Shifts, Terms
from subtomo.backends.reference.alignment import ReferenceAlignment, model_of
from subtomo.backends.registry import alignment_backend
from subtomo.simulation.particle import random_particle

SIZE, REACH, PIXEL = 32, 14, 4.0
ZERO = np.zeros(3)
NO_PRIOR = Prior(np.eye(3), 0.0, ZERO, ZERO, ZERO, 0.0)
TRUE = Pose(Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix(), np.array([0.8, -0.5, 0.3]))
PRECISION = np.append(0.0, np.linspace(2.0, 1.0, REACH))


def density() -> np.ndarray:
    particle = random_particle(300, 7.0, 0.9, np.random.default_rng(4))
    values = particle.volume_values(SIZE) * SIZE**1.5
    return np.fft.fftshift(np.fft.irfftn(values, s=(SIZE,) * 3, axes=(0, 1, 2)))


def particle_terms(noise: float = 0.02) -> tuple[Grid, Terms]:
    reference = FourierReference.of(density(), REACH, PIXEL)
    grid, voxels, random = Grid(reference.grid, reference.side), voxels_of(SIZE, REACH), np.random.default_rng(5)
    weights = random.uniform(0.0, 2.0, len(voxels)).astype(np.float32)
    weights[random.uniform(size=len(voxels)) < 0.2] = 0.0
    empty = Terms(voxels.indices, voxels.shells, np.zeros((len(voxels), 2), np.float32), weights, SIZE, REACH)
    model = model_of(grid, empty, TRUE, 1.0)[0]
    data = np.stack([model.real, model.imag], axis=1) + noise * random.normal(size=(len(voxels), 2))
    return grid, empty._replace(data=data.astype(np.float32))


def near(angle: float = 0.05, shift: float = 0.4) -> Pose:
    return Pose(
        TRUE.rotation @ Rotation.from_rotvec([angle, -0.4 * angle, 0.6 * angle]).as_matrix(),
        TRUE.shift_px + shift * np.array([1.0, -0.7, 0.2]),
    )


def test_a_reference_is_looked_up_as_its_transform_says() -> None:
    particle = random_particle(300, 7.0, 0.9, np.random.default_rng(4))
    grid, terms = particle_terms()
    true = particle.moved(TRUE.rotation, TRUE.shift_px).volume_values(SIZE)
    x, y, z = terms.indices.T.astype(int)
    unit = terms._replace(weights=np.ones_like(terms.weights))
    model = model_of(grid, unit, TRUE, 1.0)[0]
    error = np.linalg.norm(model - true[z, y, x]) / np.linalg.norm(true[z, y, x])
    assert error < 0.03


@pytest.mark.parametrize("stretch", [1.0, 0.93])
def test_compiled_alignment_agrees_with_numpy(stretch: float) -> None:
    grid, terms = particle_terms()
    prior = Prior(TRUE.rotation, 30.0, ZERO, ZERO, np.array([0.1, 0.2, 0.3]), 2.0)
    slow = ReferenceAlignment().align(grid, terms, near(), prior, PRECISION, stretch, 8)
    fast = alignment_backend().align(grid, terms, near(), prior, PRECISION, stretch, 8)
    assert fast.value == pytest.approx(slow.value, rel=1e-5)
    np.testing.assert_allclose(fast.pose.rotation, slow.pose.rotation, atol=2e-5)
    np.testing.assert_allclose(fast.pose.shift_px, slow.pose.shift_px, atol=2e-4)
    np.testing.assert_allclose(fast.covariance, slow.covariance, atol=1e-4 * np.abs(slow.covariance).max())


def test_compiled_residuals_agree_with_numpy() -> None:
    grid, terms = particle_terms()
    slow = ReferenceAlignment().residuals(grid, terms, near(), 1.0, 0.3)
    fast = alignment_backend().residuals(grid, terms, near(), 1.0, 0.3)
    for one, other in zip(fast, slow, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("steps", "largest"), [(2, 9.0), (3, 1.6)])
def test_compiled_scores_agree_with_numpy(steps: int, largest: float) -> None:
    grid, terms = particle_terms()
    # more than are summed up at once
    rotations = np.stack([near(angle).rotation for angle in np.linspace(0.0, 0.6, 19)])
    shifts = Shifts(0.5, steps, largest)
    slow = ReferenceAlignment().score(grid, terms, rotations, shifts, PRECISION, 1.0)
    fast = alignment_backend().score(grid, terms, rotations, shifts, PRECISION, 1.0)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-4)
    np.testing.assert_allclose(fast[1], slow[1], rtol=1e-3, atol=1e-3 * float(np.abs(slow[1]).max()))
    np.testing.assert_array_equal(fast[2], slow[2])
    assert np.linalg.norm(fast[2], axis=1).max() <= largest


def test_derivatives_are_those_of_finite_differences() -> None:
    from subtomo.backends.reference.alignment import _objective

    grid, terms = particle_terms()
    prior = Prior(TRUE.rotation, 30.0, ZERO, ZERO, np.array([0.1, 0.2, 0.3]), 2.0)
    pose, step = near(0.03), 1e-5
    _, gradient, _ = _objective(grid, terms, pose, prior, PRECISION, 1.0)
    for parameter in range(6):
        off = np.zeros(6)
        values = []
        for sign in (1.0, -1.0):
            off[parameter] = sign * step
            moved = Pose(pose.rotation @ Rotation.from_rotvec(off[:3]).as_matrix(), pose.shift_px + off[3:])
            values.append(_objective(grid, terms, moved, prior, PRECISION, 1.0)[0])
        assert -2.0 * gradient[parameter] == pytest.approx((values[0] - values[1]) / (2.0 * step), rel=2e-3, abs=1.0)


def test_sums_agree_with_numpy_and_are_the_adjoint_of_looking_up() -> None:
    grid, terms = particle_terms()
    side = grid_side(REACH)
    sums = []
    for backend in (alignment_backend(), ReferenceAlignment()):
        data, weights = empty_grid(REACH), np.zeros(len(terms.weights))
        backend.add(data, weights, terms, TRUE, 1.3, 1.0, side)
        sums.append((data, weights))
    np.testing.assert_allclose(sums[0][0], sums[1][0], atol=2e-5 * np.abs(sums[1][0]).max())
    np.testing.assert_allclose(sums[0][1], sums[1][1], rtol=1e-4, atol=1e-4)
    # <w S V, D'> over all frequencies is <V, Sᵀ w D'>; the origin is its own opposite
    model = model_of(grid, terms, TRUE, 1.0)[0]
    data = terms.data[:, 0] + 1j * terms.data[:, 1]
    once = np.where(terms.indices.any(axis=1), 2.0, 1.0)
    left = 1.3 * float((once * (model.conj() * data).real).sum())
    values = sums[1][0].astype(np.float64).view(np.complex128).reshape(side, side, -1).copy()
    values[:, :, 0] += values[::-1, ::-1, 0].conj()
    reference = grid.values.astype(np.float64).view(np.complex128).reshape(side, side, -1)
    twice = np.full(values.shape[2], 2.0)
    twice[0] = 1.0
    right = float((twice * (reference.conj() * values).real).sum())
    assert left == pytest.approx(right, rel=1e-5)


def test_sums_of_spread_values_give_the_map_back() -> None:
    grid, terms = particle_terms(noise=0.0)
    unit = terms._replace(weights=np.ones_like(terms.weights))
    model = model_of(grid, unit, TRUE, 1.0)[0]
    unit = unit._replace(data=np.stack([model.real, model.imag], axis=1).astype(np.float32))
    data, weights = empty_grid(REACH), np.zeros(len(terms.weights))
    alignment_backend().add(data, weights, unit, TRUE, 1.0, 1.0, grid_side(REACH))
    found, true = map_of_grid(data, REACH, SIZE), density()
    centre = slice(8, 24)
    assert np.corrcoef(found[centre, centre, centre].ravel(), true[centre, centre, centre].ravel())[0, 1] > 0.99
    assert np.median(weights) == pytest.approx(1.0)


@pytest.mark.parametrize("sigmas", [(5.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 6.0), (3.0, 4.0, 5.0)])
def test_priors_on_euler_angles_pull_towards_their_centres(sigmas: tuple[float, float, float]) -> None:
    from subtomo.physics.orientation import euler_to_matrix, matrix_to_euler

    grid, terms = particle_terms()
    centre = np.array([20.0, 80.0, -50.0])
    start = centre + 8.0
    precisions = np.array([np.deg2rad(sigma) ** -2 if sigma else 0.0 for sigma in sigmas])
    pose = Pose(euler_to_matrix(start), ZERO)
    prior = Prior(pose.rotation, 1e-3, np.deg2rad(centre), precisions, ZERO, 1.0)
    empty = np.zeros(REACH + 1)
    empty[1] = 1e-6
    found = alignment_backend().align(grid, terms, pose, prior, empty, 1.0, 30)
    angles = matrix_to_euler(found.pose.rotation)
    for angle, middle, sigma in zip(angles, centre, sigmas, strict=True):
        if sigma:
            assert angle == pytest.approx(middle, abs=0.1)


def test_standard_errors_are_those_of_repeated_noise() -> None:
    noise, found, predicted = 0.5, [], []
    grid, clean = particle_terms(noise=0.0)
    precision = np.append(0.0, np.full(REACH, 1.0 / (noise * np.sqrt(2.0))))
    for seed in range(60):
        random = np.random.default_rng(seed)
        noisy = clean.data + noise * random.normal(size=clean.data.shape).astype(np.float32)
        one = alignment_backend().align(grid, clean._replace(data=noisy), TRUE, NO_PRIOR, precision, 1.0, 12)
        turn = Rotation.from_matrix(TRUE.rotation.T @ one.pose.rotation).as_rotvec()
        found.append(np.concatenate([turn, one.pose.shift_px - TRUE.shift_px]))
        predicted.append(np.diag(one.covariance))
    ratio = np.mean(np.square(found), axis=0) / np.mean(predicted, axis=0)
    assert (ratio > 0.5).all()
    assert (ratio < 1.8).all()
    assert 0.8 < np.mean(ratio) < 1.25
