"""Run tasks on the workers of a Dask client, and notice when there are none, or when the scheduler is gone.

`distributed` is imported when it is asked for.
"""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from subtomo.errors import InputError
from subtomo.jobs.dask_workers import CheckedFunction, refuse_other_workers

_ATTEMPTS = 3
"""A batch that fails is tried again this often less one; workers that die count, too."""
_BATCHES_PER_WORKER = 4
"""In flight at a time: enough to keep workers busy, few enough for any scheduler."""
_POLL_SECONDS = 1.0
SILENT_SECONDS = 30.0
"""So long without any worker, and the user hears of it."""
PATIENCE_SECONDS = 300.0
"""So long without any worker, and the run ends."""
_ANSWER_SECONDS = 30.0
"""In which a scheduler must say how many workers it has."""


_Running = dict[Any, tuple[Any, int]]
"""Future to its task and the number of the attempt."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    task: Any
    result: Any = None
    error: Any = None
    """Exception of the last attempt; None if it succeeded."""
    attempts: int = 1


class Workers:
    """The workers of a Dask client, so far as their number goes.

    Args:
        client: A ``distributed.Client``.
        tell: Hears that there are none, and for how long.
        patience_seconds: How long to wait for one.
    """

    def __init__(
        self, client: Any, tell: Callable[[str], None] = lambda message: None, patience_seconds: float | None = None
    ) -> None:
        self._client, self._tell = client, tell
        self._patience = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
        self._none_since: float | None = None
        self._told = False

    def n_threads(self) -> int:
        """Count the threads of all workers.

        Raises:
            InputError: The scheduler does not answer.
        """
        if self._client.status != "running":
            raise scheduler_gone(f"the connection is {self._client.status}")
        try:
            per_worker = self._client.sync(self._client.scheduler.ncores, callback_timeout=_ANSWER_SECONDS)
        except (OSError, TimeoutError, RuntimeError, AttributeError) as problem:
            raise scheduler_gone(problem) from problem
        return int(sum(per_worker.values()))

    def watch(self) -> None:
        """Look whether there are workers; to be called about every second while nothing happens.

        Raises:
            InputError: There have been none for too long, or the scheduler is gone.
        """
        if self.n_threads():
            self._none_since, self._told = None, False
            return
        now = time.monotonic()
        self._none_since = self._none_since or now
        waited = now - self._none_since
        if waited >= self._patience:
            raise InputError(
                f"no Dask worker for {waited:.0f} s, so the run ends; finished particles are kept: start workers, and "
                "run again with resume=True to go on",
                field="resume",
            )
        if waited >= SILENT_SECONDS and not self._told:
            self._told = True
            self._tell(f"no worker for {waited:.0f} s, waiting (Ctrl-C ends; run again to go on)")

    def wait_for_one(self) -> None:
        """Return as soon as there is a worker; raises what `watch` raises."""
        while not self.n_threads():
            self.watch()
            time.sleep(_POLL_SECONDS)


class DaskExecutor:
    """Runs a function over tasks on the workers of a Dask client; each task is tried up to three times.

    Args:
        client: A ``distributed.Client``.
        output_dir: Folder that every worker must see, or None.
        workers: Says whether there are any.
    """

    def __init__(self, client: Any, output_dir: str | None = None, workers: Workers | None = None) -> None:
        self._client, self._output_dir = client, output_dir
        self._workers = workers or Workers(client)

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Outcome]:
        """Yield an outcome per task as they come; only some tasks are with the scheduler at a time.

        Raises:
            InputError: The scheduler is gone, there are no workers for minutes, or one of another version came later.
        """
        waiting, running = iter(tasks), _Running()
        checked = CheckedFunction(function)
        finished = queue.SimpleQueue[Any]()
        try:
            while True:
                while len(running) < self._capacity() and (task := next(waiting, None)) is not None:
                    self._submit(checked, task, 1, running, finished)
                if not running:
                    return
                future = self._next(finished)
                task, attempt = running.pop(future)
                error = self._error_of(future)
                if error is not None:
                    # a worker that came later may be of another version, or without the package
                    self._refuse_others()
                    if attempt < _ATTEMPTS:
                        self._submit(checked, task, attempt + 1, running, finished)
                        continue
                result = None if error is not None else checked.unpacked(future.result())
                future.release()
                yield Outcome(task, result, error, attempt)
        finally:
            for future in running:
                with suppress(Exception):
                    future.cancel()

    def _next(self, finished: queue.SimpleQueue[Any]) -> Any:
        """Wait for a future that is done, and look after the workers meanwhile."""
        while True:
            try:
                return finished.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                self._workers.watch()

    def _refuse_others(self) -> None:
        try:
            refuse_other_workers(self._client, self._output_dir)
        except (OSError, TimeoutError, RuntimeError) as problem:
            raise scheduler_gone(problem) from problem

    def _submit(
        self, function: CheckedFunction, task: Any, attempt: int, running: _Running, finished: queue.SimpleQueue[Any]
    ) -> None:
        try:
            future = self._client.submit(
                function.remote, *function.packed(task), pure=False, key=f"extract-{secrets.token_hex(8)}"
            )
        except (OSError, RuntimeError) as problem:
            raise scheduler_gone(problem) from problem
        running[future] = task, attempt
        future.add_done_callback(finished.put)

    def _capacity(self) -> int:
        return max(1, self._workers.n_threads()) * _BATCHES_PER_WORKER

    @staticmethod
    def _error_of(future: Any) -> BaseException | None:
        from distributed import CancelledError

        try:
            error: BaseException | None = future.exception()
        except (CancelledError, TimeoutError, OSError) as problem:
            raise scheduler_gone(problem) from problem
        return error


def scheduler_gone(problem: object) -> InputError:
    """Say that the scheduler does not answer any more."""
    reason = " ".join(str(problem).split())
    return InputError(
        f"the Dask scheduler is gone ({reason}); finished particles are kept: when it is back, start again with "
        "resume=True",
        field="resume",
    )
