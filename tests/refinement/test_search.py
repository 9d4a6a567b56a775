"""Poses that nobody knows are found, at the noise of the specification, and fast."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.alignment.reference import FourierReference
from subtomo.backends.alignment import Grid, Pose
from subtomo.backends.registry import alignment_backend
from subtomo.physics.orientation import matrix_to_euler
from subtomo.refinement.noise import precision
from subtomo.refinement.poses import Priors
from subtomo.refinement.scale import grey_scale
from subtomo.refinement.search import PoseSearch, all_orientations
from subtomo.refinement.settings import RefinementSettings, Search
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import random_particle
from subtomo.simulation.picks import simulated_picks
from tests.refinement.conftest import EXTRACTION, prepared

RESOLUTION, NORMAL_DEG = 20.0, 10.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("snr", "radius", "side", "copies", "least"), [(0.02, 45.0, 64, 100, 0.98), (0.006, 45.0, 64, 100, 0.95),
                                                   (0.02, 130.0, 128, 16, 0.98)],
)  # fmt: skip
def test_orientations_are_found_with_and_without_a_normal(
    snr: float, radius: float, side: int, copies: int, least: float
) -> None:
    structure = random_particle(round(500 * (radius / 45.0) ** 2), radius / 3.0, 1.0, np.random.default_rng(7))
    conditions = Conditions(snr=snr, box_size=2 * side, crop_size=side)
    picks = simulated_picks(structure, conditions, n_series=2, per_series=copies // 2, seed=3)
    extraction = replace(EXTRACTION, box_size=2 * side, crop_size=side)
    job, poses, source = prepared(picks, extraction, 110.0 / 45.0 * radius, search=Search.GLOBAL)
    store, settings = job.store, job.settings
    angles = matrix_to_euler(picks.rotation)
    off = np.random.default_rng(1).normal(0.0, NORMAL_DEG / np.sqrt(2.0), angles.shape)
    priors = replace(job.priors, angles_rad=np.deg2rad((angles + off) * [0.0, 1.0, 1.0]))
    first = next(job.rounds(poses))
    last_shell = int(side * 3.0 / RESOLUTION)
    weights = precision(first.variance, last_shell)
    values = structure.volume_values(side) * side**1.5
    truth = np.fft.fftshift(np.fft.irfftn(values, s=(side,) * 3, axes=(0, 1, 2))) * first.mask
    scale = grey_scale(truth, store, poses, weights[0], np.ones(len(store)), None).factor
    reference = FourierReference.of(truth * scale, last_shell, 3.0)
    grid, backend = Grid(reference.grid, reference.side), alignment_backend()
    normal = replace(settings, search=Search.PRIOR, sigma_tilt_deg=NORMAL_DEG, sigma_psi_deg=NORMAL_DEG)
    for chosen, most_seconds in ((settings, 0.3), (normal, 0.1)):
        search = PoseSearch(chosen, replace(priors, settings=chosen), 3.0, radius)
        search(store[0], 0, backend, grid, weights[0])
        start = time.thread_time()
        found = [search(store[at], at, backend, grid, weights[source.series[at]]) for at in range(len(store))]
        seconds = (time.thread_time() - start) / len(store)
        turns = Rotation.from_matrix(rotations(found) @ picks.rotation[source.indices].transpose(0, 2, 1)).magnitude()
        part = float((np.degrees(turns) < 10.0).mean())
        print(f"{chosen.search.name}, SNR {snr}, radius {radius:g} Å: {part:.0%} found, {seconds:.3f} s each")
        assert part >= least
        assert seconds < most_seconds


def rotations(found: list[Pose]) -> np.ndarray:
    return np.stack([pose.rotation for pose in found])


def test_larger_particles_are_scored_at_lower_resolution_on_the_same_grid() -> None:
    settings = RefinementSettings(search=Search.GLOBAL)
    priors = Priors(np.eye(3)[None], np.zeros((1, 3)), np.ones(1), settings)
    small, large, larger = (PoseSearch(settings, priors, 3.0, radius) for radius in (60.0, 100.0, 200.0))
    assert small.coarse_angstrom == 30.0
    assert (large.coarse_angstrom, larger.coarse_angstrom) == (40.0, 80.0)
    assert large.step_deg == pytest.approx(larger.step_deg)
    assert len(all_orientations(large.step_deg)) < 20_000
