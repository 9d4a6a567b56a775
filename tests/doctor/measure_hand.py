"""How often the hand test claims what the data do not hold: simulated projects in which neither hand is right.

    python -m tests.doctor.measure_hand

images 128 projects without a slope of defocus and prints, for each number of particles and noise, how many there were,
the root mean square of z (1 if z is what chance makes of it), the largest |z|, and how many were sure. It takes some
ten minutes.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from pathlib import Path

import numpy as np

from subtomo.doctor.case import Request, open_case
from subtomo.doctor.hand import HandTest, hand_test
from subtomo.doctor.places import place_particles
from subtomo.io.relion import OptimisationSet
from subtomo.model.settings import ExtractionSettings
from tests.doctor.conftest import change
from tests.helpers.scene import Scene, write_scene

PROJECTS = {
    (30, 0.1): [*range(100, 112), *range(200, 240)],
    (40, 0.1): [*range(200, 240)],
    (70, 0.1): [*range(100, 112)],
    (70, 0.03): [*range(100, 112)],
    (150, 0.1): [*range(100, 112)],
}
"""Particles and signal-to-noise ratio, and the seeds."""


def ask(particles: int, snr: float, seed: int) -> HandTest:
    """Ask for the hand of a project whose images know none."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_scene(Path(), Scene(particles=particles, snr=snr, seed=seed, hand=0.0))
        change("tomograms.star", "global", "rlnTomoHand", lambda values: values * 0.0 - 1.0)
        settings = ExtractionSettings(48, 32)
        case = open_case(Request(OptimisationSet("particles.star", "tomograms.star"), settings=settings))
        return hand_test(place_particles(case), settings, 150, 0)


if __name__ == "__main__":
    for (particles, snr), seeds in PROJECTS.items():
        answers = [ask(particles, snr, seed) for seed in seeds]
        z = np.array([answer.z for answer in answers])
        sure = sum(answer.is_sure for answer in answers)
        spread = math.sqrt(float(np.mean(z**2)))
        print(particles, snr, len(z), f"{spread:.2f}", f"{np.abs(z).max():.2f}", sure, flush=True)
