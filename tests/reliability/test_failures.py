"""A particle, a disk or a folder fails: the rest is finished or the run stops clean, and a second start mends it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from subtomo.cli import main
from subtomo.errors import InputError
from subtomo.extraction.extractor import TomogramExtractor
from subtomo.jobs.extract import RunContext, extract
from tests.helpers.builders import SETTINGS
from tests.helpers.project import read_project, write_project
from tests.reliability.runs import account, contents, finish, leftovers, named_images

Capture = pytest.CaptureFixture[str]
WORDS = (
    "extract",
    "--t",
    "tomograms.star",
    "--p",
    "particles.star",
    "--b",
    "24",
    "--crop",
    "16",
    "--o",
    "out",
    "--j",
    "1",
)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of four particles in two tomograms."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"the kernel does not let us mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def set_pixel(name: str, tilt: int, value: float) -> None:
    """Change the pixel near the middle of a tilt; the file keeps its time and size, as a bad copy may."""
    stat = os.stat(f"{name}.mrcs")
    with mrcfile.open(f"{name}.mrcs", mode="r+", permissive=True) as stack:
        stack.data[tilt, 45, 55] = value
    os.utime(f"{name}.mrcs", ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_particle_that_fails_is_named_and_the_others_are_finished(small: Path, capsys: Capture) -> None:
    assert main(WORDS) == 0
    before = contents(small / "out")
    shutil.rmtree(small / "out")
    old = float(mrcfile.read("TS_2.mrcs")[3, 45, 55])
    set_pixel("TS_2", 3, np.nan)
    assert main(WORDS) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("error: 2 particle(s) are missing, the first being TS_2/3: particle TS_2/3: tilt 4 of")
    assert "with --resume only these are made again" in said[-1]
    assert [failure["particle"] for failure in account(small / "out")["failures"]] == ["TS_2/3", "TS_2/4"]
    assert named_images(small / "out") == ["out/Subtomograms/TS_1/1_data.mrc", "out/Subtomograms/TS_1/2_data.mrc"]
    assert all(Path(name).exists() for name in named_images(small / "out"))
    set_pixel("TS_2", 3, old)
    assert main((*WORDS, "--resume")) == 0
    assert account(small / "out")["n_found"] == 2
    assert contents(small / "out") == before


def test_a_mistake_of_the_program_costs_one_particle_and_is_called_by_its_name(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    original = TomogramExtractor.extract

    def failing(self: TomogramExtractor, index: int, backend: Any) -> Any:
        made = original(self, index, backend)
        if made.name == "TS_1/2":
            raise ZeroDivisionError("planted")
        return made

    monkeypatch.setattr(TomogramExtractor, "extract", failing)
    assert main(WORDS) == 1
    (failure,) = account(small / "out")["failures"]
    assert failure["particle"] == "TS_1/2"
    assert failure["error"].startswith("unexpected ZeroDivisionError (failing, line ")
    assert len(named_images(small / "out")) == 3
    assert "warning: TS_1/2 cannot be made: unexpected ZeroDivisionError" in capsys.readouterr().err


def test_a_tomogram_that_cannot_be_prepared_costs_its_own_particles_only(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_pixel("TS_1", 0, np.nan)
    assert main((*WORDS, "--whiten")) == 1
    failures = account(small / "out")["failures"]
    assert [failure["particle"] for failure in failures] == ["TS_1/1", "TS_1/2"]
    assert "its noise cannot be measured" in failures[0]["error"]
    assert len(named_images(small / "out")) == 2


def test_equal_failures_are_told_once_and_counted(small: Path, capsys: Capture) -> None:
    set_pixel("TS_1", 0, np.nan)
    assert main((*WORDS, "--whiten")) == 1
    lines = [line for line in capsys.readouterr().err.split("\n") if "its noise cannot be measured" in line]
    assert [line.startswith("warning: ") for line in lines] == [True, True, False]
    assert lines[0].startswith("warning: TS_1/1 cannot be made: ")
    assert lines[1].startswith("warning: 2 particles cannot be made for one and the same cause: ")


def test_failures_are_told_to_the_pipeline_of_relion(small: Path) -> None:
    set_pixel("TS_1", 0, np.nan)
    assert main((*WORDS, "--pipeline_control", "out/")) == 1
    assert Path("out/RELION_JOB_EXIT_FAILURE").exists()
    assert not Path("out/RELION_JOB_EXIT_SUCCESS").exists()


def test_a_full_disk_stops_the_run_clean_and_room_lets_it_finish(
    undisturbed: tuple[Path, dict[str, Any]], project: Path, small_disk: Path
) -> None:
    out = project / "out"
    out.symlink_to(small_disk)
    code, said = finish(project, "--sum", "--no-disk-check")
    assert code == 1
    assert re.search(r"error: out/Subtomograms/\S+: No space left on device; \d+ of 60 particle\(s\) are made", said)
    assert "Traceback" not in said
    assert leftovers(small_disk) == []
    assert not list(small_disk.glob("*.star"))
    subprocess.run(["mount", "-o", "remount,size=80m", str(small_disk)], check=True)
    code, said = finish(project, "--sum", "--resume")
    assert code == 0, said
    assert contents(small_disk) == undisturbed[1]
    assert account(small_disk)["n_found"] > 0


def test_an_output_folder_that_vanishes_stops_the_run_and_its_return_lets_it_finish(small: Path) -> None:
    extract(*read_project(small), SETTINGS, "out", context=RunContext(threads=1))
    before = contents(small / "out")
    shutil.rmtree(small / "out")

    def unmount(name: str) -> None:
        if name == "TS_2":
            Path("out").rename("away")

    with pytest.raises((InputError, OSError), match="out"):
        extract(*read_project(small), SETTINGS, "out", context=RunContext(threads=1, before_series=unmount))
    Path("away").rename("out")
    assert not list(Path("out").glob("*.star"))
    summary = extract(*read_project(small), SETTINGS, "out", context=RunContext(threads=1, resume=True))
    assert summary.n_extracted == 4
    assert contents(small / "out") == before


def test_images_that_vanish_cost_the_particles_that_need_them(small: Path) -> None:
    def unmount(name: str) -> None:
        Path("TS_2.mrcs").rename("away.mrcs")

    tomograms, particles = read_project(small)
    calls = iter([unmount, lambda name: None])
    context = RunContext(threads=1, before_series=lambda name: next(calls)(name))
    summary = extract(tomograms, particles, SETTINGS, "out", context=context)
    assert [failure.particle for failure in summary.failures] == ["TS_2/3", "TS_2/4"]
    assert "TS_2.mrcs: cannot be read (No such file or directory" in summary.failures[0].error
    Path("away.mrcs").rename("TS_2.mrcs")
    assert extract(tomograms, particles, SETTINGS, "out", context=RunContext(resume=True)).n_found == 2
