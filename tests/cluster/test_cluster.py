"""Extraction on Dask: real workers on this machine, one of which may die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from dask_jobqueue import SLURMCluster

from subtomo import ExtractionSettings, OutputSettings, extract
from subtomo.cli import main
from subtomo.errors import InputError, SettingsError
from subtomo.jobs.cluster import DaskExecutor, connect, parse_options, slurm_script
from subtomo.jobs.context import RunContext
from tests.cluster.tasks import die_once, double, fail_on_seven
from tests.helpers.project import read_project, write_project

OPTIONS = ["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24"]


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskExecutor]:
    with connect("local:2", {}, str(tmp_path_factory.mktemp("seen"))) as executor:
        yield executor


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path) -> dict[str, bytes]:
    """Read what an extraction left, but for its account, note and journal, which tell times and commands."""
    names = {path: path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {
        str(name): path.read_bytes()
        for path, name in names.items()
        if name.parts[0] != ".subtomo" and name.name not in ("note.txt", "extraction_summary.json")
    }


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """List the names of files that only one tree has, or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def test_every_task_comes_back_with_its_result(executor: DaskExecutor) -> None:
    outcomes = list(executor.run(double, range(40)))
    assert sorted(outcome.task for outcome in outcomes) == list(range(40))
    assert all(outcome.result == 2 * outcome.task and outcome.error is None for outcome in outcomes)


def test_a_task_that_always_fails_is_reported_after_three_attempts(executor: DaskExecutor) -> None:
    outcomes = {outcome.task: outcome for outcome in executor.run(fail_on_seven, range(10))}
    assert len(outcomes) == 10
    assert outcomes[7].attempts == 3
    assert "seven is too much" in str(outcomes[7].error)
    assert all(outcome.error is None for task, outcome in outcomes.items() if task != 7)


def test_a_worker_that_is_killed_loses_nothing(executor: DaskExecutor, tmp_path: Path) -> None:
    marker = str(tmp_path / "died")
    outcomes = list(executor.run(die_once, [(number, marker) for number in range(20)]))
    assert os.path.exists(marker)
    assert sorted(outcome.result for outcome in outcomes) == list(range(20))


@pytest.mark.parametrize("more", [[], ["--sum"], ["--stack2d"], ["--for-refine3d"]])
def test_dask_serial_and_threads_give_identical_files(project: Path, more: list[str]) -> None:
    assert main([*OPTIONS, *more, "--j", "1", "--o", "serial/"]) == 0
    assert main([*OPTIONS, *more, "--j", "2", "--o", "threads/"]) == 0
    assert main([*OPTIONS, *more, "--dask", "local:2", "--o", "dask/"]) == 0

    def plain(name: str) -> dict[str, Any]:
        # STAR files name their folder
        return {key: value.replace(f"{name}/".encode(), b"X/") for key, value in tree(project / name).items()}

    assert differing(plain("serial"), plain("threads")) == []
    assert differing(plain("serial"), plain("dask")) == []


def test_a_scheduler_that_runs_already_is_used(project: Path) -> None:
    from distributed import LocalCluster

    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, **local) as cluster:
        assert main([*OPTIONS, "--dask", cluster.scheduler_address, "--o", "out/"]) == 0
    assert len(list((project / "out" / "Subtomograms").rglob("*_data.mrc"))) == 4


def test_workers_in_another_folder_write_into_the_project(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from distributed import LocalCluster

    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with chdir(elsewhere):
        cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=True, **local)
    with cluster:
        assert main([*OPTIONS, "--sum", "--dask", cluster.scheduler_address, "--o", "out/"]) == 0
    assert len(list((project / "out" / "Subtomograms").rglob("*_data.mrc"))) == 4
    assert (project / "out" / "sum_data.mrc").is_file()
    assert not list(elsewhere.rglob("*.mrc"))
    assert str(project) not in (project / "out" / "particles.star").read_text()


def test_an_address_without_scheduler_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subtomo.jobs.cluster._CONNECT_SECONDS", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=f"127.0.0.1:{port}"), connect(f"tcp://127.0.0.1:{port}", {}, str(tmp_path)):
        pass


@pytest.mark.parametrize("spec", ["local", "local:0", "local:many", "slurms", "1.2.3.4:8786"])
def test_specifications_that_make_no_sense_are_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(SettingsError, match="local:N"), connect(spec, {}, str(tmp_path)):
        pass


def test_options_are_read_and_unknown_ones_refused() -> None:
    assert parse_options(["queue=long,memory=8GB", "walltime=02:00:00"]) == {
        "queue": "long", "memory": "8GB", "walltime": "02:00:00",
    }  # fmt: skip
    for wrong in ("partition=long", "queue"):
        with pytest.raises(SettingsError, match="walltime"):
            parse_options([wrong])


def test_options_without_slurm_are_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*OPTIONS, "--dask-option", "queue=long", "--o", "out"]) == 1
    assert "--dask slurm" in capsys.readouterr().err
    assert main([*OPTIONS, "--dask", "local:1", "--dask-option", "queue=long", "--o", "out"]) == 1
    assert "slurm" in capsys.readouterr().err


def test_the_slurm_script_is_that_of_dask_jobqueue(capsys: pytest.CaptureFixture[str]) -> None:
    words = "queue=long,account=lab,cores=4,memory=16GB,walltime=03:00:00"
    script = slurm_script(parse_options([words]))
    for line in ("#SBATCH -p long", "#SBATCH -A lab", "#SBATCH --cpus-per-task=4", "#SBATCH -t 03:00:00"):
        assert line in script
    with SLURMCluster(
        queue="long", account="lab", cores=4, processes=4, memory="16GB", walltime="03:00:00",
        job_extra_directives=["--export=ALL"], scheduler_options={"dashboard_address": ":0"},
        job_script_prologue=["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1"],
    ) as cluster:  # fmt: skip
        expected = cluster.job_script()

    def without_port(text: str) -> str:
        return " ".join(word for word in text.split() if "tcp://" not in word)

    assert without_port(script) == without_port(expected)
    assert main([*OPTIONS, "--dask", "slurm", "--dask-option", f"{words},dry_run=yes", "--o", "out"]) == 0
    assert "#SBATCH -p long" in capsys.readouterr().out


def test_dask_is_imported_only_when_it_is_asked_for() -> None:
    code = "import sys, subtomo.cli.extract, subtomo.jobs.cluster; sys.exit('distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_extraction_whose_worker_is_killed_loses_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subtomo.output.batching.MOST_PARTICLES", 1)
    tomograms, particles = read_project(project)
    settings, output = ExtractionSettings(box_size=32, crop_size=24), OutputSettings(write_sums=True)
    extract(tomograms, particles, settings, "serial", output=output, context=RunContext(threads=1))
    killed: list[int] = []

    class Killing:
        """Kills a worker when the first batch has come back."""

        def __init__(self, executor: DaskExecutor, client: Any) -> None:
            self.executor, self.client = executor, client

        def run(self, function: Any, tasks: Any) -> Iterator[Any]:
            for outcome in self.executor.run(function, tasks):
                if not killed:
                    killed.append(next(iter(self.client.run(os.getpid).values())))
                    os.kill(killed[0], signal.SIGKILL)
                yield outcome

    with connect("local:2", {}, "dask") as executor:
        context = RunContext(executor=Killing(executor, executor._client))
        summary = extract(tomograms, particles, settings, "dask", output=output, context=context)
    assert killed
    assert not summary.failures
    ours = {key: value.replace(b"dask/", b"serial/") for key, value in tree(project / "dask").items()}
    assert differing(ours, tree(project / "serial")) == []
