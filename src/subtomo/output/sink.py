"""The way out: where the particles of an extraction go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.extraction.memory import Memory
from subtomo.extraction.stream import Outcome
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.subtomogram import Extracted
from subtomo.output.room import Room
from subtomo.output.written import Written

Bool = NDArray[np.bool_]
Receipt = TypeVar("Receipt")


@dataclass(frozen=True)
class Opening:
    """How a job opens its sinks."""

    plan: ExtractionPlan
    resume: bool = False
    """Keep what an earlier run made with the same settings and inputs."""
    verify: bool = False
    """Compare the files of what is kept with their checksums."""
    project: str = ""
    """Folder that names of images are seen from; empty for the current one."""
    note: Callable[[str], None] = lambda message: None
    """Hears what is kept and what is not."""


class Sink(ABC, Generic[Receipt]):
    """Takes the particles of an extraction.

    A job calls `refuse`, then `open`, then `write` from several threads and `accept` from one, in the order of the
    plan; at last `conclude`, and `close` whatever happened. Where batches of particles are made on other machines, a
    `part` of the sink travels with each of them, and `came_back` takes what that part says at the end.
    """

    can_travel: ClassVar[bool] = False
    """Whether batches for this sink can be made on other machines."""
    compresses: ClassVar[bool] = False
    """Whether its output may take more room than it says."""

    def __init__(self) -> None:
        self.written = Written()
        """How much this run has written."""

    @property
    def hidden(self) -> str | None:
        """The folder, with a slash, of what a run keeps for itself, the lock among it; None if nothing is on disk."""
        return None

    @property
    def result(self) -> str:
        """The file that leads to all others."""
        return ""

    @property
    def done(self) -> Mapping[str, Bool] | None:
        """Tilt series to (n,) which of its planned particles need not be made; None if the sink keeps nothing."""
        return None

    @property
    def n_found(self) -> int:
        """How many particles an earlier run has left finished."""
        return 0 if self.done is None else sum(int(done.sum()) for done in self.done.values())

    @property
    def n_safe(self) -> int | None:
        """How many particles will stay if the run ends now; None for all that were accepted."""
        return None

    @property
    def takes_finished(self) -> bool:
        """Whether this sink wants particles, too, that another one has kept from an earlier run."""
        return False

    @property
    def can_read(self) -> bool:
        """Whether `read` gives back what was written, with all its bits."""
        return False

    def room(self, plan: ExtractionPlan) -> Room:
        """Tell what the output of a plan takes on the disk beyond what is there; the folder need not exist."""
        return Room()

    def memory(self, plan: ExtractionPlan) -> Memory:
        """Estimate what the way out takes in memory, besides what making the particles takes."""
        return Memory()

    def refuse(self, plan: ExtractionPlan) -> None:
        """Raise SettingsError or InputError if the sink cannot hold what the plan makes; nothing is touched yet."""

    def open(self, opening: Opening) -> None:
        """Make what must be there before the first particle, and see what an earlier run has left.

        Raises:
            InputError: Something is in the way, or damaged.
            SettingsError: What is to be kept was made with other settings.
        """

    @abstractmethod
    def write(self, particle: Extracted, entry: SeriesPlan) -> Receipt:
        """Take a particle, in any thread; what needs an order is left to `accept`."""

    def read(self, entry: SeriesPlan, index: int, name: str) -> Extracted:
        """Read a finished particle back, in any thread."""
        raise NotImplementedError

    @abstractmethod
    def accept(self, outcome: Outcome[Any], receipt: Receipt | None) -> None:
        """Take down what became of a particle; no receipt if it failed, or was made on another machine."""

    def part(self, number: int) -> SinkPart[Any]:
        """Give what writes a batch on another machine."""
        raise SettingsError(f"{type(self).__name__} cannot be written on other machines")

    def came_back(self, number: int, report: Any) -> None:
        """Take what the part of a batch reported; None if the batch failed as a whole or had nothing to do."""

    def lost(self, number: int) -> None:
        """Hear that a batch failed as a whole."""

    def missing(self, plan: ExtractionPlan) -> Iterator[tuple[SeriesPlan, int, str]]:
        """Look for the files of all particles of the plan, when all are made, and yield what is not there or not whole.

        Yields:
            Plan of the tilt series, index of the particle in it, and what is wrong.
        """
        return iter(())

    def conclude(self, plan: ExtractionPlan) -> tuple[str, ...]:
        """Complete the output, which holds the particles of the plan, and give warnings.

        Raises:
            OSError: Something could not be written.
        """
        return ()

    def close(self) -> None:
        """Let go of files and threads; what is finished stays."""


class SinkPart(ABC, Generic[Receipt]):
    """What a sink sends along with a batch: pickled there, and its report pickled back."""

    @abstractmethod
    def write(self, particle: Extracted, entry: SeriesPlan) -> Receipt:
        """Take a particle."""

    def read(self, entry: SeriesPlan, index: int, name: str) -> Extracted:
        """Read a finished particle back, if the sink can."""
        raise NotImplementedError

    @abstractmethod
    def accept(self, outcome: Outcome[Any], receipt: Receipt | None) -> None:
        """Take down what became of a particle, in their order."""

    @abstractmethod
    def report(self) -> Any:
        """Force everything to the disk, and give what `Sink.came_back` takes."""
