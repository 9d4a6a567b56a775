"""The parts of a classification, each against what it should be by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.alignment.voxels import Voxels, voxels_of
from subtomo.backends.alignment import Pose, Terms
from subtomo.backends.registry import alignment_backend, class_backend
from subtomo.classification.ball import ball_costs
from subtomo.classification.confounded import direction_bins, mutual_information, quantile_bins, shared
from subtomo.classification.consensus import grey_scale, without_model
from subtomo.classification.false_picks import against_false_picks, costs_apart
from subtomo.classification.framed import MARGIN, FramedTerms, places_among, turn
from subtomo.classification.grid import MapGrid
from subtomo.classification.noise import robust_power
from subtomo.classification.reseed import grey_scales, reseeded
from subtomo.physics.window import centre_distance
from subtomo.simulation.particle import random_particle
from subtomo.simulation.states import lacking

N, KINDS, SIZE, REACH = 24, 3, 24, 6


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def pairs(values: np.ndarray) -> np.ndarray:
    """Complex values as real and imaginary parts."""
    return np.stack([values.real, values.imag], axis=-1).astype(np.float32)


def some_terms(random: np.random.Generator, n: int = N) -> tuple[Voxels, np.ndarray, np.ndarray, np.ndarray]:
    """Voxels, D, W and V."""
    voxels = voxels_of(SIZE, REACH)
    shape = (n, len(voxels))
    data = random.normal(size=shape) + 1j * random.normal(size=shape)
    models = random.normal(size=(KINDS, len(voxels))) + 1j * random.normal(size=(KINDS, len(voxels)))
    return voxels, data, random.uniform(0.1, 2.0, shape), models


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_costs_are_those_of_the_formula(name: str, random: np.random.Generator) -> None:
    voxels, data, weights, models = some_terms(random)
    precision, rows = random.uniform(0.5, 2.0, (2, len(voxels))), np.arange(N) % 2
    p = precision[rows][:, None]
    expected = 2 * (p * np.abs(data[:, None] - weights[:, None] * models) ** 2 / weights[:, None]).sum(axis=2)
    constant = 2 * (precision[rows] * np.abs(data) ** 2 / weights).sum(axis=1)
    found = [
        class_backend(name).class_costs(
            pairs(data), weights.astype(np.float32), precision.astype(np.float32), pairs(models), rows, threads
        )
        for threads in (1, 3)
    ]
    np.testing.assert_allclose(found[0], expected - constant[:, None], rtol=1e-4, atol=1e-2)
    assert np.array_equal(*found)


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_sums_and_residuals_count_shares(name: str, random: np.random.Generator) -> None:
    voxels, data, weights, models = some_terms(random)
    shares = random.dirichlet(np.ones(KINDS), N)
    sums, counted = class_backend(name).shared_sums(pairs(data), weights.astype(np.float32), shares, 2)
    np.testing.assert_allclose(sums[..., 0] + 1j * sums[..., 1], shares.T @ data, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(counted, shares.T @ weights, rtol=1e-5)
    power, weight = class_backend(name).shared_residuals(
        pairs(data), weights.astype(np.float32), pairs(models), shares, voxels.shells, 2
    )
    left = (shares[:, :, None] * np.abs(data[:, None] - weights[:, None] * models) ** 2).sum(axis=1)
    for shell in range(REACH + 1):
        inside = voxels.shells == shell
        np.testing.assert_allclose(power[:, shell], left[:, inside].sum(axis=1), rtol=1e-4)
        np.testing.assert_allclose(weight[:, shell], weights[:, inside].sum(axis=1), rtol=1e-5)


def test_turned_particles_lie_on_one_another(random: np.random.Generator) -> None:
    size, reach = 48, 10
    truth = random_particle(200, 9.0, 1.5, random)
    whole, frame = voxels_of(size, reach + MARGIN), voxels_of(size, reach)
    chosen = places_among(whole, frame)
    x, y, z = frame.indices.T.astype(np.int64)
    expected = truth.volume_values(size)[z, y, x]
    for _ in range(3):
        rotation, shift = Rotation.random(rng=random).as_matrix(), random.uniform(-2.0, 2.0, 3)
        wx, wy, wz = whole.indices.T.astype(np.int64)
        data = truth.moved(rotation, shift).volume_values(size)[wz, wy, wx]
        terms = Terms(whole.indices, whole.shells, pairs(data), np.ones(len(whole), np.float32), size, whole.reach)
        turned, weights = np.zeros((len(frame), 2), np.float32), np.zeros(len(frame), np.float32)
        turn(alignment_backend(), terms, Pose(rotation, shift), 1.0, frame, chosen, turned, weights)
        found = turned[:, 0] + 1j * turned[:, 1]
        for shell in range(1, reach + 1):
            inside = frame.shells == shell
            assert np.linalg.norm((found - expected)[inside]) < 0.1 * np.linalg.norm(expected[inside])
        np.testing.assert_allclose(weights, 1.0, atol=1e-3)


def test_maps_and_their_values_are_two_forms_of_the_same(random: np.random.Generator) -> None:
    grid = MapGrid(voxels_of(48, 8), 3.0)
    assert grid.size == 20
    assert grid.coarse_angstrom == pytest.approx(7.2)
    truth = random_particle(200, 9.0, 3.0, random)
    values = truth.volume_values(48) * 48
    density = np.fft.fftshift(np.fft.irfftn(values, s=(48,) * 3, axes=(0, 1, 2)))
    coarse = grid.coarsened(density)
    np.testing.assert_allclose(grid.refined(coarse), density, atol=0.02 * density.max())
    x, y, z = grid.voxels.indices.T.astype(np.int64)
    expected = values[z, y, x] / 48**1.5
    found = grid.values(coarse, 8)
    np.testing.assert_allclose(found[:, 0] + 1j * found[:, 1], expected, atol=1e-3 * np.abs(expected).max())
    ones = np.ones(len(grid.voxels))
    sums = grid.sums(found.astype(np.float64), ones, 1) + grid.sums(found.astype(np.float64), ones, 1)
    again = np.fft.irfftn(sums.spectrum / np.maximum(sums.ctf2, 1.0), s=(20,) * 3, axes=(0, 1, 2))
    np.testing.assert_allclose(np.fft.fftshift(again), coarse, atol=0.02 * coarse.max())


def test_a_few_bright_spots_do_not_pass_for_noise(random: np.random.Generator) -> None:
    voxels = voxels_of(SIZE, REACH)
    weight = np.tile(np.bincount(voxels.shells), (40, 1)).astype(np.float64)
    power = random.gamma(weight, 1.0)
    power[:4] *= 100.0
    response = np.ones((1, REACH + 1))
    above, below = robust_power(power, weight, np.zeros(40, np.int64), response, voxels.shells)
    np.testing.assert_allclose((above / below)[0, 2:], 1.0, atol=0.15)


def test_empty_classes_begin_anew_from_what_fits_worst(random: np.random.Generator) -> None:
    voxels, noise, weights, models = some_terms(random)
    factors, classes = random.uniform(0.2, 1.0, N), np.arange(N) % 2
    data = factors[:, None] * weights * models[classes] + 0.01 * noise
    terms = FramedTerms(voxels, pairs(data), weights.astype(np.float32), {})
    precision, series = np.ones((1, len(voxels)), np.float32), np.zeros(N, np.int64)
    costs = class_backend().class_costs(terms.data, terms.weights, precision, pairs(models), series, 1)
    scales = grey_scales(terms, precision, pairs(models), classes, series, costs, 1)
    np.testing.assert_allclose(scales, factors, atol=0.01)
    probability = np.eye(5)[classes]
    asked = np.arange(N) != int(np.argmin(factors))
    found = reseeded(probability, [2, 3], scales, asked, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    moved = np.argmax(found, axis=1) >= 2
    assert not moved[~asked].any()
    each = int(0.5 * (N - 1) / 4)
    assert np.bincount(np.argmax(found, axis=1), minlength=5)[2:].tolist() == [each, each, 0]
    assert factors[moved].max() < factors[asked & ~moved].min() + 0.02


def test_nothing_does_not_resemble_what_it_has_no_part_in(random: np.random.Generator) -> None:
    voxels, noise, _, _ = some_terms(random, 40)
    noise, half = noise / np.sqrt(2.0), 1 + np.arange(40) % 2
    terms = FramedTerms(voxels, pairs(noise), np.ones(noise.shape, np.float32), {})
    precision, series = np.ones((1, len(voxels)), np.float32), np.zeros(40, np.int64)
    averages = np.stack([noise[half == number].mean(axis=0) for number in (1, 2)])
    crossed = pairs(averages[::-1, None])
    apart = costs_apart(terms, series, precision, half, crossed, 2)[:, 0]
    own = costs_apart(terms, series, precision, half, crossed[::-1].copy(), 2)[:, 0]
    assert own.mean() < -0.5 * len(voxels) / 20
    assert apart.mean() > 0.5 * len(voxels) / 20
    logs = np.log(random.dirichlet(np.ones(4), 40))
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    costs, balls = random.normal(size=(40, 2)), random.normal(size=40)
    weighed = against_false_picks(logs, shares, costs, balls)
    np.testing.assert_allclose(weighed[:, 0] - weighed[:, 1], logs[:, 0] - logs[:, 1])
    np.testing.assert_allclose(np.exp(weighed[:, :2]).sum(axis=1), (shares[:2] * np.exp(-0.5 * costs)).sum(axis=1))
    np.testing.assert_allclose(weighed[:, 2], logs[:, 2])
    np.testing.assert_allclose(weighed[:, 3], np.log(0.1) - 0.5 * balls)


def test_a_ball_is_seen_anywhere_in_the_mask(random: np.random.Generator) -> None:
    voxels = voxels_of(48, 9)
    grid = MapGrid(voxels, 3.0)
    mask = (centre_distance(grid.size, 3) < 8.0).astype(np.float64)
    noise = (random.normal(size=(6, len(voxels))) + 1j * random.normal(size=(6, len(voxels)))) / np.sqrt(2.0)
    turns = 2.0 * np.pi / 48 * voxels.indices.astype(np.float64)
    radius = np.linalg.norm(turns, axis=1) * 5.0
    ball = 3.0 * np.divide(
        np.sin(radius) - radius * np.cos(radius), radius**3, out=np.full(len(radius), 1 / 3), where=radius > 0
    )
    noise[3:] += 4.0 * ball * np.exp(-1j * turns @ np.array([6.0, -4.0, 3.0]))
    terms = FramedTerms(voxels, pairs(noise), np.ones((6, len(voxels)), np.float32), {})
    costs = ball_costs(terms, np.ones((1, len(voxels)), np.float32), np.zeros(6, np.int64), mask, 9, 2)
    assert (costs[:3] > -5.0).all()
    assert (costs[3:] < -100.0).all()


def test_what_a_model_predicts_can_be_scaled_and_taken_out(random: np.random.Generator) -> None:
    voxels, _, weights, models = some_terms(random, 40)
    noise = random.normal(size=(40, len(voxels))) + 1j * random.normal(size=(40, len(voxels)))
    data = -3.0 * weights * models[0] + 0.3 * noise
    terms = FramedTerms(voxels, pairs(data), weights.astype(np.float32), {})
    factor, significance = grey_scale(terms, pairs(models[0]), REACH)
    assert factor == pytest.approx(-3.0, rel=0.02)
    assert significance < -20.0
    rest = without_model(terms, pairs(-3.0 * models[0])).data
    np.testing.assert_allclose(rest[..., 0] + 1j * rest[..., 1], 0.3 * noise, atol=1e-4)


def test_classes_that_follow_something_are_told_from_chance(random: np.random.Generator) -> None:
    classes = random.integers(2, size=200)
    beam = random.normal(size=(200, 3))
    beam /= np.linalg.norm(beam, axis=1, keepdims=True)
    bins = direction_bins(beam)
    assert np.array_equal(bins, direction_bins(-beam))
    assert set(bins.tolist()) == set(range(12))
    assert not shared("the direction of view", classes, bins).is_surprising
    assert shared("the direction of view", (np.abs(beam[:, 2]) > 0.5).astype(np.int64), bins).is_surprising
    assert mutual_information(classes, classes) == pytest.approx(1.0, abs=0.02)
    assert np.bincount(quantile_bins(random.normal(size=200))).tolist() == [40] * 5


def test_a_lacking_particle_lacks_a_compact_part(random: np.random.Generator) -> None:
    whole = random_particle(500, 9.0, 0.8, random)
    rest = lacking(whole, 0.16, (0.0, 0.0, 1.0))
    assert rest.weights.sum() == pytest.approx(0.84 * whole.weights.sum(), rel=0.01)
    gone = whole.positions_px[~np.isin(whole.positions_px, rest.positions_px).all(axis=1)]
    assert gone[:, 2].mean() > whole.positions_px[:, 2].mean() + 3.0
