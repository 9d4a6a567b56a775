"""Write the files of one particle, and find out whether they are whole."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.io.mrc_header import HEADER_BYTES
from subtomo.io.mrc_write import write_mrc
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.model.subtomogram import Extracted
from subtomo.output.layout import OutputLayout
from subtomo.output.particle_files import file_bytes, file_parts, files_written


@dataclass(frozen=True)
class Written:
    """How much was written."""

    files: int = 0
    bytes: int = 0
    overflows: int = 0
    """Values clipped to half precision."""
    underflows: int = 0
    """Values that half precision takes for zero."""

    def __add__(self, other: Written) -> Written:
        mine, others = vars(self), vars(other)
        return Written(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True)
class ParticleWriter:
    """Writes particles under the names of a layout, whose folders exist; small to pickle."""

    layout: OutputLayout
    settings: ExtractionSettings
    output: OutputSettings

    def write(self, particle: Extracted, tomogram: str) -> Written:
        """Write the files of a particle, the main one last (spec/conventions.md §8).

        Raises:
            InputError: A file cannot be made.
            OSError: A file cannot be written, for instance on a full disk.
        """
        written, root = Written(), self.layout.root(tomogram, particle.name)
        for file in files_written(self.settings, self.output):
            parts = file_parts(file, particle, self.settings, self.output)
            pixel_size = file.spacing.pixel_size(particle.pixel_size_angstrom)
            written += write_counted(root + file.suffix, *parts, pixel_size=pixel_size, float16=self.output.float16)
        return written

    def expected(self, entry: SeriesPlan, index: int, name: str) -> list[tuple[str, int]]:
        """List path and size in bytes of a particle's files, the main one last."""
        root = self.layout.root(entry.series.name, name)
        n_visible = int(entry.visible[index].sum())
        return [
            (root + file.suffix, file_bytes(file, self.settings, self.output, entry.series, n_visible))
            for file in files_written(self.settings, self.output)
        ]

    def are_whole(self, entry: SeriesPlan, index: int, name: str) -> bool:
        """Whether all files of a particle are there with all their bytes."""
        return all(file_size(path) == size for path, size in self.expected(entry, index, name))


def write_counted(
    path: str, *parts: NDArray[np.float32], pixel_size: tuple[float, float, float], float16: bool = False
) -> Written:
    """Write an MRC file and count it."""
    lost = write_mrc(path, *parts, pixel_size_angstrom=pixel_size, float16=float16)
    voxels = sum(part.size for part in parts)
    return Written(1, HEADER_BYTES + voxels * (2 if float16 else 4), *lost)


def file_size(path: str) -> int:
    """Give the bytes of a file, -1 if it is not there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
