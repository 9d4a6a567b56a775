"""One run per folder: the second is told who is first; what a dead run left behind stops nobody."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from subtomo.errors import InputError
from subtomo.jobs.extract import RunContext, extract
from subtomo.output import lock
from subtomo.output.lock import folder_lock
from tests.helpers.builders import SETTINGS
from tests.helpers.project import read_project, write_project
from tests.reliability.runs import finish, start


def left_by(path: Path, *, pid: int, host: str) -> None:
    path.write_text(json.dumps({"pid": pid, "host": host, "started": "2026-01-01T00:00:00+00:00"}))


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    (tmp_path / "out/.subtomo").mkdir(parents=True)
    return tmp_path / "out/.subtomo/lock"


def test_a_second_run_is_refused_with_the_name_of_the_first(project: Path) -> None:
    with start(project) as first:
        lock = project / "out/.subtomo/lock"
        while not (lock.exists() and lock.stat().st_size):
            time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
        code, said = finish(project)
        first.send_signal(signal.SIGCONT)
        first.communicate(timeout=60)
    assert code == 1
    name = rf"the run with process number {first.pid} on {socket.gethostname()}, started 20"
    assert name in said
    assert "error: out: " in said
    assert first.returncode == 0
    assert not (project / "out/.subtomo/lock").exists()


def test_two_runs_in_one_process_are_told_apart_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)

    def again(name: str) -> None:
        extract(*read_project(tmp_path), SETTINGS, "out")

    with pytest.raises(InputError, match=f"process number {os.getpid()}"):
        extract(*read_project(tmp_path), SETTINGS, "out", context=RunContext(before_series=again))


def test_the_lock_of_a_dead_run_stops_nobody_even_if_its_number_is_in_use_again(lock_file: Path) -> None:
    left_by(lock_file, pid=os.getppid(), host=socket.gethostname())
    with folder_lock(lock_file):
        assert json.loads(lock_file.read_text())["pid"] == os.getpid()
    assert not lock_file.exists()


def test_where_locks_do_not_work_the_process_number_decides(lock_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*arguments: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    left_by(lock_file, pid=os.getppid(), host=socket.gethostname())
    monkeypatch.setattr(lock, "_works", lambda pid: pid == os.getppid())
    with pytest.raises(InputError, match=f"process number {os.getppid()}"), folder_lock(lock_file):
        pass
    monkeypatch.setattr(lock, "_works", lambda pid: False)
    with folder_lock(lock_file):
        pass


def test_a_run_on_another_machine_is_recognised_by_its_signs_of_life(
    lock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WATCH_SECONDS", 2.0)
    left_by(lock_file, pid=7, host="elsewhere")
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.05):
            os.utime(lock_file)

    other = threading.Thread(target=live)
    other.start()
    try:
        with (
            pytest.raises(InputError, match="process number 7 on elsewhere, started 2026-01-01"),
            folder_lock(lock_file),
        ):
            pass
    finally:
        stop.set()
        other.join()


def test_a_dead_run_on_another_machine_is_waited_for_and_then_forgotten(
    lock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WATCH_SECONDS", 0.2)
    left_by(lock_file, pid=7, host="elsewhere")
    said: list[str] = []
    with folder_lock(lock_file, said.append):
        pass
    assert "watching for 0.2 s" in said[0]
    assert "process number 7 on elsewhere" in said[0]


def test_a_running_lock_shows_signs_of_life(lock_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.02)
    with folder_lock(lock_file):
        before = lock_file.stat().st_mtime_ns
        time.sleep(0.2)
        assert lock_file.stat().st_mtime_ns > before


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_lock_file_stops_nobody(lock_file: Path, content: bytes) -> None:
    lock_file.write_bytes(content)
    with folder_lock(lock_file):
        pass
