"""``subtomo export stacks``: images and rows that another program reconstructs the structure from."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import subtomo
from subtomo.cli import main
from subtomo.io.mrc_read import read_volume
from subtomo.io.star import find_table, read_tables
from tests.refinement.conftest import truth_map
from tests.torch_data.maps import likeness

WORDS = (
    "--t",
    "tomograms.star",
    "--p",
    "true.star",
    "--b",
    "48",
    "--crop",
    "32",
    "--no_ic",
    "--o",
    "Stacks/",
    "--j",
    "1",
)

TILTS = ("--tilt", "--ntilts", "41", "--dose-per-tilt", "3", "--angle-per-tilt", "3", "--no-half-maps")
CRYODRGN = """
import argparse, importlib, sys
command, parser = importlib.import_module("cryodrgn.commands." + sys.argv[1]), argparse.ArgumentParser()
command.add_args(parser)
command.main(parser.parse_args(sys.argv[2:]))
"""
"""One of its commands; the program ``cryodrgn`` imports all of them, and what they all need."""


@pytest.mark.parametrize("style", ["cryodrgn", "tomodrgn", "relion"])
def test_there_is_a_row_per_image(style: str, known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "stacks", *WORDS, "--style", style]) == 0
    assert "images of 48 particles" in capsys.readouterr().out
    tables = read_tables("Stacks/tilt_images.star")
    rows = tables[-1]
    names = rows.text("rlnImageName").tolist()
    arrays = np.load("Stacks/tilt_images.npz")
    assert len(names) == len(set(names)) == len(arrays["tilt"])
    number, _, file = names[-1].partition("@")
    assert len(read_volume(file)[0]) == int(number) == arrays["section"][-1] + 1
    dose = rows.floats("rlnMicrographPreExposure")
    np.testing.assert_allclose(dose, arrays["dose_e_per_a2"], atol=1e-5)
    if style != "relion":
        np.testing.assert_allclose(rows.floats("rlnCtfBfactor"), -4 * dose, atol=1e-4)
        np.testing.assert_allclose(rows.floats("rlnCtfScalefactor"), np.cos(np.radians(arrays["tilt_deg"])), atol=1e-5)
    assert len(tables) == (1 if style == "tomodrgn" else 2)
    groups = rows.text("rlnGroupName").tolist()
    assert len(set(groups)) == 48
    assert set(rows.text("rlnRandomSubset").tolist()) == {"1", "2"}


def test_the_ctf_is_kept_as_other_programs_do(known: Path) -> None:
    done = subtomo.export_stacks("tomograms.star", "true.star", "Stacks/", box_size=48, crop_size=32, threads=1)
    ctf = pickle.loads(Path(done.ctf_file).read_bytes())
    assert ctf.shape == (done.n_images, 9)
    assert ctf.dtype == np.float32
    # size, pixel, defocus U and V, angle, kV, Cs, amplitude contrast, phase shift
    np.testing.assert_allclose(ctf[0, [0, 1, 5, 6, 7, 8]], [32, 5, 300, 2.7, 0.1, 0], rtol=1e-6)
    assert find_table(read_tables(done.table), "optics") is not None
    assert (np.abs(ctf[:, 2] - 30_000) < 3000).all()


@pytest.mark.skipif(shutil.which("relion_reconstruct") is None, reason="relion_reconstruct is not installed")
def test_relion_reconstructs_the_structure_from_the_rows(known: Path) -> None:
    assert main(["export", "stacks", *WORDS, "--style", "relion"]) == 0
    command = ["relion_reconstruct", "--i", "Stacks/tilt_images.star", "--o", "map.mrc", "--ctf"]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    found = likeness(read_volume("map.mrc")[0], truth_map())
    assert found > 0.8, found


@pytest.mark.skipif(
    not all(map(find_spec, ("cryodrgn", "torch"))), reason="cryoDRGN and PyTorch are not installed (see .ci/run)"
)
def test_cryodrgn_reconstructs_the_structure_from_the_rows(known: Path) -> None:
    assert main(["export", "stacks", *WORDS]) == 0
    rows, ctf = "Stacks/tilt_images.star", "Stacks/ctf.pkl"
    for command in (
        ["parse_pose_star", rows, "-D", "32", "-o", "poses.pkl"],
        ["parse_ctf_star", rows, "-o", "its.pkl"],
        ["backproject_voxel", rows, "--datadir", ".", "--ctf", ctf, "--poses", "poses.pkl", "-o", "Map", *TILTS],
    ):
        words = [sys.executable, "-c", CRYODRGN, *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(pickle.loads(Path(ctf).read_bytes()), pickle.loads(Path("its.pkl").read_bytes()))
    found = likeness(read_volume("Map/backproject.mrc")[0][:32, :32, :32], truth_map())
    assert found > 0.9, found


def test_what_cannot_be_exported_is_told(known: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "stacks", *WORDS, "--min_frames", "400"]) == 1
    assert "no particle was extracted" in capsys.readouterr().err
