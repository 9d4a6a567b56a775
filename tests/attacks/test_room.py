"""The disk is too small, or becomes so: found out at the start, or said with what was made and how to go on."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from subtomo.io import zarr_store
from subtomo.output import room
from tests.reliability.test_failures import small_disk
from tests.strangers.conftest import extract, volumes

__all__ = ["small_disk"]

Capture = pytest.CaptureFixture[str]
ZARR = ("--store", "zarr")


def disk_of(n_bytes: int, n_files: int = 1 << 40) -> Callable[[str], Any]:
    """Stand in for a file system."""
    return lambda path: SimpleNamespace(
        f_bavail=n_bytes // 512, f_frsize=512, f_files=1 << 41, f_favail=n_files, f_ffree=n_files
    )


@pytest.mark.parametrize("more", [(), ZARR, ("--stack2d",), ("--sum", "--no_writing"), ("--float16", "--div")])
@pytest.mark.usefixtures("project")
def test_a9_what_does_not_fit_is_refused_before_anything_is_made(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(room.os, "statvfs", disk_of(50_000))
    before = sorted(os.listdir())
    assert extract(*more) == 1
    said = capsys.readouterr().err
    assert re.search(r"error: out/: (at least )?[\d.]+ [kM]B in \d+ file\(s\) are needed, but 49.7 kB are free", said)
    assert "--no-disk-check" in said
    assert sorted(os.listdir()) == before


@pytest.mark.usefixtures("project")
def test_a9_the_check_can_be_left_out(
    untouched: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(room.os, "statvfs", disk_of(0))
    assert extract("--no-disk-check") == 0
    assert volumes() == untouched


@pytest.mark.usefixtures("project")
def test_a9_the_number_of_files_counts_too(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(room.os, "statvfs", disk_of(1 << 40, 19))
    assert extract() == 1
    assert "20 files are needed, but the file system has room for 19 more" in capsys.readouterr().err
    monkeypatch.setattr(room.os, "statvfs", disk_of(1 << 40, 20))
    assert extract() == 0


@pytest.mark.parametrize("more", [(), ("--resume",), ("--sum",)])
@pytest.mark.usefixtures("project")
def test_a9_what_is_there_needs_no_room(more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert extract(*more) == 0
    before = volumes()
    Path("out/Subtomograms/TS_254/2_data.mrc").unlink(missing_ok=True)
    monkeypatch.setattr(room.os, "statvfs", disk_of(100_000, 2))
    assert extract(*more) == 0
    assert volumes() == before


@pytest.mark.usefixtures("project")
def test_a9_the_prediction_is_what_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, untouched: dict[str, bytes]
) -> None:
    needed = sum(map(len, untouched.values()))
    monkeypatch.setattr(room.os, "statvfs", disk_of(needed - 512))
    assert extract() == 1
    monkeypatch.setattr(room.os, "statvfs", disk_of(needed + 511))
    assert extract() == 0


@pytest.mark.parametrize("more", [(), ZARR])
@pytest.mark.usefixtures("project")
def test_a9_files_may_become_too_large(more: tuple[str, ...], capsys: Capture) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        assert extract(*more) == 1
        said = capsys.readouterr().err
        assert "but none may be larger than 40.0 kB (ulimit -f)" in said
        assert not Path("out").exists()
        assert extract("--no-disk-check", *more) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"error: out/\S+: File too large; 0 of 10 particle\(s\) are made, ", said)
    assert "(ulimit -f), and run again with --resume to go on" in said
    assert extract("--resume", *more) == 0


@pytest.mark.parametrize("more", [(), ZARR])
def test_a9_a_disk_that_fills_is_said_with_what_was_made_and_how_to_go_on(
    more: tuple[str, ...], project: Path, small_disk: Path, capsys: Capture
) -> None:
    subprocess.run(["mount", "-o", "remount,size=400k", str(small_disk)], check=True)
    Path("out").symlink_to(small_disk)
    assert extract(*more) == 1
    assert "are needed, but" in capsys.readouterr().err
    assert extract("--no-disk-check", *more) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    found = re.match(
        r"error: out/\S+: No space left on device; (\d+) of 10 particle\(s\) are made, what is left needs ([\d.]+) "
        r"[kM]B, [\d.]+ kB are free; free some room, and run again with --resume to go on",
        line,
    )
    assert found is not None, line
    assert not list(small_disk.glob("**/*.tmp"))
    assert not list(small_disk.glob(".*.new"))
    assert not list(small_disk.glob("*.star"))
    subprocess.run(["mount", "-o", "remount,size=80m", str(small_disk)], check=True)
    assert extract("--resume", *more) == 0


@pytest.mark.usefixtures("project")
def test_a9_a_store_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zarr_store, "_add", fail)
    assert extract(*ZARR) == 1
    assert "error: out/particles.zarr: No space left on device; 0 of 10" in capsys.readouterr().err
    assert not [path for path in Path("out").rglob("*") if "zarr" in path.name]


@pytest.mark.usefixtures("project")
def test_a9_other_commands_say_which_file_did_not_fit(capsys: Capture) -> None:
    assert extract("--crop", "32") == 0
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        "from subtomo.cli import main; sys.exit(main())"
    )
    average = ("average", "--p", "out/particles.star", "--particle_diameter", "100", "--o", "a/")
    for words in (average, ("export", "--p", "out/particles.star", "--o", "x.star")):
        run = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        if words[0] == "average":
            assert run.returncode == 1
            assert re.search(r"error: a/half1.mrc: File too large: ", run.stderr), run.stderr
        assert "Traceback" not in run.stderr
    assert not list(Path("a").glob(".subtomo*"))


def test_a9_room_is_looked_up_where_the_folder_will_be(tmp_path: Path) -> None:
    free = room.free_room(str(tmp_path / "not" / "yet"))
    assert free is not None
    assert free[0] > 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    np.zeros(100, np.int8).tofile(tmp_path / "a" / "b" / "x")
    assert room.used_by(str(tmp_path / "a")) == 100
    assert room.used_by(str(tmp_path / "nowhere")) == 0
