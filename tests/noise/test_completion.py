"""Noise completion: the noise that is put in, where, and what it does to noise level, cost and average."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subtomo import PseudoSubtomograms
from subtomo.backends.cpu.weights import raise_weights
from subtomo.conventions import FOLDING_SHELLS
from subtomo.errors import InputError, SettingsError
from subtomo.extraction.extractor import TomogramExtractor, new_backend
from subtomo.extraction.noise import MOST_SAMPLED, PARTICLES_PER_SAMPLE, sample, sampled_terms, with_noise
from subtomo.model.noise import NoiseLevels
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import DataTerm, ExtractionSettings, Weighting
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.physics.completion import Levels, completed, shell_means, voxel_shells
from subtomo.physics.folding import folded
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.noise_levels import measure_levels
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.random_phases import random_phases
from subtomo.physics.weights import raised
from subtomo.physics.window import centre_distance, soft_disc
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import random_particle
from subtomo.simulation.simulation import Simulation, simulate

SMALL = Conditions(box_size=48, crop_size=24, n_tilts=15, dose_per_tilt=5.0, defocus_angstrom=12_000.0, snr=0.05)


def simulated(seed: int, conditions: Conditions = SMALL) -> Simulation:
    rng = np.random.default_rng(seed)
    return simulate(random_particle(200, 5.0, 0.8, np.random.default_rng(1)), conditions, rng)


def settings_of(
    conditions: Conditions, *, complete: bool = True, term: DataTerm = DataTerm.EXACT
) -> ExtractionSettings:
    return replace(conditions.settings, weighting=Weighting.WHITENED, data_term=term, complete_noise=complete)


def made(
    simulation: Simulation, settings: ExtractionSettings, *, backend: str = "cpu", particles: ParticleSet | None = None
) -> PseudoSubtomogram:
    item = PseudoSubtomograms(simulation.tomograms, particles or simulation.particles, settings, backend=backend)[0]
    assert isinstance(item, PseudoSubtomogram)
    return item


def spectrum(item: PseudoSubtomogram) -> np.ndarray:
    return np.fft.rfftn(item.data.astype(np.float64), norm="ortho")


def test_random_phases_are_the_transform_of_real_noise_of_power_one() -> None:
    phases = random_phases(7, 12)
    np.testing.assert_allclose(np.abs(phases), 1.0)
    again = np.fft.rfftn(np.fft.irfftn(phases, s=(12, 12, 12), axes=(0, 1, 2)))
    np.testing.assert_allclose(again, phases, atol=1e-12)


def test_random_phases_are_the_same_for_a_seed_and_others_for_another() -> None:
    np.testing.assert_array_equal(random_phases(2**64 - 1, 8), random_phases(2**64 - 1, 8))
    assert np.abs(random_phases(1, 8) - random_phases(2, 8)).mean() > 0.5
    assert abs(random_phases(3, 32).mean()) < 0.02


def test_the_very_numbers_are_fixed() -> None:
    """Files of any version and any machine hold the same noise: SplitMix64 of the voxel's place and the seed."""
    directions = np.angle(random_phases(0, 4)[0, 1, 1:3]) / (2.0 * np.pi) * 256.0 - 0.5
    place = (0 * 4 + 1) * 3 + 1
    z = (place + 1) * 0x9E3779B97F4A7C15 % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    assert round(directions[0]) % 256 == (z ^ (z >> 31)) >> 56


@pytest.mark.parametrize("term", DataTerm)
def test_the_backends_complete_alike(term: DataTerm) -> None:
    simulation, settings = simulated(0), settings_of(SMALL, term=term)
    fast, slow = (made(simulation, settings, backend=name) for name in ("cpu", "reference"))
    np.testing.assert_array_equal(fast.ctf2 == 0, slow.ctf2 == 0)
    assert 0.3 < (fast.ctf2 == 0).mean() < 0.9
    np.testing.assert_allclose(fast.ctf2, slow.ctf2, atol=1e-6 * slow.ctf2.max())
    # where weights are small, data are divided by their root, and the exact term is exact to 2e-4 of its largest value
    np.testing.assert_allclose(fast.data, slow.data, atol=2e-3 * np.abs(slow.data).max())


def test_raised_weights_are_those_of_the_equation() -> None:
    weights = np.abs(np.fft.rfftn(np.random.default_rng(0).normal(size=(10, 10, 10)))) ** 2
    fast = weights.astype(np.float32)
    raise_weights(fast)
    np.testing.assert_allclose(fast, raised(weights), rtol=1e-5)


