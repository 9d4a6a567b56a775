"""Batches of particles: the pieces that travel to other machines, and over which sums are added up."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate

from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import ExtractionSettings

BATCH_COST = 50_000_000
"""Tilts times pixels of the box times particles that a batch may have: some two seconds for one core."""
MOST_PARTICLES = 128
"""In a batch, however small they are: more would be lost with a worker."""


def divide(entry: SeriesPlan, settings: ExtractionSettings) -> list[range]:
    """Cut the particles of a tilt series into batches of nearly equal size; the same wherever they are made."""
    n = len(entry)
    cost = max(1, entry.series.n_tilts * settings.box_size**2)
    size = min(MOST_PARTICLES, max(1, BATCH_COST // cost))
    count = math.ceil(n / size)
    return [range(n * i // count, n * (i + 1) // count) for i in range(count)]


class BatchNumbers:
    """Numbers the batches of a plan in the order of extraction."""

    def __init__(self, plan: ExtractionPlan) -> None:
        self._batches = {entry.series.name: divide(entry, plan.settings) for entry in plan.series}
        first = accumulate(map(len, self._batches.values()), initial=0)
        self._first = dict(zip(self._batches, first, strict=False))

    def of_series(self, entry: SeriesPlan) -> list[tuple[int, range]]:
        """List number and particles of the batches of a tilt series."""
        name = entry.series.name
        return list(enumerate(self._batches[name], self._first[name]))

    def of_particle(self, entry: SeriesPlan, index: int) -> int:
        """Give the number of the batch that a particle belongs to."""
        name = entry.series.name
        return self._first[name] + bisect_right(self._batches[name], index, key=lambda members: members.start) - 1
