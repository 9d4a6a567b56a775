"""Work in pieces that can travel: some particles of one tilt series, with all that is needed to make and write them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError, SubtomoError
from subtomo.extraction.noise import with_noise
from subtomo.extraction.stream import Outcome, ParticleStream, explained
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.subtomogram import Extracted
from subtomo.output.batching import BatchNumbers
from subtomo.output.sink import Sink, SinkPart

Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some particles of one tilt series; small to pickle, and tilt images are opened where it is worked on."""

    number: int
    """Its place among all batches, in the order of extraction."""
    plan: ExtractionPlan
    """Of these particles and no others, without their tables."""
    done: Bool
    """(n,) True for finished particles, which are here for the sake of sinks that want them, too."""
    parts: tuple[SinkPart[Any], ...]
    """What writes; folders are the same everywhere, and exist."""
    reader: int | None = None
    """Which of the parts reads finished particles."""

    def __len__(self) -> int:
        return len(self.plan)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its particles."""
        return tuple(self.plan.particles.names.tolist())


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch."""

    number: int
    problems: Mapping[str, str]
    """Name of each particle that could not be made to the reason."""
    reports: tuple[Any, ...]
    """Of the parts; the files of the other particles are whole and on the disk."""


class BatchOutcome(Protocol):
    """What an executor says of a batch: its result, or why there is none."""

    @property
    def task(self) -> Batch:
        """The batch."""

    @property
    def result(self) -> BatchResult | None:
        """None if no attempt succeeded."""

    @property
    def error(self) -> Any:
        """Exception or text of the last attempt; None if it succeeded."""


class BatchExecutor(Protocol):
    """Runs a function over tasks somewhere else, in any order, and tries again what failed."""

    def run(self, function: Any, tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield a `BatchOutcome` per task."""


def extract_batch(batch: Batch) -> BatchResult:
    """Make and write the particles of a batch; a second time does no harm.

    Raises:
        InputError: A file cannot be made, or a finished particle cannot be read.
        OSError: Writing failed, for instance on a full disk.
    """
    (entry,) = batch.plan.series
    parts, names = batch.parts, batch.plan.particles.names

    def write(particle: Extracted, entry: SeriesPlan) -> tuple[Any, ...]:
        return tuple(part.write(particle, entry) for part in parts)

    def reread(entry: SeriesPlan, index: int) -> tuple[Any, ...]:
        assert batch.reader is not None
        particle = parts[batch.reader].read(entry, index, str(names[entry.particles[index]]))
        return tuple(None if i == batch.reader else part.write(particle, entry) for i, part in enumerate(parts))

    read = None if batch.reader is None else reread
    stream = ParticleStream(batch.plan, write, read, {entry.series.name: batch.done})
    problems = dict[str, str]()
    for outcome in stream.outcomes():
        if outcome.error is not None:
            problems[outcome.name] = explained(outcome.error)
        for part, receipt in zip(parts, outcome.made or (None,) * len(parts), strict=True):
            part.accept(outcome, receipt)
    return BatchResult(batch.number, problems, tuple(part.report() for part in parts))


@dataclass(frozen=True, eq=False)
class BatchedWork:
    """The particles of a plan that are to be made elsewhere."""

    plan: ExtractionPlan
    sinks: Sequence[Sink[Any]]
    done: Mapping[str, Bool]
    """Tilt series to which of its planned particles are finished."""
    reader: int | None
    """Which of the sinks reads finished particles that others want; None if none does."""
    before_series: Callable[[str], None]
    on_open: Callable[[SeriesPlan], None]
    """Hears of each tilt series with what was measured on it."""

    def outcomes(self, executor: BatchExecutor) -> Generator[Outcome[None], None, None]:
        """Yield an outcome per particle in the order in which batches come back."""
        places: dict[int, tuple[SeriesPlan, list[int]]] = {}
        unmeasured = list[tuple[SeriesPlan, InputError]]()
        for answer in executor.run(extract_batch, self._batches(places, unmeasured)):
            batch: Batch = answer.task
            entry, members = places.pop(batch.number)
            result = answer.result
            problems: Mapping[str, str]
            if result is None:
                text = explained(answer.error) if isinstance(answer.error, BaseException) else str(answer.error)
                problems = dict.fromkeys(batch.names, text)
                self._came_back(batch.number, None, is_lost=True)
            else:
                problems = result.problems
                self._came_back(batch.number, result.reports)
            for index, name, is_done in zip(members, batch.names, batch.done.tolist(), strict=True):
                if not is_done:
                    error = RemoteError(problems[name]) if name in problems else None
                    yield Outcome(entry, index, name, error=error)
        for entry, problem in unmeasured:
            for index in np.flatnonzero(~self.done[entry.series.name]).tolist():
                name = str(self.plan.particles.names[entry.particles[index]])
                yield Outcome(entry, index, name, error=problem)

    def _came_back(self, number: int, reports: Sequence[Any] | None, *, is_lost: bool = False) -> None:
        for sink, report in zip(self.sinks, reports or (None,) * len(self.sinks), strict=True):
            sink.came_back(number, report)
            if is_lost:
                sink.lost(number)

    def _batches(
        self, places: dict[int, tuple[SeriesPlan, list[int]]], unmeasured: list[tuple[SeriesPlan, InputError]]
    ) -> Iterator[Batch]:
        """Pack the work; what is not to be made or read is left out, but batches keep their bounds and numbers.

        The noise of a series is measured here, on all of its particles, since batches see only some.
        """
        numbers = BatchNumbers(self.plan)
        for entry in self.plan.series:
            self.before_series(entry.series.name)
            done = self.done[entry.series.name]
            wanted = np.ones_like(done) if self.reader is not None else ~done
            measured = entry
            try:
                if not done.all():
                    measured = with_noise(entry, self.plan.particles, self.plan.settings)
                    self.on_open(measured)
            except InputError as error:
                unmeasured.append((entry, error))
                wanted = wanted & done
            for number, members in numbers.of_series(entry):
                indices = np.array([i for i in members if wanted[i]], np.int64)
                if not len(indices):
                    self._came_back(number, None)
                    continue
                places[number] = entry, indices.tolist()
                parts = tuple(sink.part(number) for sink in self.sinks)
                yield Batch(number, subset(self.plan, measured, indices), done[indices], parts, self.reader)


class RemoteError(SubtomoError):
    """A particle could not be made on another machine; the message says why."""


def subset(plan: ExtractionPlan, entry: SeriesPlan, indices: NDArray[np.int64]) -> ExtractionPlan:
    """Take some particles of a tilt series as a plan of its own, without what extraction does not need."""
    few: ParticleSet = plan.particles.take(entry.particles[indices], with_tables=False, with_trajectories=False)
    part = replace(entry.take(indices), particles=np.arange(len(indices)))
    return ExtractionPlan(plan.settings, few, (part,), ())
