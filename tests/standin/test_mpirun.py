"""The stand-in under the real mpirun: any number of ranks gives one run's bytes, and none that dies leaves a riddle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.star import read_tables, write_tables
from subtomo.model.table import text_array
from tests.standin.conftest import SIZES, Project

pytestmark = pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed (openmpi-bin)")

MPIRUN = "mpirun --allow-run-as-root --oversubscribe"
TWO_HOSTS = """#!/bin/bash
# every second rank on another host, so far as the launcher's variables go
export OMPI_COMM_WORLD_LOCAL_SIZE=$(( (OMPI_COMM_WORLD_SIZE + 1 - OMPI_COMM_WORLD_RANK % 2) / 2 ))
exec "$@"
"""
TOMOGRAMS, PARTICLES_EACH = 30, 12


def job(name: str, more: str = "", *, ranks: int, hosts: str = "") -> str:
    """Give the line of RELION's GUI for a job with several ranks."""
    program = f"{hosts} `which relion_tomo_subtomo_mpi` {SIZES}"
    return f"{MPIRUN} -n {ranks} {program} --o {name}/ {more} --pipeline_control {name}/ >> run.out 2>> run.err"


@pytest.fixture
def project(project: Project) -> Project:
    """The project, with one run on its own in ``alone`` and the script of two hosts."""
    assert main(["extract", *SIZES.split(), "--o", "alone/", "--j", "1"]) == 0
    (project.folder / "two_hosts.sh").write_text(TWO_HOSTS)
    (project.folder / "two_hosts.sh").chmod(0o755)
    return project


@pytest.fixture
def large(project: Project) -> Project:
    """The same with so many particles that something can happen meanwhile, and no run."""
    shutil.rmtree(project.folder / "alone")
    write_many_tomograms(project.folder)
    return project


