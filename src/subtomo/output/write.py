"""Write the files of one particle."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.io.mrc_write import write_mrc
from subtomo.model.settings import Output, OutputSettings
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram, TiltStack
from subtomo.output.extra_volumes import extra_volumes
from subtomo.output.layout import OutputLayout


@dataclass(frozen=True)
class Written:
    """How much was written."""

    files: int = 0
    bytes: int = 0
    overflows: int = 0
    """Values clipped to half precision."""

    def __add__(self, other: Written) -> Written:
        return Written(self.files + other.files, self.bytes + other.bytes, self.overflows + other.overflows)


@dataclass(frozen=True)
class ParticleWriter:
    """Writes particles under the names of a layout; the folders exist."""

    layout: OutputLayout
    kind: Output
    output: OutputSettings

    def write(self, particle: Extracted, tomogram: str) -> Written:
        """Write the files of a particle: data and weights, or one stack (spec/conventions.md §8)."""
        if isinstance(particle, TiltStack):
            path = self.layout.image(tomogram, particle.name, self.kind)
            pixel = particle.pixel_size_angstrom
            section = 1.0 if self.kind is Output.STACK_2D else pixel
            return write_counted(path, particle.images, pixel_size=(pixel, pixel, section), float16=self.output.float16)
        return self._volume(particle, tomogram)

    def _volume(self, particle: PseudoSubtomogram, tomogram: str) -> Written:
        pixel, half = particle.pixel_size_angstrom, self.output.float16
        written = Written()
        for suffix, (volume, fourier) in extra_volumes(particle, self.output).items():
            path = f"{self.layout.root(tomogram, particle.name)}{suffix}.mrc"
            written += write_counted(path, volume, pixel_size=(1.0 / pixel if fourier else pixel,) * 3, float16=half)
        if self.output.write_weights:
            path = self.layout.weights(tomogram, particle.name)
            # relion_refine takes whitened particles for such that are not CTF-premultiplied, which have no multiplicity
            parts = (particle.weights,) if particle.is_whitened else (particle.ctf2, particle.multiplicity)
            written += write_counted(path, *parts, pixel_size=(1.0 / pixel,) * 3, float16=half)
        # last, so that a particle with this file is complete
        path = self.layout.image(tomogram, particle.name, Output.PSEUDO_SUBTOMOGRAM)
        return written + write_counted(path, particle.data, pixel_size=(pixel,) * 3, float16=half)


def write_counted(
    path: str, *parts: NDArray[np.float32], pixel_size: tuple[float, float, float], float16: bool = False
) -> Written:
    """Write an MRC file and count it."""
    overflows = write_mrc(path, *parts, pixel_size_angstrom=pixel_size, float16=float16)
    return Written(1, os.path.getsize(path), overflows)
