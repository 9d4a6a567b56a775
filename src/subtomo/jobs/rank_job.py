"""A job that a launcher starts several times with one command line: the first rank leads, the others help or wait."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from subtomo.errors import InputError
from subtomo.jobs.control import PipelineControl
from subtomo.jobs.ranks import Ranks
from subtomo.jobs.rendezvous import ARRIVAL_SECONDS, END_SECONDS, PATIENCE_SECONDS, POLL_SECONDS, Rendezvous
from subtomo.jobs.signals import TerminatedError, termination_as_error

if TYPE_CHECKING:
    from subtomo.jobs.batches import BatchExecutor

_LEAVING_SECONDS = 5.0


class Leader:
    """The first rank, which alone speaks, writes STAR files, and fails.

    Args:
        output_dir: The output folder.
        ranks: This process among the others.
    """

    def __init__(self, output_dir: str, ranks: Ranks) -> None:
        self._meeting, self._ranks = Rendezvous(output_dir, ranks), ranks
        self._stack = ExitStack()

    def __enter__(self) -> Leader:
        """Sign, so that the others know that the job lives.

        Raises:
            InputError: Another run is at work there, or nothing can be written.
        """
        self._stack.enter_context(self._meeting.signed())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # a rank that comes when all is over would wait for a job that is gone
        if kind is None:
            self._meeting.wait_for(self._all_came, END_SECONDS)
        self._stack.close()
        others = range(1, self._ranks.size)
        if kind is None:
            self._meeting.wait_for(lambda: not any(map(self._meeting.lives, others)), _LEAVING_SECONDS)
        self._meeting.clear()

    def workers(self, threads: int, tell: Callable[[str], None]) -> tuple[int, BatchExecutor | None]:
        """Say how to work with what the ranks were given: with threads of this process, or together.

        Args:
            threads: Of every rank.
            tell: Hears of ranks that died.

        Returns:
            Threads of this process; and what hands work to all ranks, if they are on several hosts.
        """
        if self._ranks.is_one_host:
            self._meeting.wait_for(self._all_came, ARRIVAL_SECONDS)
            _use(self._meeting.cores_of_host())
            return self._ranks.size * threads, None
        from subtomo.jobs.rank_executor import RankExecutor

        return threads, RankExecutor(self._meeting, threads, tell)

    def _all_came(self) -> bool:
        return all(map(self._meeting.is_signed, range(self._ranks.size)))


def follow(output_dir: str, ranks: Ranks, threads: int, control_prefix: str | None) -> None:
    """Be one of the other ranks: help if the job runs on several hosts, otherwise wait for its end; say nothing.

    Should the first rank be killed, the pipeline is told that the job failed, which nobody else could.
    """
    meeting = Rendezvous(output_dir, ranks)

    def leader_died() -> bool:
        return meeting.is_signed(0) and not meeting.lives(0)

    try:
        with suppress(InputError), termination_as_error(follow.__code__), ExitStack() as stack:
            stack.enter_context(meeting.signed())
            if not meeting.wait_for(lambda: meeting.lives(0), PATIENCE_SECONDS):
                return
            if not ranks.is_one_host:
                from subtomo.jobs.rank_executor import Hands, Workshop

                stack.enter_context(Hands(Workshop(meeting), threads))
            while meeting.lives(0):
                meeting.wait_for(lambda: not meeting.is_signed(0), POLL_SECONDS)
    except TerminatedError:
        # launchers end all ranks if one dies
        pass
    if leader_died():
        PipelineControl(control_prefix).fail()


def _use(cores: set[int]) -> None:
    """Let this process use the cores of all ranks: launchers bind each rank to some of them."""
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)
