"""Dask workers and schedulers that end, are not there, or do not fit: one line each, and no endless wait."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.errors import InputError, SettingsError
from subtomo.jobs.cluster import connect
from tests.cluster.tasks import dies, sleeps
from tests.helpers.project import write_project

OPTIONS = ["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24", "--no-report"]
SOURCE = Path(__file__).parents[2]
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "subtomo":
            raise ModuleNotFoundError("No module named 'subtomo'", name="subtomo")
sys.meta_path.insert(0, Blocked())
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start programs of Dask, and end them after the test."""
    running: list[subprocess.Popen[bytes]] = []

    def program(*words: str, first_on_path: Path | None = None) -> subprocess.Popen[bytes]:
        places = [*([] if first_on_path is None else [first_on_path]), SOURCE / "src", SOURCE]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
        folder = tmp_path_factory.mktemp("dask")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words], env=environment, cwd=folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        return process

    yield program
    for process in running:
        process.kill()
        process.wait()


@contextmanager
def scheduler(start: Start, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    found = tmp_path / "scheduler.json"
    process = start(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(found)
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not found.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    yield json.loads(found.read_text())["address"], process


def worker(start: Start, address: str, first_on_path: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a worker of one thread, and wait until the scheduler knows it."""
    from distributed import Client

    process = start(
        "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", first_on_path=first_on_path
    )  # fmt: skip
    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
    return process


def soon(monkeypatch: pytest.MonkeyPatch, silent: float, patience: float) -> None:
    monkeypatch.setattr("subtomo.jobs.dask_executor.SILENT_SECONDS", silent)
    monkeypatch.setattr("subtomo.jobs.dask_executor.PATIENCE_SECONDS", patience)


def run_with(address: str, folder: Path, event: Callable[[], None]) -> None:
    """Run tasks on the workers, and let something happen when the first has come back."""
    with connect(address, {}, str(folder / "out")) as executor:
        for number, _ in enumerate(executor.run(sleeps, range(20))):
            if not number:
                event()


def test_the_only_worker_killed_is_reported_and_ends_the_run(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon(monkeypatch, 2, 6)
    told: list[str] = []
    with scheduler(start, tmp_path) as (address, _):
        worker(start, address)
        with (
            pytest.raises(InputError, match=r"no Dask worker for .* resume=True"),
            connect(address, {}, str(tmp_path / "out"), told.append) as executor,
        ):
            list(executor.run(dies, range(2)))
    assert len(told) == 1
    assert "waiting (Ctrl-C ends; run again to go on)" in told[0]
    assert told[0].startswith("no worker for 2 s")


def test_a_worker_that_comes_after_the_only_one_was_killed_goes_on(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon(monkeypatch, 1, 60)
    told: list[str] = []
    with scheduler(start, tmp_path) as (address, _):
        first = worker(start, address)
        with connect(address, {}, str(tmp_path / "out"), told.append) as executor:
            results = []
            for outcome in executor.run(sleeps, range(10)):
                if not results:
                    first.kill()
                    first.wait()
                    time.sleep(2)
                    worker(start, address)
                results.append(outcome.result)
    assert sorted(results) == list(range(10))


def test_a_scheduler_that_is_killed_is_reported_in_a_line(
    tmp_path: Path, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with scheduler(start, tmp_path) as (address, process):
        worker(start, address)

        def end() -> None:
            process.kill()
            process.wait()

        with pytest.raises(InputError, match="scheduler is gone"):
            run_with(address, tmp_path, end)
    assert time.monotonic() - began < 60
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "address", ["tcp://", "tcp://host", "tcp://host:many", "http://x", "http://x:80", "://", "tcp://:1"]
)
def test_addresses_that_cannot_be_those_of_a_scheduler_are_refused_in_a_line(
    project: Path, capfd: pytest.CaptureFixture[str], address: str
) -> None:
    assert main([*OPTIONS, "--dask", address, "--o", "out/"]) == 1
    lines = capfd.readouterr().err.strip().split("\n")
    assert len(lines) == 1
    assert address in lines[0]
    assert "tcp://host:port" in lines[0]
    assert "--dask" in lines[0]


def test_slurm_without_sbatch_is_refused_in_a_line(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project))
    assert main([*OPTIONS, "--dask", "slurm", "--o", "out/"]) == 1
    lines = capfd.readouterr().err.strip().split("\n")
    assert len(lines) == 1
    assert "sbatch" in lines[0]


def test_jobs_that_slurm_refuses_are_reported_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sbatch"
    program.write_text("#!/bin/sh\necho 'invalid partition specified: nowhere' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(InputError, match="invalid partition"), connect("slurm", {"queue": "nowhere"}, str(tmp_path)):
        pass


def other_version(folder: Path) -> Path:
    """Write a package of this name and another version."""
    (folder / "other" / "subtomo").mkdir(parents=True)
    (folder / "other" / "subtomo" / "__init__.py").write_text('__version__ = "0.0.1"\n')
    return folder / "other"


def no_package(folder: Path) -> Path:
    """Keep Python from finding the package."""
    (folder / "none").mkdir()
    (folder / "none" / "sitecustomize.py").write_text(BLOCKED)
    return folder / "none"


@pytest.mark.parametrize(
    ("make", "words"), [(other_version, "has subtomo 0.0.1, but"), (no_package, "has no subtomo, but")]
)
def test_a_worker_that_does_not_fit_is_refused_at_the_start(
    project: Path, start: Start, capfd: pytest.CaptureFixture[str], make: Callable[[Path], Path], words: str
) -> None:
    with scheduler(start, project) as (address, _):
        worker(start, address, make(project))
        assert main([*OPTIONS, "--dask", address, "--o", "out/"]) == 1
    lines = capfd.readouterr().err.strip().split("\n")
    assert len(lines) == 1
    assert words in lines[0]
    assert not list((project / "out").rglob("*.mrc"))


@pytest.mark.parametrize("make", [other_version, no_package])
def test_a_worker_that_does_not_fit_and_comes_later_ends_the_run(
    tmp_path: Path, start: Start, make: Callable[[Path], Path]
) -> None:
    with scheduler(start, tmp_path) as (address, _):
        first = worker(start, address)

        def replace() -> None:
            first.kill()
            first.wait()
            worker(start, address, make(tmp_path))

        with pytest.raises(InputError, match=r"has (no )?subtomo.*install the same version"):
            run_with(address, tmp_path, replace)


def test_a_specification_of_no_workers_is_an_error_of_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="such as"), connect("tcp://host", {}, str(tmp_path)):
        pass


def test_a_server_that_is_no_scheduler_is_reported_in_a_line(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert main([*OPTIONS, "--dask", address, "--o", "out/"]) == 1
        server.shutdown(socket.SHUT_RDWR)
    lines = capfd.readouterr().err.strip().split("\n")
    assert len(lines) == 1
    assert f"what answers at {address} is no Dask scheduler" in lines[0]


def test_a_command_that_waits_for_workers_says_so_ends_by_ctrl_c_and_goes_on_later(project: Path, start: Start) -> None:
    # of one particle per batch, so that some are finished when the only worker dies
    slow = (
        "import sys, time; import subtomo.output.batching as b; b.MOST_PARTICLES = 1\n"
        "import subtomo.jobs.dask_executor as d; d.SILENT_SECONDS = 1\n"
        "from subtomo.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    with scheduler(start, project) as (address, _):
        first = worker(start, address)
        words = [*OPTIONS, "--dask", address, "--o", "out/"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (SOURCE / "src", SOURCE)))}
        running = subprocess.Popen(
            [sys.executable, "-c", slow, *words], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        stream = running.stderr
        assert stream is not None
        deadline = time.monotonic() + 60
        while not (project / "out" / ".subtomo").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        first.kill()
        first.wait()
        told = stream.readline()
        while b"waiting (Ctrl-C ends; run again to go on)" not in told:
            assert told, "the command ended"
            told = stream.readline()
        running.send_signal(signal.SIGINT)
        rest = stream.read().decode()
        stream.close()
        assert running.wait(60) == 130
        assert "Traceback" not in rest
        worker(start, address)
        assert main([*words, "--resume"]) == 0
    assert len(list((project / "out" / "Subtomograms").rglob("*_data.mrc"))) == 4


def test_a_command_whose_scheduler_is_killed_ends_in_a_line_and_goes_on_later(
    project: Path, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    with scheduler(start, project) as (address, process):
        worker(start, address)

        def end() -> None:
            while not (project / "out" / ".subtomo").exists():
                time.sleep(0.01)
            process.kill()

        killing = threading.Thread(target=end)
        killing.start()
        assert main([*OPTIONS, "--dask", address, "--o", "out/"]) == 1
        killing.join()
    told = capfd.readouterr().err
    (error,) = [line for line in told.split("\n") if line.startswith("error: ")]
    assert "the Dask scheduler is gone" in error
    assert "--resume" in error
    assert "Traceback" not in told
    assert main([*OPTIONS, "--o", "out/", "--resume"]) == 0
