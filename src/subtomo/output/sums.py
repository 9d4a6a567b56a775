"""Sums over all particles: a quick average in the frame of the volumes (spec/conventions.md §7.5).

Sums are made per batch and merged in the order of the batches, so that every way of running gives the same bits.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.division import centred_full, data_term, divide
from subtomo.errors import SettingsError
from subtomo.extraction.memory import Memory
from subtomo.extraction.stream import Outcome
from subtomo.io.atomic import atomic_write
from subtomo.io.mrc_header import HEADER_BYTES
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.output.batching import BatchNumbers
from subtomo.output.folders import make_folder
from subtomo.output.layout import OutputLayout
from subtomo.output.room import Room
from subtomo.output.sink import Opening, Sink, SinkPart
from subtomo.output.written import Written, file_size, write_counted


class Volume(NamedTuple):
    """What is summed of a particle."""

    data: NDArray[np.float32]
    """(c, c, c) real space."""
    ctf2: NDArray[np.float32]
    """(c, c, c // 2 + 1) half transform."""


def volume_of(particle: Extracted) -> Volume:
    """Take from a particle what is summed."""
    if not isinstance(particle, PseudoSubtomogram):
        raise TypeError("only volumes can be summed")
    return Volume(data_term(particle), particle.ctf2)


class ParticleSums:
    """Adds up data and CTF² in double precision.

    Args:
        crop_size: Side of the volumes.
    """

    def __init__(self, crop_size: int) -> None:
        self._data = np.zeros((crop_size,) * 3)
        self._ctf2 = np.zeros((crop_size, crop_size, crop_size // 2 + 1))

    def __len__(self) -> int:
        return len(self._data)

    def add(self, volume: Volume) -> None:
        """Add a particle."""
        self._data += volume.data
        self._ctf2 += volume.ctf2

    def merge(self, other: ParticleSums) -> None:
        """Add the sums over other particles."""
        self._data += other._data
        self._ctf2 += other._ctf2

    def save(self, path: str | Path) -> None:
        """Keep the sums in a file, with all their digits."""
        with atomic_write(path) as stream:
            np.save(stream, self._data)
            np.save(stream, self._ctf2)

    @classmethod
    def load(cls, path: str | Path) -> ParticleSums:
        """Take up what `save` kept."""
        with open(path, "rb") as stream:
            data, ctf2 = np.load(stream), np.load(stream)
        sums = cls(len(data))
        sums._data, sums._ctf2 = data, ctf2
        return sums

    def write(self, layout: OutputLayout, pixel_size_angstrom: float, snr: float | None) -> Written:
        """Write sum of data, sum of weights and their quotient; the pixel size is the same in all (quirk 19)."""
        volumes: dict[str, NDArray[np.floating]] = {
            "data": self._data,
            "weight": centred_full(self._ctf2),
            "div": divide(self._data, self._ctf2, snr),
        }
        written = Written()
        for kind, volume in volumes.items():
            written += write_counted(layout.sum(kind), volume.astype(np.float32), pixel_size=(pixel_size_angstrom,) * 3)
        return written


class SumsSink(Sink[Volume]):
    """Adds up the volumes of all particles, and writes the sums beside RELION's tree.

    Args:
        layout: Where.
        snr: Signal-to-noise ratio of the division; None for RELION's heuristic.
        resume: Count particles that an earlier run finished, too.
    """

    can_travel = True

    def __init__(self, layout: OutputLayout, snr: float | None, *, resume: bool) -> None:
        super().__init__()
        self._layout, self._snr, self._resume = layout, snr, resume
        self._number, self._next, self._n_lost = -1, 0, 0
        self._waiting: dict[int, str | None] = {}

    @property
    def takes_finished(self) -> bool:
        """Particles of an earlier run count when it is resumed."""
        return self._resume

    def room(self, plan: ExtractionPlan) -> Room:
        """Count the three sums; those that are there are replaced."""
        sizes = sums_bytes(plan.settings)
        there = [file_size(self._layout.sum(kind)) for kind in ("data", "weight", "div")]
        missing = (size - max(0, old) for size, old in zip(sizes, there, strict=True))
        return Room(sum(max(0, size) for size in missing), sum(old < 0 for old in there), max(sizes))

    def memory(self, plan: ExtractionPlan) -> Memory:
        """Count the sums over all and over a batch, in double precision, and their division at the end."""
        return Memory(80 * plan.settings.crop**3, 8 * plan.settings.crop**3)

    def refuse(self, plan: ExtractionPlan) -> None:
        """Refuse image stacks."""
        if plan.settings.output is not Output.PSEUDO_SUBTOMOGRAM:
            raise SettingsError(
                "sums (write_sums) are made of volumes, so they cannot be combined with stacks of images",
                field="write_sums",
            )

    def open(self, opening: Opening) -> None:
        """Start with empty sums, and clear away those over batches of a killed run."""
        self._crop, self._numbers = opening.plan.settings.crop, BatchNumbers(opening.plan)
        self._total, self._batch = ParticleSums(self._crop), ParticleSums(self._crop)
        self._clear_away()
        make_folder(os.path.dirname(self._layout.partial_sum(0)))

    def write(self, particle: Extracted, entry: SeriesPlan) -> Volume:
        """Take from a particle what is summed."""
        return volume_of(particle)

    def accept(self, outcome: Outcome[Any], receipt: Volume | None) -> None:
        """Add a particle to the sums over its batch."""
        if receipt is None:
            return
        number = self._numbers.of_particle(outcome.entry, outcome.index)
        if number != self._number:
            self._total.merge(self._batch)
            self._number, self._batch = number, ParticleSums(self._crop)
        self._batch.add(receipt)

    def part(self, number: int) -> SumsPart:
        """Give what adds up a batch elsewhere and leaves its sums in a file."""
        return SumsPart(self._crop, self._layout.absolute().partial_sum(number))

    def came_back(self, number: int, report: Any) -> None:
        """Merge the sums over batches in the order of the batches, each as soon as all before it are there."""
        self._waiting[number] = report
        while self._next in self._waiting:
            path = self._waiting.pop(self._next)
            if path is not None:
                self._total.merge(ParticleSums.load(path))
                os.unlink(path)
            self._next += 1

    def lost(self, number: int) -> None:
        """Hear that a batch failed as a whole, so that the sums lack what was finished of it, too."""
        self._n_lost += 1

    def conclude(self, plan: ExtractionPlan) -> tuple[str, ...]:
        """Write sum of data, sum of weights and their quotient."""
        self._total.merge(self._batch)
        if plan.series:
            pixel_size = plan.settings.binning * plan.series[0].series.pixel_size_angstrom
            self.written = self._total.write(self._layout, pixel_size, self._snr)
        self._clear_away()
        lost = self._n_lost
        return (f"the sums lack {lost} batch(es) of particles that failed as a whole",) if lost else ()

    def _clear_away(self) -> None:
        shutil.rmtree(os.path.dirname(self._layout.partial_sum(0)), ignore_errors=True)


class SumsPart(SinkPart[Volume]):
    """Adds up the particles of one batch, elsewhere."""

    def __init__(self, crop_size: int, path: str) -> None:
        self._path, self._sums = path, ParticleSums(crop_size)

    def __reduce__(self) -> tuple[Any, ...]:
        return SumsPart, (len(self._sums), self._path)

    def write(self, particle: Extracted, entry: SeriesPlan) -> Volume:
        """Take from a particle what is summed."""
        return volume_of(particle)

    def accept(self, outcome: Outcome[Any], receipt: Volume | None) -> None:
        """Add a particle."""
        if receipt is not None:
            self._sums.add(receipt)

    def report(self) -> str:
        """Keep the sums in a file, and name it."""
        self._sums.save(self._path)
        return self._path


def sums_bytes(settings: ExtractionSettings) -> list[int]:
    """Predict the sizes of the three files."""
    return [HEADER_BYTES + 4 * settings.crop**3] * 3
