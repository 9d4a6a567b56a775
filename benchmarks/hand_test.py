"""How sure the hand test of ``subtomo doctor`` is, and how often it claims what the data do not hold.

    python -m benchmarks.hand_test

makes simulated projects. First those whose files say the right hand: it prints particles, signal-to-noise ratio of the
images, z of each project, and how many were sure. Then 128 whose images were made without a slope of defocus, so that
neither hand is right: particles, ratio, projects, root mean square of z (1 if z is what chance makes of it), largest
|z|, and how many were sure.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from subtomo.doctor.case import Request, open_case
from subtomo.doctor.hand import HandTest, hand_test
from subtomo.doctor.places import place_particles
from subtomo.io.relion import OptimisationSet
from subtomo.model.settings import ExtractionSettings
from tests.doctor.conftest import change
from tests.helpers.scene import Scene, write_scene

RIGHT = {setting: [1, 2, 3] for setting in product((30, 70, 150), (0.1, 0.03, 0.01))}
"""Particles and signal-to-noise ratio, and the seeds."""
NEITHER = {
    (30, 0.1): [*range(100, 112), *range(200, 240)],
    (40, 0.1): [*range(200, 240)],
    (70, 0.1): [*range(100, 112)],
    (70, 0.03): [*range(100, 112)],
    (150, 0.1): [*range(100, 112)],
}


def ask(scene: Scene) -> HandTest:
    """Ask for the hand of a project; if its images know none, the files say -1."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_scene(Path(), scene)
        if scene.hand == 0:
            change("tomograms.star", "global", "rlnTomoHand", lambda values: values - 1.0)
        settings = ExtractionSettings(48, 32)
        case = open_case(Request(OptimisationSet("particles.star", "tomograms.star"), settings=settings))
        return hand_test(place_particles(case), settings, 150, 0)


if __name__ == "__main__":
    for (particles, snr), seeds in RIGHT.items():
        answers = [ask(Scene(particles=particles, snr=snr, seed=seed)) for seed in seeds]
        sure = sum(answer.is_sure for answer in answers)
        print(particles, snr, *(f"{answer.z:.1f}" for answer in answers), sure, flush=True)
    for (particles, snr), seeds in NEITHER.items():
        answers = [ask(Scene(particles=particles, snr=snr, seed=seed, hand=0.0)) for seed in seeds]
        z = np.array([answer.z for answer in answers])
        sure = sum(answer.is_sure for answer in answers)
        spread = math.sqrt(float(np.mean(z**2)))
        print(particles, snr, len(z), f"{spread:.2f}", f"{np.abs(z).max():.2f}", sure, flush=True)
