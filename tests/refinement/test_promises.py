"""What docs/spec/refinement.md promises of whole refinements, on its simulated particles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.averaging.average import HALVES
from subtomo.model.settings import ExtractionSettings
from subtomo.physics.fsc import first_shell_below, merged_weight, shell_correlation
from subtomo.refinement import rounds
from subtomo.refinement.references import COMPARED_ABOVE
from subtomo.refinement.rounds import Round
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.picks import SimulatedPicks, simulated_picks
from tests.refinement.conftest import CONDITIONS, DIAMETER, EXTRACTION, prepared, structure

pytestmark = pytest.mark.slow

Float = np.ndarray
SIZE, VOXEL, RADIUS = 64, 3.0, 45.0
LARGE = replace(EXTRACTION, box_size=2 * SIZE, crop_size=SIZE)
STRUCTURE = random_particle(500, RADIUS / VOXEL, 1.0, np.random.default_rng(7))


class Run:
    """A refinement of simulated picks in memory, from their own average."""

    def __init__(
        self, picks: SimulatedPicks, extraction: ExtractionSettings, diameter: float, **settings: object
    ) -> None:
        job, poses, source = prepared(picks, extraction, diameter, **settings)
        self.picks, self.order, self.voxel = picks, source.indices, job.voxel_angstrom
        self.rounds: list[Round] = list(job.rounds(poses))

    def deviations(self, last: Round) -> tuple[Float, Float]:
        """Rotation vectors (degrees) and shifts (Å) from the truth, in the particles' own frames: (n, 3) each."""
        particles = self.picks.particles
        true = self.picks.rotation[self.order]
        turns = Rotation.from_matrix(true.transpose(0, 2, 1) @ last.poses.rotation).as_rotvec(degrees=True)
        places = particles.coordinates[self.order] - particles.origin_angstrom[self.order]
        moves = places + self.voxel * last.poses.shift_px - self.picks.coordinates_angstrom[self.order]
        return turns, np.einsum("nji,nj->ni", true, moves)

    def errors(self, last: Round) -> tuple[float, float]:
        """Mean errors, degrees and Å."""
        turns, moves = self.deviations(last)
        return float(np.linalg.norm(turns, axis=1).mean()), float(np.linalg.norm(moves, axis=1).mean())


@pytest.fixture
def never_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_has_settled", lambda last: False)


@pytest.mark.parametrize(("snr", "most_deg", "most_angstrom"), [(0.02, 0.95, 0.80), (0.006, 1.65, 1.15)])
def test_errors_are_small(snr: float, most_deg: float, most_angstrom: float) -> None:
    run = Run(simulated_picks(STRUCTURE, Conditions(snr=snr), seed=3), LARGE, 2.4 * RADIUS)
    angle, distance = run.errors(run.rounds[-1])
    print(f"SNR {snr}: {angle:.2f}°, {distance:.2f} Å after {run.rounds[-1].number} rounds")
    assert angle <= most_deg
    assert distance <= most_angstrom


def test_ten_rounds_keep_what_they_found_and_say_how_good_it_is(never_settles: None) -> None:
    run = Run(simulated_picks(STRUCTURE, Conditions(snr=0.02), seed=3), LARGE, 2.4 * RADIUS, rounds=10)
    assert [one.number for one in run.rounds] == list(range(11))
    angles, distances = zip(*[run.errors(one) for one in run.rounds], strict=True)
    assert angles[-1] < min(angles) + 0.03
    assert distances[-1] < min(distances) + 0.03
    last = run.rounds[-1]
    predicted, found = merged_weight(last.halves.curves.corrected), _correlation_with(STRUCTURE, last)
    compared = np.arange(round(SIZE * VOXEL / 30.0), first_shell_below(last.halves.curves.corrected, COMPARED_ABOVE))
    assert len(compared) > 10
    np.testing.assert_allclose(predicted[compared], found[compared], atol=0.05)
    # what all particles of a half set have in common is the frame of the map, and no error of theirs
    errors = (_centred(values, last.poses.half) for values in run.deviations(last))
    angle, place = (
        float(np.sqrt((reported**2).mean() / (error**2).sum(axis=1).mean()))
        for reported, error in zip(last.poses.errors(np.full(len(run.order), VOXEL)), errors, strict=True)
    )
    print(f"standard errors over errors: {angle:.2f} of orientations, {place:.2f} of positions")
    assert 0.8 < angle < 1.2


def test_a_thousand_particles_do_not_drift_in_twenty_rounds(never_settles: None) -> None:
    picks = simulated_picks(structure(), CONDITIONS, n_series=20, per_series=50, seed=3)
    run = Run(picks, EXTRACTION, DIAMETER, rounds=20)
    assert len(run.order) == 1000
    means = [_means(run.deviations(one), one.poses.half) for one in run.rounds]
    for turned, moved in means[3:]:
        np.testing.assert_allclose(turned, means[2][0], atol=0.05)
        np.testing.assert_allclose(moved, means[2][1], atol=0.05)
    print(f"mean turns {means[2][0]} and {means[-1][0]} degrees, moves {means[2][1]} and {means[-1][1]} Å")


def _means(deviations: Iterable[Float], half: Float) -> list[Float]:
    """Average over each half set: (2, 3) each."""
    return [np.stack([values[half == one].mean(axis=0) for one in HALVES]) for values in deviations]


def _centred(values: Float, half: Float) -> Float:
    means = np.zeros_like(values)
    for one in HALVES:
        means[half == one] = values[half == one].mean(axis=0)
    return values - means


def _correlation_with(structure: GaussianParticle, last: Round) -> Float:
    truth = np.fft.fftshift(np.fft.irfftn(structure.volume_values(SIZE), s=(SIZE,) * 3, axes=(0, 1, 2)))
    merged = last.halves.maps[1].astype(np.float64) + last.halves.maps[2]
    return shell_correlation(truth * last.mask, merged * last.mask)
