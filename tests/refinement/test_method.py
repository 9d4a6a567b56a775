"""What refinement promises beyond one kind of particle: symmetry, several pixel sizes, no drift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.jobs.progress import Silent
from subtomo.jobs.refine import _warn_of_axes
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import TomogramSet
from subtomo.refinement.rounds import Round
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.picks import SimulatedPicks, simulated_picks
from tests.refinement.conftest import CONDITIONS, prepared


def symmetric(axis: np.ndarray) -> GaussianParticle:
    """Make a particle that looks the same after half a turn about an axis."""
    half = random_particle(450, 9.0, 0.8, np.random.default_rng(7))
    half = replace(half, positions_px=half.positions_px + np.array([3.0, 1.0, 2.0]))
    turn = Rotation.from_rotvec(np.pi * axis).as_matrix()
    both = np.concatenate([half.positions_px, half.positions_px @ turn.T])
    return GaussianParticle(both - both.mean(axis=0), half.sigma_px, np.tile(half.weights, 2))


@pytest.fixture(scope="module")
def twofold() -> SimulatedPicks:
    return simulated_picks(symmetric(np.array([0.0, 0.0, 1.0])), CONDITIONS, n_series=2, per_series=16, seed=5)


def angle_to_truth(picks: SimulatedPicks, last: Round, group: list[np.ndarray]) -> float:
    """Mean angle between poses and the truth, or its nearest symmetric copy, degrees."""
    angles = [
        Rotation.from_matrix(last.poses.rotation.transpose(0, 2, 1) @ picks.rotation @ turn).magnitude()
        for turn in group
    ]
    return float(np.degrees(np.min(angles, axis=0)).mean())


def test_a_twofold_particle_gets_better_with_its_symmetry(twofold: SimulatedPicks) -> None:
    turns = [np.eye(3), np.diag([-1.0, -1.0, 1.0])]
    found = {}
    for symmetry in ("C1", "C2"):
        job, poses, _ = prepared(twofold, symmetry=symmetry, rounds=4)
        found[symmetry] = list(job.rounds(poses))
    assert found["C1"][0].agreement_about_axes is None
    agreement = found["C2"][0].agreement_about_axes
    assert agreement is not None
    assert agreement > 0.8
    with_symmetry, without = (angle_to_truth(twofold, found[name][-1], turns) for name in ("C2", "C1"))
    assert with_symmetry < without + 0.1
    assert found["C2"][-1].resolution_angstrom <= found["C1"][-1].resolution_angstrom * 1.001


def test_axes_that_lie_elsewhere_are_said(twofold: SimulatedPicks) -> None:
    heard = []

    class Ears(Silent):
        def warn(self, message: str) -> None:
            heard.append(message)

    job, poses, _ = prepared(twofold, symmetry="C3", rounds=1)
    first = next(job.rounds(poses))
    _warn_of_axes(first, "C3", Ears())
    assert len(heard) == 1
    assert "rotated by C3" in heard[0]
    job, poses, _ = prepared(twofold, symmetry="C2", rounds=1)
    _warn_of_axes(next(job.rounds(poses)), "C2", Ears())
    assert len(heard) == 1
    sideways = simulated_picks(symmetric(np.array([1.0, 0.0, 0.0])), CONDITIONS, n_series=2, per_series=16, seed=5)
    job, poses, _ = prepared(sideways, symmetry="C2", rounds=1)
    _warn_of_axes(next(job.rounds(poses)), "C2", Ears())
    assert len(heard) == 2


def test_poses_do_not_drift_as_a_whole(picks: SimulatedPicks) -> None:
    job, poses, _ = prepared(picks, rounds=20)
    errors = []
    for last in job.rounds(poses):
        apart = Rotation.from_matrix(last.poses.rotation @ picks.rotation.transpose(0, 2, 1)).as_rotvec()
        means = [apart[last.poses.half == half].mean(axis=0) for half in (1, 2)]
        errors.append(np.degrees(np.linalg.norm(means, axis=1)))
    assert len(errors) >= 4
    assert np.max(errors[2:]) < np.max(errors[:2]) + 0.2


def test_tilt_series_of_different_pixel_sizes_are_refined_together() -> None:
    """The second series shows the same structure with voxels that are a tenth larger."""
    structure, factor = random_particle(900, 9.0, 0.8, np.random.default_rng(7)), 1.1
    larger = replace(structure, positions_px=structure.positions_px / factor, sigma_px=structure.sigma_px / factor)
    first, second = (
        simulated_picks(one, replace(CONDITIONS, pixel_size_angstrom=pixel), n_series=1, per_series=24, seed=seed)
        for one, pixel, seed in ((structure, 5.0, 3), (larger, 5.0 * factor, 4))
    )
    alone = [angles_apart(first), angles_apart(second)]
    together = np.split(angles_apart(joined(first, second)), 2)
    assert np.mean(together) < 1.15 * np.mean(alone)
    assert max(map(np.mean, together)) < 2.3


def angles_apart(picks: SimulatedPicks) -> np.ndarray:
    """Refine, and give each particle's angle to the truth, (n,) degrees, the map's own orientation taken out."""
    job, poses, _ = prepared(picks, rounds=4)
    last = list(job.rounds(poses))[-1]
    apart = Rotation.from_matrix(last.poses.rotation @ picks.rotation.transpose(0, 2, 1)).as_rotvec()
    for half in (1, 2):
        apart[last.poses.half == half] -= apart[last.poses.half == half].mean(axis=0)
    return np.degrees(np.linalg.norm(apart, axis=1))


def joined(first: SimulatedPicks, second: SimulatedPicks) -> SimulatedPicks:
    """Put the particles of two sets of one tilt series each into one set."""
    series = [next(iter(first.tomograms)), replace(next(iter(second.tomograms)), name="TS_2")]
    optics = tuple(
        replace(one.particles.optics_groups[0], name=name) for one, name in ((first, "one"), (second, "two"))
    )
    n = len(first.particles)
    particles = ParticleSet.at(
        ["TS_1"] * n + ["TS_2"] * len(second.particles),
        np.concatenate([first.particles.coordinates, second.particles.coordinates]),
        pixel_size_angstrom=optics[0].pixel_size_angstrom,
        centred=True,
        angles_deg=np.concatenate([first.particles.angles_deg, second.particles.angles_deg]),
    )
    group = np.repeat([0, 1], [n, len(second.particles)])
    particles = replace(particles, optics_groups=optics, optics_group=group).with_half_sets(1 + np.arange(2 * n) % 2)
    return SimulatedPicks(
        TomogramSet(tuple(series), "simulated tomograms"),
        particles,
        np.concatenate([first.rotation, second.rotation]),
        np.concatenate([first.coordinates_angstrom, second.coordinates_angstrom]),
        first.noise_deviation,
    )
