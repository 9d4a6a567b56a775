"""Sums over all particles: a quick average in the frame of the volumes (spec/conventions.md §7.5)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.division import centred_full, data_term, divide
from subtomo.io.atomic import atomic_write
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.output.layout import OutputLayout
from subtomo.output.write import Written, write_counted


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
