"""Batches for the ranks of a job on several hosts: files in the folder where they meet, each claimed by renaming it."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subtomo.extraction.stream import explained
from subtomo.io.atomic import atomic_write
from subtomo.jobs.dask_executor import Outcome
from subtomo.jobs.rendezvous import POLL_SECONDS, Rendezvous

_ATTEMPTS = 3
"""A batch that fails is tried again this often less one; ranks that die count, too."""
_WAITING_PER_THREAD = 2
"""Batches that are laid out: enough to keep all ranks busy, few enough to stop soon."""
_LOOK_SECONDS = 1.0
"""Between two looks at who is alive."""


@dataclass(frozen=True)
class _Done:
    """What a rank says of a task."""

    result: Any
    problem: str | None


class Workshop:
    """The folder of tasks: laid out as `N.todo`, claimed as `N.by-RANK`, finished as `N.done`.

    Args:
        meeting: Where the ranks meet.
    """

    def __init__(self, meeting: Rendezvous) -> None:
        self._folder, self._rank = meeting.folder / "tasks", meeting.ranks.rank

    def open(self) -> None:
        """Make the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def lay_out(self, number: int, function: Callable[[Any], Any], task: Any) -> None:
        """Offer a task."""
        self._write(number, "todo", (function, task))

    def lay_out_again(self, number: int, rank: int) -> None:
        """Offer what a rank claimed that is dead."""
        with suppress(FileNotFoundError):
            self._path(number, f"by-{rank}").rename(self._path(number, "todo"))

    def work(self) -> bool:
        """Claim a task and do it; False if there is none."""
        for number, state in self._all():
            if state != "todo":
                continue
            claimed = self._path(number, f"by-{self._rank}")
            try:
                self._path(number, state).rename(claimed)
                function, task = pickle.loads(claimed.read_bytes())
            except FileNotFoundError:
                continue  # another one was faster
            try:
                done = _Done(function(task), None)
            except Exception as error:
                done = _Done(None, explained(error))
            # the folder goes when the job ends early
            with suppress(FileNotFoundError):
                self._write(number, "done", done)
                claimed.unlink()
            return True
        return False

    def done(self) -> Iterator[tuple[int, _Done]]:
        """Take what is finished away."""
        for number, state in self._all():
            if state == "done":
                path = self._path(number, state)
                done = pickle.loads(path.read_bytes())
                path.unlink()
                yield number, done

    def claims(self) -> Iterator[tuple[int, int]]:
        """List tasks that are being done, and by which rank."""
        for number, state in self._all():
            if state.startswith("by-"):
                yield number, int(state.removeprefix("by-"))

    def withdraw(self) -> None:
        """Take away what nobody claimed yet."""
        for number, state in self._all():
            if state == "todo":
                self._path(number, state).unlink(missing_ok=True)

    def _all(self) -> list[tuple[int, str]]:
        with suppress(FileNotFoundError):
            names = (path.name.partition(".") for path in self._folder.iterdir())
            return sorted((int(number), state) for number, _, state in names if number.isdigit())
        return []

    def _path(self, number: int, state: str) -> Path:
        return self._folder / f"{number}.{state}"

    def _write(self, number: int, state: str, content: Any) -> None:
        with atomic_write(self._path(number, state)) as stream:
            stream.write(pickle.dumps(content))


class Hands:
    """Threads that work on whatever is laid out, until they are told to stop.

    Args:
        workshop: Where tasks are.
        threads: How many.
    """

    def __init__(self, workshop: Workshop, threads: int) -> None:
        self._workshop, self._stop = workshop, threading.Event()
        # daemons: what has to end at once leaves them behind
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Hands:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        if problem[0] is None:
            for thread in self._threads:
                thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            if not self._workshop.work():
                self._stop.wait(POLL_SECONDS)


class RankExecutor:
    """Runs a function over tasks in all ranks of a job, this one included; each task is tried up to three times.

    Args:
        meeting: Where the ranks meet; this process is the first.
        threads: Of every rank.
        tell: Hears of ranks that died.
    """

    def __init__(self, meeting: Rendezvous, threads: int, tell: Callable[[str], None]) -> None:
        self._meeting, self._threads, self._tell = meeting, threads, tell
        self._workshop = Workshop(meeting)
        self._dead = set[int]()
        self._last_look = 0.0

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Outcome]:
        """Yield an outcome per task as they come; only some tasks are laid out at a time."""
        self._workshop.open()
        capacity = _WAITING_PER_THREAD * self._threads * self._meeting.ranks.size
        running, waiting, number = dict[int, tuple[Any, int]](), iter(tasks), 0
        with Hands(self._workshop, self._threads):
            try:
                while True:
                    while len(running) < capacity and (task := next(waiting, None)) is not None:
                        running[number] = task, 1
                        self._workshop.lay_out(number, function, task)
                        number += 1
                    if not running:
                        return
                    yield from self._finished(function, running)
                    self._look_after(running)
                    time.sleep(POLL_SECONDS / 5)
            finally:
                self._workshop.withdraw()
                # nobody writes any more when the folder is given back
                while any(self._meeting.lives(rank) for _, rank in self._workshop.claims()):
                    time.sleep(POLL_SECONDS)

    def _finished(self, function: Callable[[Any], Any], running: dict[int, tuple[Any, int]]) -> Iterator[Outcome]:
        for number, done in self._workshop.done():
            if number not in running:
                continue  # the second copy, of a rank that was only slow
            task, attempt = running[number]
            if done.problem is not None and attempt < _ATTEMPTS:
                running[number] = task, attempt + 1
                self._workshop.lay_out(number, function, task)
                continue
            del running[number]
            yield Outcome(task, done.result, done.problem, attempt)

    def _look_after(self, running: dict[int, tuple[Any, int]]) -> None:
        """Give what dead ranks had begun to others."""
        now = time.monotonic()
        if now - self._last_look < _LOOK_SECONDS:
            return
        self._last_look = now
        for number, rank in list(self._workshop.claims()):
            if self._meeting.lives(rank):
                continue
            if rank not in self._dead:
                self._dead.add(rank)
                self._tell(f"rank {rank} has died; the others make its particles")
            if number in running:
                task, attempt = running[number]
                running[number] = task, attempt + 1
            self._workshop.lay_out_again(number, rank)
