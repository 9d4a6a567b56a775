"""Passes over particles whose batches are worked on elsewhere: what they need travels in files of a shared folder."""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from subtomo.backends.registry import alignment_backend
from subtomo.errors import InputError
from subtomo.refinement.passes import Batch, BatchPart, PassPlan, work_on
from subtomo.refinement.poses import Poses
from subtomo.refinement.store import TermStore

_STORE = "particles.pickle"


class PassExecutor(Protocol):
    """Runs a function over tasks somewhere else, in any order, and tries again what failed."""

    def run(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield an outcome per task: ``task``, ``result`` and ``error`` (None if there is a result)."""


@dataclass(frozen=True, eq=False)
class SpreadPasses:
    """Works on the batches of passes elsewhere, and gives the parts in the order of the batches.

    Args:
        executor: Where.
        folder: Its own, and absolute; everyone who works must see it.
    """

    executor: PassExecutor
    folder: Path

    def __call__(self, plan: PassPlan, poses: Poses, batches: Iterable[Batch]) -> Iterator[BatchPart]:
        """Yield what each batch found.

        Raises:
            InputError: A batch failed again and again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        store, name = self.folder / _STORE, self.folder / f"pass-{secrets.token_hex(8)}.pickle"
        if not store.exists():
            _write(store, plan.store)
        _write(name, ({key: value for key, value in vars(plan).items() if key != "store"}, poses))
        tasks = [_Task(number, batch, str(store), str(name)) for number, batch in enumerate(batches)]
        waiting, wanted = dict[int, BatchPart](), 0
        try:
            for outcome in self.executor.run(_work_elsewhere, tasks):
                if outcome.error is not None:
                    raise InputError(
                        f"a batch of {len(outcome.task.batch[1])} particles could not be refined on the workers "
                        f"({type(outcome.error).__name__}: {outcome.error}); mend it, and go on with resume=True",
                        field="resume",
                    )
                # sums must be added up in one order, whoever is first
                waiting[outcome.task.number] = outcome.result
                while wanted in waiting:
                    yield waiting.pop(wanted)
                    wanted += 1
        finally:
            name.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class _Task:
    """A batch, and where to find what it needs."""

    number: int
    batch: Batch
    store: str
    plan: str


@dataclass(eq=False)
class _Loaded:
    """What a worker has read; the terms of its particles stay from pass to pass."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    files: dict[str, Any] = field(default_factory=dict)

    def plan(self, task: _Task) -> tuple[PassPlan, Poses]:
        """Give the pass of a task."""
        with self.lock:
            if task.store not in self.files:
                self.files = {task.store: _read(task.store)}
            if task.plan not in self.files:
                # only the latest pass is needed
                values, poses = _read(task.plan)
                store: TermStore = self.files[task.store]
                self.files = {task.store: store, task.plan: (PassPlan(store=store, **values), poses)}
            found: tuple[PassPlan, Poses] = self.files[task.plan]
            return found


_LOADED, _LOCAL = _Loaded(), threading.local()


def _work_elsewhere(task: _Task) -> BatchPart:
    """Work on a batch in a worker."""
    plan, poses = _LOADED.plan(task)
    if not hasattr(_LOCAL, "backend"):
        _LOCAL.backend = alignment_backend()
    part: BatchPart = work_on(plan, poses, task.batch, _LOCAL.backend)
    return part


def _write(path: Path, value: object) -> None:
    """Write a file that appears whole."""
    temporary = path.with_suffix(".part")
    temporary.write_bytes(pickle.dumps(value))
    os.replace(temporary, path)


def _read(path: str) -> Any:
    return pickle.loads(Path(path).read_bytes())
