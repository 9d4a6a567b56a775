"""Particles that are made where they are worked on: parts of a set that are small to pickle, and work on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError, SubtomoError
from subtomo.extraction.noise import with_noise
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.extraction.stream import explained
from subtomo.jobs.batches import BatchExecutor, subset
from subtomo.jobs.refine_sources import RefinementSource
from subtomo.model.plan import SeriesPlan
from subtomo.model.subtomogram import Extracted

Int = NDArray[np.int64]
Result = TypeVar("Result")

_BATCH = 32


class Part(NamedTuple):
    """Some particles of one tilt series."""

    rows: Int
    """(n,) of the source."""
    items: Sequence[Extracted | str]
    """The same, made when indexed; or why one cannot be read."""


@dataclass(frozen=True, eq=False)
class TravellingParticles:
    """The particles of a refinement or classification, for workers.

    Of tilt images only the plan travels, and workers read the images; particles that an extraction wrote are read here.

    Args:
        source: The particles.
        executor: Has the workers.
    """

    source: RefinementSource
    executor: BatchExecutor

    def parts(self, rows: Int) -> Iterator[Part]:
        """Divide particles into parts, in their order."""
        items, series = self.source.items, self.source.series[rows]
        plans = items.plan if isinstance(items, PseudoSubtomograms) else None
        bounds = np.flatnonzero(np.diff(series)) + 1
        measured = dict[int, SeriesPlan]()
        for run in np.split(rows, bounds):
            for first in range(0, len(run), _BATCH):
                some = run[first : first + _BATCH]
                if plans is None:
                    yield Part(some, [self._read(row) for row in some.tolist()])
                    continue
                starts = np.cumsum([0, *map(len, plans.series)])
                number = int(np.searchsorted(starts, some[0], side="right")) - 1
                if number not in measured:
                    # on all particles of the series, since workers see only some
                    measured[number] = with_noise(plans.series[number], plans.particles, plans.settings)
                few = subset(plans, measured[number], some - int(starts[number]))
                yield Part(some, PseudoSubtomograms.of_plan(few))

    def results(
        self, work: Callable[[Any], Result], rows: Int, task: Callable[[Part], Any]
    ) -> Iterator[tuple[Int, Result]]:
        """Work on particles elsewhere.

        Args:
            work: Of a module, so that it can be named to workers.
            rows: (n,) which particles.
            task: Makes what `work` is given, of a part.

        Yields:
            Rows and result of each part, as they come back.

        Raises:
            InputError: A part failed three times.
        """
        parts = dict[int, Int]()

        def tasks() -> Iterator[tuple[int, Any]]:
            for number, part in enumerate(self.parts(rows)):
                parts[number] = part.rows
                yield number, task(part)

        for outcome in self.executor.run(_Numbered(work), tasks()):
            number = outcome.task[0]
            if outcome.error is not None:
                why = explained(outcome.error) if isinstance(outcome.error, BaseException) else str(outcome.error)
                raise InputError(f"{len(parts[number])} particles could not be worked on by Dask workers: {why}")
            yield parts.pop(number), outcome.result

    def _read(self, row: int) -> Extracted | str:
        try:
            return self.source.items[row]
        except SubtomoError as error:
            return str(error)


@dataclass(frozen=True)
class _Numbered:
    """Drops the number of a task."""

    work: Callable[[Any], Any]

    def __call__(self, task: tuple[int, Any]) -> Any:
        return self.work(task[1])


class Readable(Sequence[Extracted]):
    """The items of a part, where they are worked on.

    Raises:
        InputError: When one is indexed that could not be read.
    """

    def __init__(self, part: Part) -> None:
        self._items = part.items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        """Make a particle."""
        found = self._items[index]
        if isinstance(found, str):
            raise InputError(found)
        return found
