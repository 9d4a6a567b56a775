"""The cost by files against the cost by tilt images, on a small case with its own bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subtomo import PseudoSubtomograms, SettingsError
from subtomo.alignment.cost import ImageCost, VolumeCost, half_plane, half_space
from subtomo.alignment.poses import LARGEST_ANGLE_DEG, LARGEST_SHIFT_PX, TRUE_POSE, Pose, random_poses
from subtomo.alignment.search import pose_error, search_pose
from subtomo.jobs.cost_errors import COMPLETED, KINDS, STACKS, Comparison, kinds_of_costs, run_experiment
from subtomo.model.settings import DataTerm, Weighting
from subtomo.physics.orientation import euler_to_matrix
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.simulation import simulate
from tests.helpers.options import on_the_command_line

SMALL = Conditions(box_size=48, crop_size=24, n_tilts=15, dose_per_tilt=5.0, defocus_angstrom=12_000.0, snr=0.05)
N_POSES = 40, 20
BOUNDS_PERCENT = {STACKS: 14.0, "whitened": 6.0, "whitened, corrected": 1.4, "whitened, exact": 0.5, COMPLETED: 6.0}
"""Near the true pose, averaged over three particles: recorded, with some room."""


def particle(rng: np.random.Generator) -> GaussianParticle:
    return random_particle(200, 5.0, 0.8, rng)


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    return list(run_experiment(particle, SMALL, 3, seed=1, n_poses=N_POSES))


def local_error(comparisons: list[Comparison], kind: str) -> float:
    """Of the terms alone: for whitened files with the true noise level."""
    errors = [
        one.errors_knowing_noise_percent(kind) if kind in one.knowing_noise else one.errors_percent(kind)
        for one in comparisons
    ]
    return float(np.mean([near for _, near in errors]))


@pytest.mark.parametrize("kind", BOUNDS_PERCENT)
def test_the_local_cost_error_stays_within_its_bound(comparisons: list[Comparison], kind: str) -> None:
    assert local_error(comparisons, kind) < BOUNDS_PERCENT[kind]


def test_the_kinds_rank_as_theory_says(comparisons: list[Comparison]) -> None:
    ranked = ["RELION", STACKS, "whitened", "whitened, corrected", "whitened, exact"]
    errors = [local_error(comparisons, kind) for kind in ranked]
    assert errors == sorted(errors, reverse=True)


def test_every_kind_of_file_is_compared(comparisons: list[Comparison]) -> None:
    assert set(comparisons[0].costs) == {STACKS, *KINDS}
    assert len(comparisons[0].exact) == 1 + sum(N_POSES)
    assert comparisons[0].n_local == 1 + N_POSES[0]


@pytest.mark.parametrize("noise_exponent", [0.0, 2.0])
def test_without_noise_the_true_pose_costs_least_by_every_kind(noise_exponent: float) -> None:
    conditions = replace(SMALL, snr=1e6, noise_exponent=noise_exponent)
    for comparison in run_experiment(particle, conditions, 1, seed=2, n_poses=(12, 4)):
        assert int(np.argmin(comparison.exact)) == 0
        for costs in comparison.costs.values():
            assert int(np.argmin(costs)) == 0


def test_simulated_images_are_what_extraction_expects() -> None:
    """Data and weights of noiseless images agree with the model: D = W V, in axes, centre, CTF and scale."""
    rng = np.random.default_rng(5)
    truth = particle(rng)
    conditions = replace(SMALL, snr=1e8)
    simulation = simulate(truth, conditions, rng)
    settings = replace(conditions.settings, data_term=DataTerm.EXACT)
    item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
    cost = VolumeCost.of(item, truth)
    model = cost.weights * truth.volume_values(24)
    chosen = (cost.inside > 0) & (item.multiplicity > 0.5)
    overlap = np.vdot(model[chosen], cost.data[chosen])
    power = [float((np.abs(values[chosen]) ** 2).sum()) for values in (model, cost.data)]
    assert overlap.real / np.sqrt(power[0] * power[1]) > 0.97
    assert abs(overlap.imag) < 0.01 * overlap.real
    # weights are blurred, as far as they are not sharpened again, and data are not
    assert overlap.real / power[0] == pytest.approx(1.0, abs=0.1)


def test_the_cost_by_images_is_the_sum_over_pixels() -> None:
    rng = np.random.default_rng(6)
    truth = particle(rng)
    simulation = simulate(truth, SMALL, rng)
    expected = 0.0
    for image, amplitude, axes in zip(simulation.images, simulation.amplitude, simulation.axes, strict=True):
        model = amplitude * truth.slice_values(axes, 48)
        difference = np.abs(image - model) ** 2 - np.abs(image) ** 2
        expected += float((half_plane(48) * difference).sum())
    assert ImageCost.of(simulation.images, simulation.amplitude, simulation.axes)(truth) == pytest.approx(
        expected, rel=1e-6
    )


def test_projections_are_sections_of_the_transform() -> None:
    truth = random_particle(50, 4.0, 0.8, np.random.default_rng(3))
    volume, section = truth.volume_values(24), truth.slice_values(np.eye(3)[:2], 24)
    np.testing.assert_allclose(section, volume[0], atol=1e-4 * np.abs(section).max())


def test_turned_and_shifted_particles_are_turned_and_shifted() -> None:
    truth = random_particle(50, 4.0, 0.8, np.random.default_rng(3))
    matrix = euler_to_matrix(np.array([30.0, 50.0, 70.0]))
    moved = truth.moved(matrix, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(moved.positions_px[7], matrix @ truth.positions_px[7] + [1.0, 2.0, 3.0])


def test_poses_lie_where_they_should() -> None:
    poses = random_poses(np.random.default_rng(0), 30, 10)
    assert len(poses) == 41
    np.testing.assert_array_equal(poses[0].rotation, TRUE_POSE.rotation)
    for pose in poses[1:31]:
        error = pose_error(pose)
        assert error.angle_deg <= LARGEST_ANGLE_DEG + 1e-6
        assert error.shift_px <= LARGEST_SHIFT_PX + 1e-6
    assert max(pose_error(pose).angle_deg for pose in poses[31:]) > 60.0


def test_the_search_finds_the_true_pose_without_noise_by_exact_terms() -> None:
    rng = np.random.default_rng(9)
    truth = particle(rng)
    conditions = replace(SMALL, snr=1e6)
    simulation = simulate(truth, conditions, rng)
    start = Pose(euler_to_matrix(np.array([0.0, 3.0, 0.0])), np.array([0.8, -0.5, 0.3]))
    cost = kinds_of_costs(simulation, truth, conditions, ["whitened, exact"])["whitened, exact"]
    assert isinstance(cost, VolumeCost)
    cost = cost.knowing_noise()
    error = pose_error(search_pose(cost, truth, start))
    # a degree moves the rim of this particle by a tenth of a pixel
    assert error.angle_deg < 1.0
    assert error.shift_px < 0.05


def test_half_transforms_count_every_frequency_once() -> None:
    assert half_plane(8).sum() == pytest.approx(np.pi * 16 / 2, rel=0.1)
    assert half_space(16).sum() == pytest.approx(4 / 3 * np.pi * 8**3 / 2, rel=0.1)


def test_whitened_costs_need_no_noise_level() -> None:
    rng = np.random.default_rng(4)
    truth = particle(rng)
    simulation = simulate(truth, SMALL, rng)
    settings = replace(SMALL.settings, weighting=Weighting.WHITENED)
    item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
    assert (VolumeCost.of(item, truth).knowing_noise().variance == 1.0).all()


def test_with_the_noise_that_relion_refine_finds_completion_divides_the_error_of_exact_files(
    comparisons: list[Comparison],
) -> None:
    errors = {kind: np.mean([one.errors_percent(kind)[1] for one in comparisons]) for kind in comparisons[0].costs}
    assert errors[COMPLETED] < 0.3 * errors["whitened, exact"]
    assert errors[COMPLETED] < errors[STACKS] < errors["RELION"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_size_angstrom": 0.0}, "--pixel-size"),
        ({"n_tilts": 0}, "--tilts"),
        ({"snr": -1.0}, "--snr"),
        ({"tilt_range_deg": 120.0}, "--tilt-range"),
        ({"box_size": 33}, "even"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        replace(SMALL, **change)
    assert message in on_the_command_line(caught.value, "fidelity")


def test_particles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="does not fit"):
        list(run_experiment(lambda rng: random_particle(50, 30.0, 0.8, rng), SMALL, 1, seed=0))
    with pytest.raises(SettingsError, match="at least 1"):
        list(run_experiment(particle, SMALL, 0, seed=0))


def test_a_blob_at_half_radius_keeps_its_height_but_for_relions_insertion() -> None:
    """Against the exact adjoint, RELION's insertion leaves 0.97 at the centre and 0.79 at half radius."""
    conditions = Conditions(box_size=64, crop_size=32, n_tilts=15, dose_per_tilt=4.0, snr=1e9)
    heights = dict[DataTerm, list[float]]()
    for term in DataTerm:
        for y in (0, 8):
            blob = GaussianParticle(np.array([[0.0, float(y), 0.0]]), 1.5, np.ones(1))
            simulation = simulate(blob, conditions, np.random.default_rng(0))
            settings = replace(conditions.settings, data_term=term)
            item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
            heights.setdefault(term, []).append(float(item.data[16, 16 + y, 16]))
    centre, half = heights[DataTerm.EXACT]
    assert half == pytest.approx(centre, rel=0.01)
    assert heights[DataTerm.CORRECTED][1] == pytest.approx(heights[DataTerm.CORRECTED][0], rel=0.01)
    assert heights[DataTerm.RELION][1] / half == pytest.approx(0.79, abs=0.03)
