"""Who one is among the processes of a launcher, and how these share work."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from subtomo.errors import InputError
from subtomo.jobs.rank_executor import Hands, RankExecutor, Workshop
from subtomo.jobs.ranks import ALONE, Ranks, ranks_of
from subtomo.jobs.rendezvous import Rendezvous
from tests.cluster.tasks import double, fail_on_seven


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, ALONE),
        (
            {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "5", "OMPI_COMM_WORLD_LOCAL_RANK": "2",
             "OMPI_COMM_WORLD_LOCAL_SIZE": "5", "PMIX_NAMESPACE": "3@1"},
            Ranks(2, 5, 2, 5, "3-1"),
        ),
        (
            {"PMI_RANK": "1", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"},
            Ranks(1, 4, 1, 2, "job"),
        ),
        # without a word on hosts, each may be on its own
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, Ranks(1, 4, 0, 1, "job")),
        (
            {"SLURM_PROCID": "7", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "3", "SLURM_JOB_ID": "55",
             "SLURM_STEP_TASKS_PER_NODE": "4(x2)", "SLURM_STEP_ID": "0"},
            Ranks(7, 8, 3, 4, "55.0"),
        ),
        # a batch script runs once, however many tasks the job may have
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "55"}, ALONE),
        # mpirun within a step of srun
        (
            {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "OMPI_COMM_WORLD_RANK": "1",
             "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
            Ranks(1, 2, 1, 2, "job"),
        ),
        ({"OMPI_COMM_WORLD_RANK": "x", "OMPI_COMM_WORLD_SIZE": ""}, ALONE),
    ],
)  # fmt: skip
def test_launchers_tell_who_one_is(variables: dict[str, str], found: Ranks) -> None:
    assert ranks_of(variables) == found


def test_tasks_come_back_from_all_ranks_and_failures_after_three_attempts(tmp_path: Path) -> None:
    first, second = (Rendezvous(str(tmp_path), Ranks(rank, 2)) for rank in range(2))
    with first.signed(), second.signed(), Hands(Workshop(second), 2):
        outcomes = list(RankExecutor(first, 1, pytest.fail).run(double, range(30)))
        assert sorted(outcome.task for outcome in outcomes) == list(range(30))
        assert all(outcome.result == 2 * outcome.task and outcome.error is None for outcome in outcomes)
        failed = {outcome.task: outcome for outcome in RankExecutor(first, 1, pytest.fail).run(fail_on_seven, range(9))}
    assert failed[7].attempts == 3
    assert "seven is too much" in failed[7].error
    assert all(outcome.error is None for task, outcome in failed.items() if task != 7)
    first.clear()
    assert not list(tmp_path.rglob("*"))


def test_a_second_job_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subtomo.jobs.rendezvous.LOCK_SECONDS", 0.2)
    with (
        Rendezvous(str(tmp_path), Ranks(0, 2)).signed(),
        pytest.raises(InputError, match="another run is at work"),
        Rendezvous(str(tmp_path), Ranks(0, 2)).signed(),
    ):
        pass


def test_a_rank_of_another_host_is_dead_when_it_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subtomo.jobs.rendezvous.HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr("subtomo.jobs.rendezvous.SILENT_SECONDS", 0.5)
    names = {"rank": "away"}
    here = threading.get_ident()
    monkeypatch.setattr(
        "subtomo.jobs.rendezvous.socket.gethostname",
        lambda: "near" if threading.get_ident() == here else names["rank"],
    )
    first, far = Rendezvous(str(tmp_path), Ranks(0, 2)), Rendezvous(str(tmp_path), Ranks(1, 2))
    with far.signed():
        time.sleep(0.2)  # until the thread has written the other host's name, of the same length
        for _ in range(8):
            assert first.lives(1)
            time.sleep(0.1)
        monkeypatch.setattr("subtomo.jobs.rendezvous._write", lambda handle, beat: None)
        assert first.wait_for(lambda: not first.lives(1), 5)
