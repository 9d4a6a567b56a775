"""One stream of particles: a plan becomes outcomes, on one thread or several, in the order of the plan.

Every job consumes it: files, Zarr groups, sums, averages from tilt images, the lazy sequence, the doctor's probe, and
batches that travel to other machines. Threads, reading ahead and failures are handled here and nowhere else.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import AnyBackend
from subtomo.errors import SubtomoError
from subtomo.extraction.extractor import new_backend
from subtomo.extraction.extractors import Extractor, make_extractor
from subtomo.extraction.patches import read_patches_ahead
from subtomo.extraction.threads import one_ahead, run_in_order, run_in_two_steps
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.subtomogram import Extracted

Bool = NDArray[np.bool_]
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Outcome(Generic[Made]):
    """What became of one particle."""

    entry: SeriesPlan
    """The plan of its tilt series."""
    index: int
    """Within that plan."""
    name: str
    made: Made | None = None
    """What the consumer made of the particle; None if there is none."""
    error: Exception | None = None
    """Why there is none."""
    is_new: bool = True
    """False for a finished particle that was only read."""

    @property
    def value(self) -> Made:
        """What was made; raises the error if there is none."""
        if self.error is not None:
            raise self.error
        assert self.made is not None
        return self.made


class ParticleMaker:
    """Makes single particles of a plan, in any thread: each thread gets a backend of its own.

    Args:
        plan: What is to be made.
        backend: Name of the backend, see `subtomo.backends`.
    """

    def __init__(self, plan: ExtractionPlan, backend: str = "cpu") -> None:
        self._plan, self._backend_name = plan, backend
        self._local = threading.local()

    def open_series(self, entry: SeriesPlan) -> Extractor:
        """Compute what the particles of a tilt series share.

        Raises:
            InputError: The series lacks the images, or the reconstruction, that its particles are made from.
        """
        return make_extractor(entry, self._plan.particles, self._plan.settings)

    def make(self, extractor: Extractor, index: int) -> Extracted:
        """Make the particle at ``index`` of an extractor's plan."""
        try:
            return extractor.extract(index, self._backend())
        except Exception:
            # what the backend holds of this particle must not leak into the next one
            self._local.__dict__.pop("backend", None)
            raise

    def _backend(self) -> AnyBackend:
        if not hasattr(self._local, "backend"):
            self._local.backend = new_backend(self._plan.settings, self._backend_name)
        backend: AnyBackend = self._local.backend
        return backend


@dataclass(frozen=True, eq=False)
class ParticleStream(Generic[Made]):
    """The particles of a plan, one after another.

    A particle that cannot be made is an outcome with an error, and so are all particles of a series that cannot be
    opened. Errors of the consumer's own functions (`then`, `read`, `before_series`) end the stream.
    """

    plan: ExtractionPlan
    then: Callable[[Extracted, SeriesPlan], Made]
    """What the consumer does with a particle as soon as it is made, in any thread; for instance to write it."""
    read: Callable[[SeriesPlan, int], Made] | None = None
    """Gives the same of a finished particle, in any thread; None leaves finished particles out of the stream."""
    done: Mapping[str, Bool] = field(default_factory=dict)
    """Tilt series to (n,) which of its planned particles are finished; series that are not named have none."""
    before_series: Callable[[str], None] = lambda name: None
    """Called with the name of each tilt series before its first particle; may raise to end the stream."""
    on_open: Callable[[SeriesPlan], None] = lambda entry: None
    """Hears of each tilt series that was opened, with what was measured on it; in any thread."""
    backend: str = "cpu"
    reads_ahead: bool = True
    """Prepare a tilt series, and ask for its patches, while the particles of the one before it are made."""

    def outcomes(self, threads: int = 1, *, writes_apart: bool = False) -> Generator[Outcome[Made], None, None]:
        """Yield an outcome per particle in the order of the plan, so that sums do not depend on the number of threads.

        Args:
            threads: Particles at a time; one means the calling thread.
            writes_apart: Let `then` run on as many threads again, for it waits for a disk.
        """
        make = partial(self._make, ParticleMaker(self.plan, self.backend))
        if writes_apart:
            yield from run_in_two_steps(make, self._finish, self._tasks(), threads)
        else:
            yield from run_in_order(lambda task: self._finish(make(task)), self._tasks(), threads)

    def todo(self, entry: SeriesPlan) -> Bool:
        """Which particles of a tilt series are to be made, (n,)."""
        done = self.done.get(entry.series.name)
        return np.ones(len(entry), bool) if done is None else ~done

    def _tasks(self) -> Iterator[_Task]:
        """List the particles; each series is opened when it is due, or while the one before it is in use."""
        opened = one_ahead(self._opened, self.plan.series) if self.reads_ahead else map(self._opened, self.plan.series)
        for entry, extractor in opened:
            self.before_series(entry.series.name)
            todo = self.todo(entry)
            wanted = np.ones_like(todo) if self.read is not None else todo
            for index in np.flatnonzero(wanted).tolist():
                yield _Task(entry, index, extractor if todo[index] else None)

    def _opened(self, entry: SeriesPlan) -> tuple[SeriesPlan, Extractor | Exception | None]:
        """Compute what the particles of a series share, or find out why that cannot be done."""
        todo = self.todo(entry)
        if not todo.any():
            return entry, None
        try:
            if self.reads_ahead:
                read_patches_ahead(entry, self.plan.settings, todo)
            extractor = make_extractor(entry, self.plan.particles, self.plan.settings)
            self.on_open(extractor.plan)
            return entry, extractor
        except Exception as error:
            return entry, error

    def _make(self, maker: ParticleMaker, task: _Task) -> tuple[_Task, Extracted | Exception | None]:
        """Make a particle; a finished one is left to `_finish`."""
        if task.extractor is None or isinstance(task.extractor, Exception):
            return task, task.extractor
        try:
            return task, maker.make(task.extractor, task.index)
        except Exception as error:
            return task, error

    def _finish(self, computed: tuple[_Task, Extracted | Exception | None]) -> Outcome[Made]:
        """Hand a particle to the consumer."""
        task, particle = computed
        entry, index = task.entry, task.index
        name = str(self.plan.particles.names[entry.particles[index]])
        if isinstance(particle, Exception):
            return Outcome(entry, index, name, error=particle)
        if particle is not None:
            return Outcome(entry, index, name, self.then(particle, entry))
        assert self.read is not None
        return Outcome(entry, index, name, self.read(entry, index), is_new=False)


@dataclass(frozen=True, eq=False)
class _Task:
    """One particle that is wanted."""

    entry: SeriesPlan
    index: int
    extractor: Extractor | Exception | None
    """What makes it, why nothing can, or None for a finished particle."""


def explained(error: BaseException) -> str:
    """Put an exception into words: the message, and for the program's own mistakes also kind and place."""
    if isinstance(error, SubtomoError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory to make it; use fewer threads (threads), or a smaller box (box_size)"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"unexpected {type(error).__name__}{place}: {error}"
