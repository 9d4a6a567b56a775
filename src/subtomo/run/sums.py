"""Sums over all particles: a quick average in the frame of the volumes (relion-conventions.md §7.5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.pipeline.division import centred_full, divide
from subtomo.run.layout import OutputLayout
from subtomo.run.write import Written, write_counted


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
    return Volume(particle.data, particle.ctf2)


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
