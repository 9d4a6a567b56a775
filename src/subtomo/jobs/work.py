"""Make the particles of a plan, on threads of this process or in batches elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.extraction.extractors import Extractor, make_extractor
from subtomo.extraction.noise import with_noise
from subtomo.extraction.patches import read_patches_ahead
from subtomo.extraction.threads import one_ahead, run_in_two_steps
from subtomo.jobs.batches import Batch, BatchExecutor, divide, extract_batch, subset
from subtomo.jobs.particle import Computed, Made, ParticleMaker, explained
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import OutputSettings
from subtomo.output.layout import OutputLayout
from subtomo.output.summary import Failure
from subtomo.output.sums import ParticleSums
from subtomo.output.write import Written

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Work:
    """All that there is to do."""

    plan: ExtractionPlan
    layout: OutputLayout
    output: OutputSettings
    done: Mapping[str, Bool]
    """Tomogram to which of its planned particles are finished."""
    sums_of_done: bool
    """Whether finished particles belong to the sums."""

    def todo(self, entry: SeriesPlan) -> Bool:
        """Tell which particles of a tomogram are to be made."""
        return ~self.done[entry.series.name]

    def wanted(self, entry: SeriesPlan) -> Bool:
        """Tell which particles of a tomogram are to be made or read."""
        todo = self.todo(entry)
        return np.ones_like(todo) if self.output.write_sums and self.sums_of_done else todo


@dataclass(frozen=True, eq=False)
class Finished:
    """What became of one particle."""

    entry: SeriesPlan
    index: int
    """In the plan of its tomogram."""
    name: str
    failure: Failure | None
    is_synced: bool
    """Whether its files are on the disk, not only with the operating system."""


class Worker:
    """Does the work, and adds up what is added up over all particles.

    Args:
        work: What to do.
        before_tomogram: Called before each tomogram; may raise to stop everything.
    """

    def __init__(self, work: Work, before_tomogram: Callable[[str], None]) -> None:
        self._work, self._before = work, before_tomogram
        self._maker = ParticleMaker(work.plan.settings, work.output, work.layout)
        numbers = accumulate((len(divide(entry, work.plan.settings)) for entry in work.plan.series), initial=0)
        self._first = {entry.series.name: n for entry, n in zip(work.plan.series, numbers, strict=False)}
        self.written = Written()
        self.sums = ParticleSums(work.plan.settings.crop) if work.output.write_sums else None
        self.noise: dict[str, tuple[float, ...]] = {}
        """Tilt series to the noise power per shell of its whitened particles, as far as it was measured."""
        self.batches_without_sums = 0
        """Batches that failed as a whole, so that the sums lack what is finished of them, too."""

    def on_threads(self, threads: int) -> Generator[Finished, None, None]:
        """Make particles here, in the order of the plan; those that were only read for the sums are not told of."""
        number, sums = -1, None
        for task, made in run_in_two_steps(_computed, self._written, self._tasks(), threads):
            self.written += made.written
            if self.sums is not None:
                if task.batch != number:
                    self._merge(sums)
                    number, sums = task.batch, ParticleSums(self._work.plan.settings.crop)
                if sums is not None and made.volume is not None:
                    sums.add(made.volume)
            if task.is_new:
                yield Finished(task.entry, task.index, made.name, made.failure, is_synced=False)
        self._merge(sums)

    def elsewhere(self, executor: BatchExecutor) -> Generator[Finished, None, None]:
        """Make particles in batches on an executor, in the order in which these come back."""
        places: dict[int, tuple[SeriesPlan, list[int]]] = {}
        sums, unmeasured = _SumsInOrder(self), list[tuple[SeriesPlan, str]]()
        for outcome in executor.run(extract_batch, self._batches(places, sums, unmeasured)):
            batch: Batch = outcome.task
            entry, members = places.pop(batch.number)
            result, failures = outcome.result, dict[str, Failure]()
            if result is None:
                text = explained(outcome.error) if isinstance(outcome.error, BaseException) else str(outcome.error)
                failures = {name: Failure(name, entry.series.name, text) for name in batch.names_todo}
                self.batches_without_sums += 1
            else:
                self.written += result.written
                failures = {failure.particle: failure for failure in result.failures}
            sums.came(batch.number, batch.sums_file if result is not None else None)
            for index, name, todo in zip(members, batch.names, batch.todo.tolist(), strict=True):
                if todo:
                    yield Finished(entry, index, name, failures.get(name), is_synced=True)
        for entry, text in unmeasured:
            for index in np.flatnonzero(self._work.todo(entry)).tolist():
                name = str(self._work.plan.particles.names[entry.particles[index]])
                yield Finished(entry, index, name, Failure(name, entry.series.name, text), is_synced=True)

    def merge_file(self, path: str) -> None:
        """Add the sums over a batch, and remove their file."""
        self._merge(ParticleSums.load(path))
        os.unlink(path)

    def _merge(self, sums: ParticleSums | None) -> None:
        if self.sums is not None and sums is not None:
            self.sums.merge(sums)

    def _tasks(self) -> Iterator[_Task]:
        """List what is to be done to each particle, one tomogram after the other; the next is prepared meanwhile."""
        for entry, extractor in one_ahead(self._prepared, self._work.plan.series):
            self._before(entry.series.name)
            wanted, todo = self._work.wanted(entry), self._work.todo(entry)
            for number, members in self._batches_of(entry):
                for index in filter(wanted.__getitem__, members):
                    step = self._step(entry, index, extractor if todo[index] else None)
                    yield _Task(number, entry, index, bool(todo[index]), step)

    def _written(self, computed: tuple[_Task, Computed | Made]) -> tuple[_Task, Made]:
        """Write what a task has computed, on a thread that does nothing else."""
        return computed[0], self._maker.write(computed[1])

    def _prepared(self, entry: SeriesPlan) -> tuple[SeriesPlan, Extractor | str | None]:
        """Compute what the particles of a tomogram share, or tell why that cannot be done."""
        todo = self._work.todo(entry)
        if not todo.any():
            return entry, None
        try:
            read_patches_ahead(entry, self._work.plan.settings, todo)
            extractor = make_extractor(entry, self._work.plan.particles, self._work.plan.settings)
            self._note_noise(extractor.plan)
            return entry, extractor
        except Exception as error:
            return entry, explained(error)

    def _note_noise(self, measured: SeriesPlan) -> None:
        if measured.noise is not None:
            self.noise[measured.series.name] = tuple(float(f"{power:.4g}") for power in measured.noise.spectrum)

    def _step(self, entry: SeriesPlan, index: int, extractor: Extractor | str | None) -> Callable[[], Computed | Made]:
        particles = self._work.plan.particles
        if extractor is None:
            return partial(self._maker.reread, entry, particles, index)
        if isinstance(extractor, str):
            name = str(particles.names[entry.particles[index]])
            return partial(Made, name, failure=Failure(name, entry.series.name, extractor))
        return partial(self._maker.compute, extractor, index)

    def _batches(
        self,
        places: dict[int, tuple[SeriesPlan, list[int]]],
        sums: _SumsInOrder,
        unmeasured: list[tuple[SeriesPlan, str]],
    ) -> Iterator[Batch]:
        """Pack the work; what is not to be made or read is left out, but batches keep their bounds and numbers.

        The noise of a series is measured here, on all of its particles, since batches see only some.
        """
        work, plan = self._work, self._work.plan
        # a worker may have another working folder
        layout = replace(work.layout, folder=os.path.join(os.path.abspath(work.layout.folder), ""))
        for entry in plan.series:
            self._before(entry.series.name)
            wanted, todo = work.wanted(entry), work.todo(entry)
            measured = entry
            try:
                measured = with_noise(entry, plan.particles, plan.settings) if todo.any() else entry
                self._note_noise(measured)
            except InputError as error:
                unmeasured.append((entry, explained(error)))
                wanted = wanted & ~todo
            for number, members in self._batches_of(entry):
                indices = np.array([i for i in members if wanted[i]], np.int64)
                if not len(indices):
                    sums.came(number, None)
                    continue
                places[number] = entry, indices.tolist()
                file = layout.partial_sum(number) if self.sums is not None else None
                part, particles = subset(measured, plan.particles, indices)
                yield Batch(number, part, particles, plan.settings, work.output, layout, todo[indices], file)

    def _batches_of(self, entry: SeriesPlan) -> Iterator[tuple[int, range]]:
        """Give number and particles of the batches of a tomogram."""
        return enumerate(divide(entry, self._work.plan.settings), self._first[entry.series.name])


@dataclass(frozen=True, eq=False)
class _Task:
    """One particle, on threads."""

    batch: int
    entry: SeriesPlan
    index: int
    is_new: bool
    """Whether it is made, not only read."""
    step: Callable[[], Computed | Made]


def _computed(task: _Task) -> tuple[_Task, Computed | Made]:
    return task, task.step()


class _SumsInOrder:
    """Merges the sums over batches in the order of the batches, each as soon as all before it are there."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._next = worker, 0
        self._waiting: dict[int, str | None] = {}

    def came(self, number: int, file: str | None) -> None:
        """Hear that a batch has come back, with the file of its sums if it has one."""
        self._waiting[number] = file
        while self._next in self._waiting:
            path = self._waiting.pop(self._next)
            if path is not None:
                self._worker.merge_file(path)
            self._next += 1
