"""Keep particles in memory."""

from __future__ import annotations

from typing import Any

from subtomo.extraction.stream import Outcome
from subtomo.model.plan import SeriesPlan
from subtomo.model.subtomogram import Extracted
from subtomo.output.sink import Sink


class MemorySink(Sink[Extracted]):
    """Keeps the particles in a list, in the order of the plan."""

    def __init__(self) -> None:
        super().__init__()
        self.particles: list[Extracted] = []

    def write(self, particle: Extracted, entry: SeriesPlan) -> Extracted:
        """Pass the particle on."""
        return particle

    def accept(self, outcome: Outcome[Any], receipt: Extracted | None) -> None:
        """Keep it."""
        if receipt is not None:
            self.particles.append(receipt)