def test_only_voxels_below_their_threshold_change() -> None:
    rng = np.random.default_rng(0)
    data = np.fft.rfftn(rng.normal(size=(12, 12, 12)), norm="ortho")
    weights = np.abs(np.fft.rfftn(rng.normal(size=(12, 12, 12)))) ** 2
    levels = Levels(np.ones(7), np.arange(7.0), np.full(7, 0.5))
    filled, left = completed(data, weights, levels, 5)
    shell, _ = voxel_shells(12)
    empty = weights <= 0.5 * shell_means(weights)[shell]
    np.testing.assert_array_equal(filled[~empty], data[~empty])
    np.testing.assert_array_equal(left, np.where(empty, 0.0, weights))
    np.testing.assert_allclose(np.abs(filled[empty]) ** 2, levels.fill[shell][empty])


def test_what_neighbours_take_over_keeps_the_cross_term() -> None:
    """With any particle in the middle of its box, data that vanish in a wedge have the sum that they had before."""
    size, rng = 40, np.random.default_rng(0)
    middle = np.fft.rfftn(rng.normal(size=(size,) * 3) * soft_disc(centre_distance(size, 3), 0.3 * size, 4.0))
    data = middle + 0.3 * np.fft.rfftn(rng.normal(size=(size,) * 3) * soft_disc(centre_distance(size, 3), 20.0, 4.0))
    z, x = wrapped_index(size)[:, None, None], half_index(size)
    shell, _ = voxel_shells(size)
    dropped = (np.abs(z) > 1.5 * x) & (np.abs(z) < 1.5 * x + 1.5) & (shell <= FOLDING_SHELLS)
    once = np.where(np.isin(np.arange(size // 2 + 1), (0, size // 2)), 0.5, 1.0) * (shell <= FOLDING_SHELLS)
    errors = []
    for other in (data, folded(data, dropped)):
        changes = once * np.where(dropped, 0.0, other) - once * data
        errors.append(abs(float(np.real((middle.conj() * changes).sum()))))
    assert errors[1] < 0.5 * errors[0]
    np.testing.assert_array_equal(folded(data, dropped)[shell > FOLDING_SHELLS], data[shell > FOLDING_SHELLS])


GEOMETRIES = {
    "usual": Conditions(box_size=96, crop_size=48, pixel_size_angstrom=4.0, n_tilts=31, dose_per_tilt=3.5, snr=1e-9),
    "narrow": Conditions(box_size=64, crop_size=48, n_tilts=21, tilt_range_deg=45.0, defocus_angstrom=4e4, snr=1e-9),
    "coloured": Conditions(box_size=96, crop_size=48, n_tilts=31, dose_per_tilt=3.0, snr=1e-9, noise_exponent=2.0),
}


def measured(conditions: Conditions, seeds: range) -> NoiseLevels:
    """Measure the noise on several particles, as in a series that has many."""
    settings, found = settings_of(conditions), []
    for seed in seeds:
        simulation = simulated(seed, conditions)
        plan = replace(simulation.plan, series=simulation.tomograms[0])
        extractor = TomogramExtractor(plan, simulation.particles, settings)
        found.append(sampled_terms(extractor, 0, new_backend(settings)))
    return NoiseLevels(*measure_levels(found, exact=True))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_mean_power_of_every_shell_is_that_of_the_voxels_that_hold_data(name: str) -> None:
    """Over all voxels, those that a half transform holds twice counted once."""
    conditions, n = GEOMETRIES[name], 25
    settings = settings_of(conditions)
    noise = measured(conditions, range(100, 100 + MOST_SAMPLED))
    power, good, counts, good_counts = np.zeros((4, n))
    for seed in range(40):
        simulation = simulated(seed, conditions)
        plan = replace(simulation.plan, series=simulation.tomograms[0], noise=noise)
        item = TomogramExtractor(plan, simulation.particles, settings).extract(0, new_backend(settings))
        assert isinstance(item, PseudoSubtomogram)
        shell, inside = voxel_shells(conditions.crop_size)
        once = np.ones(shell.shape)
        once[:, :, [0, -1]] = 0.5
        values = once * np.abs(spectrum(item)) ** 2
        largest = np.zeros(n)
        np.maximum.at(largest, shell[inside], item.ctf2[inside])
        holds = inside & (item.ctf2 > 0.03 * largest[shell])
        power += np.bincount(shell[inside], values[inside], n)
        counts += np.bincount(shell[inside], once[inside], n)
        good += np.bincount(shell[holds], values[holds], n)
        good_counts += np.bincount(shell[holds], once[holds], n)
    ratio = power / counts / (good / good_counts)
    np.testing.assert_allclose(ratio[5:], 1.0, atol=0.05)


def test_coloured_noise_is_completed_with_its_colour() -> None:
    conditions = GEOMETRIES["coloured"]
    simulation = simulated(0, conditions)
    plan = replace(simulation.plan, series=simulation.tomograms[0])
    plan = with_noise(plan, simulation.particles, settings_of(conditions))
    assert plan.noise is not None
    assert plan.noise.spectrum[4] > 2.0 * plan.noise.spectrum[20]


def test_noise_enters_no_average() -> None:
    """Two names mean two noises; weighted data and weights, of which averages are made, stay the same."""
    simulation, settings = simulated(0), settings_of(SMALL)
    other = replace(simulation.particles, names=np.array(["simulated/2"], simulation.particles.names.dtype))
    first, second = made(simulation, settings), made(simulation, settings, particles=other)
    np.testing.assert_array_equal(first.ctf2, second.ctf2)
    a, b = (spectrum(item) * item.weights for item in (first, second))
    assert np.abs(spectrum(first) - spectrum(second)).max() > 0.1 * np.abs(spectrum(first)).max()
    assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(a)


def test_averages_resemble_the_truth_no_less() -> None:
    """Over orientations: what is completed lets leaks go, and the average of others fills the place."""
    conditions = replace(SMALL, snr=0.2)
    size, model = 24, random_particle(200, 5.0, 0.8, np.random.default_rng(1))
    truth, sums = model.volume_values(size), {}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        angles = np.degrees(rng.uniform(0, 1, 3) * [2 * np.pi, np.pi, 2 * np.pi])
        simulation = simulate(model.moved(euler_to_matrix(angles), np.zeros(3)), conditions, rng)
        particles = replace(simulation.particles, angles_deg=angles[None])
        for complete in (False, True):
            settings = replace(settings_of(conditions, complete=complete), apply_orientations=True)
            item = made(simulation, settings, particles=particles)
            terms = np.fft.rfftn(np.fft.ifftshift(item.data.astype(np.float64))) * item.weights, item.ctf2
            sums[complete] = [old + new for old, new in zip(sums.get(complete, (0.0, 0.0)), terms, strict=True)]
    shell, inside = voxel_shells(size)
    likeness = {}
    for complete, (data, weights) in sums.items():
        average = data / np.maximum(weights, 1e-9 * weights.max())
        cross, own = np.real(average * truth.conj()), np.abs(average) ** 2
        parts = [np.bincount(shell[inside], values[inside]) for values in (cross, own, np.abs(truth) ** 2)]
        likeness[complete] = parts[0] / np.sqrt(parts[1] * parts[2])
    assert (likeness[True][1:8] > likeness[False][1:8] - 1e-3).all()


def test_few_particles_are_measured_and_always_the_same() -> None:
    simulation = simulated(0)
    plan, n = simulation.plan, 400
    names = np.array([f"simulated/{i}" for i in range(n)], simulation.particles.names.dtype)
    many = replace(plan, particles=np.arange(n))
    particles = replace(simulation.particles, names=names)
    chosen = sample(many, particles)
    assert len(chosen) == min(MOST_SAMPLED, n // PARTICLES_PER_SAMPLE)
    backwards = replace(particles, names=names[::-1])
    assert {names[i] for i in chosen} == {backwards.names[i] for i in sample(many, backwards)}
    assert len(sample(plan, simulation.particles)) == 1


def blank(simulation: Simulation, value: float) -> tuple[Simulation, SeriesPlan]:
    series = simulation.tomograms[0]
    assert series.images is not None
    images = np.full(series.images.shape, value, np.float32)
    return simulation, replace(simulation.plan, series=replace(series, images=images))


@pytest.mark.parametrize(("value", "message"), [(0.0, "are empty"), (np.nan, "not finite")])
def test_a_series_without_noise_says_so_by_name(value: float, message: str) -> None:
    simulation, plan = blank(simulated(0), value)
    with pytest.raises(InputError, match=rf"tilt series simulated .*{message}"):
        with_noise(plan, simulation.particles, settings_of(SMALL))


def test_only_whitened_particles_are_completed() -> None:
    with pytest.raises(SettingsError, match="complete_noise"):
        replace(SMALL.settings, complete_noise=True)
