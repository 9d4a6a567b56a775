"""Less memory, or fewer open files, than a run needs: said in a line before it begins, or with fewer threads."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from subtomo.errors import SettingsError
from subtomo.extraction.memory import Memory, memory_of
from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.jobs import limits
from subtomo.model.settings import DataTerm, ExtractionSettings, Output
from tests.strangers.conftest import SIZES, extract, volumes

Capture = pytest.CaptureFixture[str]
WORDS = ("extract", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--o", "out/")


def limited(limit: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command under a limit of the shell."""
    script = f'ulimit {limit}; exec "$@"'
    command = ["bash", "-c", script, "bash", sys.executable, "-m", "subtomo", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("megabytes", [300, 400, 500, 600])
@pytest.mark.parametrize("verb", ["extract", "doctor", "average", "fidelity"])
@pytest.mark.usefixtures("project")
def test_a8_little_memory_is_said_in_a_line(megabytes: int, verb: str) -> None:
    words = {
        "extract": WORDS,
        "doctor": ("doctor", *WORDS[1:-2]),
        "average": ("average", "--p", "particles.star", "--o", "average/"),
        "fidelity": ("fidelity", "--seed", "1"),
    }[verb]
    run = limited(f"-v {megabytes * 1000}", *words)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line == (
        f"error: memory is limited to {megabytes * 1024 // 1000} MB (ulimit -v), but the program with its libraries "
        "takes 750 MB, and more for large boxes; raise that limit"
    )
    assert not Path("out").exists()


@pytest.mark.parametrize("megabytes", [740, 760, 800, 1000, 1500])
@pytest.mark.usefixtures("project")
def test_a8_more_memory_is_enough_or_what_is_needed_is_said(megabytes: int, untouched: dict[str, bytes]) -> None:
    run = limited(f"-v {megabytes * 1000}", *WORDS, "--j", "4")
    assert run.returncode == 0, run.stderr
    assert volumes() == untouched
    run = limited(f"-v {megabytes * 1000}", *WORDS, "--b", "256", "--crop", "256", "--bin", "1", "--min_frames", "0")
    assert (run.returncode == 1) == (megabytes < 1200)
    if run.returncode:
        assert "of memory are needed for one thread, but" in run.stderr
        assert "take a smaller crop (--crop) or box (--b), or raise that limit" in run.stderr
    assert "Traceback" not in run.stderr


def test_a8_help_needs_little() -> None:
    assert limited("-v 200000", "extract", "--help").returncode == 0
    assert limited("-v 200000", "--version").returncode == 0


@pytest.mark.parametrize("soft_only", [True, False])
@pytest.mark.usefixtures("project")
def test_a8_eight_open_files_are_raised_or_refused(soft_only: bool, untouched: dict[str, bytes]) -> None:
    run = limited("-S -n 8" if soft_only else "-n 8", *WORDS)
    assert "Traceback" not in run.stderr
    if soft_only:
        assert run.returncode == 0, run.stderr
        assert volumes() == untouched
    else:
        assert run.returncode == 1
        assert run.stderr.splitlines() == [
            "error: only 8 files may be open at a time (ulimit -n), but 64 are needed; raise that limit"
        ]


@pytest.fixture
def few_handles() -> Iterator[tuple[int, int]]:
    """Lower the soft limit of open files for a while."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("project")
def test_a8_a_series_of_many_files_raises_the_limit(few_handles: tuple[int, int]) -> None:
    for tilt in range(41):
        os.link("TS_254.mrcs", f"tilt{tilt}.mrcs")
    text = Path("tilt_series/TS_254.star").read_text()
    for tilt in range(41, 0, -1):
        text = text.replace(f"{tilt}@TS_254.mrcs", f"{tilt}@tilt{tilt - 1}.mrcs")
    Path("tilt_series/TS_254.star").write_text(text)
    assert extract() == 0
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 3 * 41
    plan = plan_of(ExtractionSettings(box_size=32, crop_size=24, binning=2.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits.resource, "getrlimit", lambda which: (100, 100))
        with pytest.raises(SettingsError, match=r"a tilt series has 41 image files, but 100 are allowed \(ulimit -n\)"):
            limits._require_handles(plan, 2)


def plan_of(settings: ExtractionSettings) -> object:
    tomograms = read_tomograms("tomograms.star")
    return plan_extraction(tomograms, read_particles("particles.star", tomograms), settings)


@pytest.mark.usefixtures("project")
def test_a8_threads_are_as_many_as_memory_allows(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(limits, "memory_free", lambda: 2_500_000)
    assert extract("--j", "8") == 0
    said = capsys.readouterr().err
    assert "note: memory suffices for 1 of 8 threads (--j), as each takes some" in said
    assert json.loads(Path("out/extraction_summary.json").read_text())["n_extracted"] == 10


@pytest.mark.usefixtures("project")
def test_a8_a_machine_that_is_too_small_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(limits, "memory_allowed", lambda: 50_000_000)
    assert extract() == 1
    said = capsys.readouterr().err
    assert "of memory are needed for one thread, but 50.0 MB are left (the memory of this machine or job)" in said
    assert not Path("out").exists()


def test_a8_the_fewest_threads_of_all_limits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "address_space_left", lambda: None)
    monkeypatch.setattr(limits, "memory_allowed", lambda: 80_000_000 + 10 + 5 * 100)
    monkeypatch.setattr(limits, "memory_free", lambda: 10 + 3 * 100)
    needed = [Memory(10, 60), Memory(0, 40)]
    notes = list[str]()
    assert limits.fitting_threads(None, needed, 8, notes.append) == 3
    assert len(notes) == 1
    monkeypatch.setattr(limits, "memory_free", lambda: None)
    assert limits.fitting_threads(None, needed, 8, notes.append) == 5
    assert limits.fitting_threads(None, needed, 5, lambda note: pytest.fail(note)) == 5
    monkeypatch.setattr(limits, "memory_free", lambda: 0)
    assert limits.fitting_threads(None, needed, 8, notes.append) == 1


@pytest.mark.usefixtures("project")
def test_a8_larger_boxes_and_finer_terms_take_more() -> None:
    def per_thread(**settings: object) -> int:
        return memory_of(plan_of(ExtractionSettings(**settings))).of(1)  # type: ignore[arg-type]

    small, large = (per_thread(box_size=size, min_tilts=0) for size in (128, 256))
    assert 6 * small < large < 9 * small
    assert per_thread(box_size=256, min_tilts=0, data_term=DataTerm.EXACT) > 3 * large
    assert per_thread(box_size=256, min_tilts=0, output=Output.STACK_2D) < large


def test_a8_the_limits_of_this_machine_can_be_read() -> None:
    allowed, free = limits.memory_allowed(), limits.memory_free()
    assert allowed is not None
    assert free is not None
    assert allowed > 10_000_000
    assert 10_000_000 < free < 10**15
