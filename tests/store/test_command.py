"""``subtomo extract --store zarr``."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.mrc_read import read_volume
from subtomo.io.zarr_read import StoredSubtomograms
from tests.helpers.project import write_project

COMMAND = ("extract", "--p", "particles.star", "--t", "tomograms.star", "--b", "24", "--crop", "16", "--j", "1")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_store_holds_what_the_files_hold() -> None:
    assert main((*COMMAND, "--o", "files/")) == 0
    assert main((*COMMAND, "--o", "out/", "--store", "zarr")) == 0
    stored = StoredSubtomograms("out/particles.zarr")
    assert len(stored) == 4
    for item in stored:
        data, _ = read_volume(f"files/Subtomograms/{item.name}_data.mrc")
        weights, _ = read_volume(f"files/Subtomograms/{item.name}_weights.mrc")
        np.testing.assert_array_equal(item.data, data)
        np.testing.assert_array_equal(np.concatenate([item.ctf2, item.multiplicity]), weights)
    assert sorted(path.name for path in Path("out").iterdir()) == [
        ".subtomo",
        "extraction_summary.json",
        "note.txt",
        "particles.zarr",
    ]
    assert json.loads(Path("out/extraction_summary.json").read_text())["n_extracted"] == 4


@pytest.mark.parametrize("option", ["--stack2d", "--real_subtomo", "--sum", "--float16", "--div", "--no_comb"])
def test_what_a_store_cannot_hold_is_refused_before_anything_is_made(option: str, capsys: Capture) -> None:
    assert main((*COMMAND, "--o", "out/", "--store", "zarr", option)) == 1
    error = capsys.readouterr().err
    assert option in error
    assert "--store zarr" in error
    assert not Path("out").exists()


def test_a_particle_that_fails_makes_the_exit_code_1(capsys: Capture) -> None:
    with open("TS_2.mrcs", "r+b") as handle:
        handle.seek(1024)
        handle.write(np.full(110 * 90 * 5, np.nan, np.float32).tobytes())
    assert main((*COMMAND, "--o", "out/", "--store", "zarr")) == 1
    assert "2 particle(s) are missing" in capsys.readouterr().err
    summary = json.loads(Path("out/extraction_summary.json").read_text())
    assert [failure["particle"] for failure in summary["failures"]] == ["TS_2/3", "TS_2/4"]
    assert StoredSubtomograms("out/particles.zarr").done.tolist() == [True, True, False, False]


def _sum_of(stored: StoredSubtomograms) -> float:
    return float(sum(item.data.sum(dtype=np.float64) for item in stored))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_the_store(method: str) -> None:
    assert main((*COMMAND, "--o", "out/", "--store", "zarr")) == 0
    stored = StoredSubtomograms("out/particles.zarr")
    here = _sum_of(stored)
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        assert pool.apply_async(_sum_of, (stored,)).get(timeout=60) == here


def test_a_killed_run_is_resumed(project: Path) -> None:
    command = [sys.executable, "-m", "subtomo", *COMMAND, "--o", "out/", "--store", "zarr"]
    process = subprocess.Popen(command, cwd=project, stderr=subprocess.DEVNULL, env={**os.environ})
    while process.poll() is None and not Path("out/particles.zarr").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert main((*COMMAND, "--o", "out/", "--store", "zarr", "--resume")) == 0
    assert main((*COMMAND, "--o", "straight/", "--store", "zarr")) == 0
    assert StoredSubtomograms("out/particles.zarr").is_complete
    for first, second in zip(
        StoredSubtomograms("out/particles.zarr"), StoredSubtomograms("straight/particles.zarr"), strict=True
    ):
        np.testing.assert_array_equal(first.data, second.data)
        np.testing.assert_array_equal(first.ctf2, second.ctf2)
