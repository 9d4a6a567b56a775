"""The program itself: Class3D of relion_refine, unmodified, on the same particles as `subtomo classify`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.star import find_table, read_tables
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import random_particle
from subtomo.simulation.states import lacking, simulated_states
from tests.classification.conftest import write_particles, write_project

pytestmark = pytest.mark.acceptance

CONDITIONS = Conditions(
    box_size=96, crop_size=48, pixel_size_angstrom=4.0, n_tilts=31, dose_per_tilt=3.5, snr=0.03
)  # fmt: skip
COUNTS, N_SERIES = (90, 60), 10
ITERATIONS = 8


@pytest.fixture
def extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Completed particles of two states in Extract/; the state of each particle by name."""
    monkeypatch.chdir(tmp_path)
    whole = random_particle(900, 16.0, 0.8, np.random.default_rng(7))
    states = [whole, lacking(whole, 0.16, (1.0, 0.3, 0.2))]
    simulated = simulated_states(states, COUNTS, CONDITIONS, n_series=N_SERIES, seed=1)
    write_project(tmp_path, simulated)
    write_particles(tmp_path / "particles.star", simulated, simulated.state >= 0)
    assert main(["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "96", "--crop", "48", "--no_ic",
                 "--for-refine3d", "--o", "Extract/"]) == 0  # fmt: skip
    return dict(zip(simulated.particles.names.tolist(), simulated.state.tolist(), strict=True))


def classes(path: str, name: str) -> tuple[np.ndarray, list[str]]:
    """Class numbers, and the column that names the particles."""
    table = find_table(read_tables(path), "particles")
    assert table is not None
    return table.ints("rlnClassNumber"), table.text(name).tolist()


def share_right(found: np.ndarray, state: np.ndarray) -> float:
    same = float(np.mean((found == 2) == (state == 1)))
    return max(same, 1.0 - same)


def test_relion_finds_the_same_classes(extracted: dict[str, int]) -> None:
    if shutil.which("relion_refine") is None:
        pytest.skip("relion_refine is not installed (Debian: apt-get install relion)")
    assert main(["classify", "Extract/", "--t", "tomograms.star", "--particle_diameter", "150", "--o", "ours/"]) == 0
    ours, names = classes("ours/run_it025_data.star", "rlnTomoParticleName")
    assert share_right(ours, np.array([extracted[name] for name in names])) >= 0.99
    assert main(["export", "--p", "Extract/particles.star", "--o", "relion31.star"]) == 0
    assert main(["average", "--p", "Extract/particles.star", "--particle_diameter", "150", "--o", "Average/"]) == 0
    Path("theirs").mkdir()
    # with --pad 1 classes collapse into one, from any start
    command = [
        "relion_refine", "--i", "relion31.star", "--o", "theirs/run", "--ref", "Average/merged.mrc", "--ini_high", "40",
        "--ctf", "--K", "2", "--iter", f"{ITERATIONS}", "--tau2_fudge", "2", "--strict_highres_exp", "20",
        "--skip_align", "--particle_diameter", "150", "--flatten_solvent", "--zero_mask", "--preread_images",
        "--random_seed", "1", "--j", "2",
    ]  # fmt: skip
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    theirs, images = classes(f"theirs/run_it{ITERATIONS:03d}_data.star", "rlnImageName")
    set_of = find_table(read_tables("Extract/particles.star"), "particles")
    assert set_of is not None
    name_of = dict(zip(set_of.text("rlnImageName").tolist(), set_of.text("rlnTomoParticleName").tolist(), strict=True))
    state = np.array([extracted[name_of[image]] for image in images])
    assert share_right(theirs, state) >= 0.95
    number = dict(zip(names, ours.tolist(), strict=True))
    both = np.array([number[name_of[image]] for image in images])
    agreement = float(np.mean(both == theirs))
    assert max(agreement, 1.0 - agreement) >= 0.95