def write_many_tomograms(folder: Path) -> None:
    """Write another project in the place of this one: the same tilt series under many names."""
    tables = read_tables(folder / "tomograms.star")
    names = [f"T_{i}" for i in range(TOMOGRAMS)]
    rows = tables[0].take(np.zeros(TOMOGRAMS, np.int64)).with_column("rlnTomoName", text_array(names))
    rows = rows.with_column("rlnTomoTiltSeriesStarFile", text_array(f"{name}.star" for name in names))
    write_tables(folder / "tomograms.star", [rows])
    (tilts,) = read_tables(folder / "TS_1.star")
    for name in names:
        write_tables(folder / f"{name}.star", [replace(tilts, name=name)])
    tables = read_tables(folder / "particles.star")
    n = TOMOGRAMS * PARTICLES_EACH
    rows = tables[1].take(np.arange(n) % 2)
    rows = rows.with_column("rlnTomoName", text_array(names[i // PARTICLES_EACH] for i in range(n)))
    rows = rows.with_column(
        "rlnTomoParticleName", text_array(f"{names[i // PARTICLES_EACH]}/{i + 1}" for i in range(n))
    )
    write_tables(folder / "particles.star", [tables[0], rows])


def n_volumes(out: Path) -> int:
    return sum(name.endswith(".mrc") for _, _, files in os.walk(out / "Subtomograms") for name in files)


def start(project: Project, line: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["bash", "-c", line], cwd=project.folder)


def process_of(folder: Path, rank: int) -> int:
    """Find the process of a rank by what it signed with, as soon as it has."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for sign in folder.glob(f".subtomo/ranks-*/rank-{rank}.json"):
            text = sign.read_text()
            if text:
                return int(json.loads(text)["process"])
        time.sleep(0.01)
    raise AssertionError(f"rank {rank} never came")


def wait_for_volumes(folder: Path, process: subprocess.Popen[bytes], files: int) -> None:
    while process.poll() is None and n_volumes(folder) < files:
        time.sleep(0.01)
    assert process.poll() is None, "the job was over too soon"


def require_undisturbed(project: Project) -> None:
    """Compare the job with a run that nobody disturbed."""
    assert main(["extract", *SIZES.split(), "--o", "alone/", "--j", "2"]) == 0
    assert project.differing("out", "alone") == []


def hidden(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".subtomo").iterdir()]


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("hosts", ["", "./two_hosts.sh"], ids=["one host", "two hosts"])
def test_any_number_of_ranks_gives_the_bytes_of_one_run(ranks: int, hosts: str, project: Project) -> None:
    project.shell(job("out", "--j 2", ranks=ranks, hosts=hosts))
    assert project.differing("out", "alone") == []
    assert project.endings("out") == ["RELION_JOB_EXIT_SUCCESS"]
    assert hidden(project.folder / "out") == ["journal.jsonl"]
    # other ranks say nothing, and nothing is coloured
    said = (project.folder / "run.out").read_text()
    assert said.count("4 of 4 particles extracted") == 1
    assert "\x1b" not in said
    assert (project.folder / "run.err").read_text() == ""


def test_the_sums_of_two_hosts_are_those_of_one_run(project: Project) -> None:
    assert main(["extract", *SIZES.split(), "--sum", "--for-refine3d", "--o", "sums/"]) == 0
    project.shell(job("out", "--sum --for-refine3d", ranks=3, hosts="./two_hosts.sh"))
    assert project.differing("out", "sums") == []


def test_a_command_line_that_fails_ends_all_ranks_and_is_told_once(project: Project) -> None:
    project.shell(job("out", "--p nowhere.star", ranks=3), code=1)
    assert project.endings("out") == ["RELION_JOB_EXIT_FAILURE"]
    assert (project.folder / "run.err").read_text().count("error: particles file nowhere.star") == 1
    assert "relion_tomo_subtomo_mpi of RELION" in project.shell(f"{MPIRUN} -n 2 relion_tomo_subtomo_mpi --version").out


def test_the_request_to_stop_ends_a_job_of_several_hosts(large: Project) -> None:
    out = large.folder / "out"
    with start(large, job("out", ranks=2, hosts="./two_hosts.sh")) as process:
        wait_for_volumes(out, process, 4)
        (out / "RELION_JOB_ABORT_NOW").touch()
        assert process.wait(60) == 2
    assert large.endings("out") == ["RELION_JOB_EXIT_ABORTED"]
    assert not (out / "particles.star").exists()
    assert hidden(out) == ["journal.jsonl"]
    (out / "RELION_JOB_ABORT_NOW").unlink()
    large.shell(job("out", "--only_do_unfinished", ranks=2))
    require_undisturbed(large)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("hosts", ["", "./two_hosts.sh"], ids=["one host", "two hosts"])
def test_a_rank_that_is_killed_ends_the_job_as_a_failure_that_can_be_finished(
    rank: int, hosts: str, large: Project
) -> None:
    out = large.folder / "out"
    with start(large, job("out", ranks=3, hosts=hosts)) as process:
        victim = process_of(out, rank)
        wait_for_volumes(out, process, 20)
        os.kill(victim, signal.SIGKILL)
        # mpirun ends the others
        assert process.wait(60) != 0
    said = (large.folder / "run.out").read_text() + (large.folder / "run.err").read_text()
    endings = large.endings("out")
    # the others may have made all before mpirun comes to end them
    assert endings == ["RELION_JOB_EXIT_FAILURE"] or (rank and endings == ["RELION_JOB_EXIT_SUCCESS"]), said
    if endings == ["RELION_JOB_EXIT_FAILURE"]:
        large.shell(job("out", "--only_do_unfinished", ranks=2))
    require_undisturbed(large)


@contextmanager
def started(project: Project, size: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start ranks without mpirun, as launchers do that let the others live when one dies."""
    ranks = list[subprocess.Popen[bytes]]()
    for rank in range(size):
        variables = {"PMI_RANK": str(rank), "PMI_SIZE": str(size), "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "1"}
        words = f"exec relion_tomo_subtomo_mpi {SIZES} --o out/ --pipeline_control out/ >> rank{rank}.out 2>&1"
        ranks.append(subprocess.Popen(["bash", "-c", words], cwd=project.folder, env={**os.environ, **variables}))
    try:
        yield ranks
    finally:
        for process in ranks:
            process.kill()
            process.wait()


def test_the_other_ranks_take_over_what_a_dead_one_had_begun(large: Project) -> None:
    out = large.folder / "out"
    with started(large, 3) as ranks:
        while not list(out.glob(".subtomo/ranks-*/tasks/*.by-1")):
            assert ranks[0].poll() is None, "the job was over too soon"
            time.sleep(0.001)
        ranks[1].kill()
        assert [process.wait(120) for process in ranks] == [0, -signal.SIGKILL, 0]
    told = (large.folder / "rank0.out").read_text()
    assert "warning: rank 1 has died; the others make its particles" in told
    assert (large.folder / "rank2.out").read_text() == ""
    assert large.endings("out") == ["RELION_JOB_EXIT_SUCCESS"]
    assert main(["extract", *SIZES.split(), "--o", "alone/", "--j", "2"]) == 0
    assert large.differing("out", "alone") == []


def test_a_dead_first_rank_is_noticed_by_the_others(large: Project) -> None:
    with started(large, 2) as ranks:
        wait_for_volumes(large.folder / "out", ranks[0], 4)
        ranks[0].kill()
        assert ranks[1].wait(60) == 0
    assert large.endings("out") == ["RELION_JOB_EXIT_FAILURE"]
