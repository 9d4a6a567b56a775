"""How sure the hand test of ``subtomo doctor`` is: simulated projects with more or fewer particles and noise.

    python -m benchmarks.hand_test

prints one row per project: particles, signal-to-noise ratio of the images, seed, z, whether it is sure, resolution.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from itertools import product
from pathlib import Path

from subtomo.cli import main
from tests.helpers.scene import Scene, write_scene

WORDS = ("--t", "tomograms.star", "--p", "particles.star", "--b", "48", "--crop", "32", "--hand-test")


def ask(scene: Scene) -> dict[str, float]:
    """Write a project and ask for its hand, which is right in the files."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_scene(Path(), scene)
        with contextlib.redirect_stdout(io.StringIO()):
            main(("doctor", *WORDS, "--hand-particles", "150", "--json", "diagnosis.json"))
        found: dict[str, float] = json.loads(Path("diagnosis.json").read_text(encoding="utf-8"))["hand"]
    return found


if __name__ == "__main__":
    for particles, snr, seed in product((30, 70, 150), (0.1, 0.03, 0.01), (1, 2, 3)):
        hand = ask(Scene(particles=particles, snr=snr, seed=seed))
        print(
            particles, snr, seed, f"{hand['z']:.1f}", hand["is_sure"], f"{hand['resolution_angstrom']:.0f}", flush=True
        )
