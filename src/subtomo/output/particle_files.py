"""Which files a particle has: one table that writing, completeness, prediction and STAR files read.

A new kind of file is a new row here (spec/conventions.md §8, §9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.division import centred_full
from subtomo.extraction.projector import projection_size
from subtomo.io.mrc_header import HEADER_BYTES
from subtomo.model.settings import ExtractionSettings, ExtraFile, Output, OutputSettings
from subtomo.model.subtomogram import Extracted
from subtomo.model.tilt_series import TiltSeries
from subtomo.output.extra_volumes import divided, normalised_ctf2, normalised_data

Float32 = NDArray[np.float32]
Shape = tuple[int, int, int]


class Role(Enum):
    """How a particle set refers to a file."""

    IMAGE = auto()
    """The main file: a particle that has it is complete."""
    WEIGHTS = auto()
    """What a reference is multiplied by to resemble the data; named even where it is not written (quirk 9)."""
    EXTRA = auto()
    """Not at all."""


class Spacing(Enum):
    """What the pixel size in the header means, along x, y, z."""

    VOLUME = auto()
    """Å."""
    FOURIER = auto()
    """1/Å: RELION's value, one over the pixel size."""
    STACK = auto()
    """Å in the image, one between images."""

    def pixel_size(self, angstrom: float) -> tuple[float, float, float]:
        """Give the three numbers for a particle's pixel size."""
        if self is Spacing.STACK:
            return angstrom, angstrom, 1.0
        return (1.0 / angstrom if self is Spacing.FOURIER else angstrom,) * 3


class Kept(NamedTuple):
    """What decides which files there are, and of what size."""

    settings: ExtractionSettings
    output: OutputSettings


@dataclass(frozen=True)
class ParticleFile:
    """One row of the table."""

    suffix: str
    """Of the file name, with its extension."""
    role: Role
    spacing: Spacing
    shape: Callable[[Kept, TiltSeries, int], Shape]
    """Of the file, from its tilt series and the number of visible tilts: (nz, ny, nx)."""
    parts: Callable[[Any, Kept], tuple[NDArray[np.floating], ...]]
    """Computes the voxels from an `Extracted`; several parts follow one another along z."""
    is_wanted: Callable[[Kept], bool] = lambda kept: True


def _cube(kept: Kept, series: TiltSeries, n_visible: int) -> Shape:
    return (kept.settings.crop,) * 3


def _weights_shape(kept: Kept, series: TiltSeries, n_visible: int) -> Shape:
    c = kept.settings.crop
    # relion_refine takes whitened particles for such that are not CTF-premultiplied, which have no multiplicity
    return (1 if kept.settings.is_whitened else 2) * c, c, c // 2 + 1


def _stack(kept: Kept, series: TiltSeries, n_visible: int) -> Shape:
    return n_visible, kept.settings.crop, kept.settings.crop


def _projections(kept: Kept, series: TiltSeries, n_visible: int) -> Shape:
    if series.reconstruction is None:
        return n_visible, 0, 0
    # the order of multiplication and division is that of the projector: it decides how halves are rounded
    voxel = series.pixel_size_angstrom * series.reconstruction.binning
    side = projection_size(kept.settings.crop * kept.settings.binning * series.pixel_size_angstrom / voxel)
    return n_visible, side, side


def _weights_parts(particle: Any, kept: Kept) -> tuple[Float32, ...]:
    return (particle.weights,) if particle.is_whitened else (particle.ctf2, particle.multiplicity)


def _full_normalised_ctf2(particle: Any, output: OutputSettings) -> Float32:
    return centred_full(normalised_ctf2(particle))


def _extra(
    suffix: str, kind: ExtraFile, spacing: Spacing, volume: Callable[[Any, OutputSettings], NDArray[np.floating]]
) -> ParticleFile:
    """Make the row of a full volume (c, c, c) that is written on demand."""
    return ParticleFile(
        suffix,
        Role.EXTRA,
        spacing,
        _cube,
        lambda particle, kept: (volume(particle, kept.output),),
        lambda kept: kind in kept.output.extra_files,
    )


_FILES: dict[Output, tuple[ParticleFile, ...]] = {
    # the main file comes last, so that a particle that has it is complete
    Output.PSEUDO_SUBTOMOGRAM: (
        _extra("_CTF2.mrc", ExtraFile.CTF2, Spacing.FOURIER, lambda one, _: centred_full(one.ctf2)),
        _extra("_multi.mrc", ExtraFile.MULTIPLICITY, Spacing.FOURIER, lambda one, _: centred_full(one.multiplicity)),
        _extra("_div.mrc", ExtraFile.DIVIDED, Spacing.VOLUME, divided),
        _extra("_data_nrm.mrc", ExtraFile.NORMALISED, Spacing.VOLUME, lambda one, _: normalised_data(one)),
        _extra("_CTF2_nrm.mrc", ExtraFile.NORMALISED, Spacing.FOURIER, _full_normalised_ctf2),
        ParticleFile(
            "_weights.mrc",
            Role.WEIGHTS,
            Spacing.FOURIER,
            _weights_shape,
            _weights_parts,
            lambda kept: kept.output.write_weights,
        ),
        ParticleFile("_data.mrc", Role.IMAGE, Spacing.VOLUME, _cube, lambda particle, _: (particle.data,)),
    ),
    Output.STACK_2D: (
        ParticleFile("_stack2d.mrcs", Role.IMAGE, Spacing.STACK, _stack, lambda stack, _: (stack.images,)),
    ),
    Output.PROJECTIONS: (
        ParticleFile(
            "_weights.mrc", Role.WEIGHTS, Spacing.FOURIER, _projections, lambda stack, _: (), lambda kept: False
        ),
        ParticleFile("_data.mrc", Role.IMAGE, Spacing.VOLUME, _projections, lambda stack, _: (stack.images,)),
    ),
}  # fmt: skip


SUFFIXES = tuple(dict.fromkeys(file.suffix for files in _FILES.values() for file in files))
"""Of all files that a particle can have."""


@cache
def files_written(settings: ExtractionSettings, output: OutputSettings) -> tuple[ParticleFile, ...]:
    """List the files that each particle has, the main one last; none if particles are not written."""
    kept = Kept(settings, output)
    if not writes_particles(settings, output):
        return ()
    return tuple(file for file in _FILES[settings.output] if file.is_wanted(kept))


def writes_particles(settings: ExtractionSettings, output: OutputSettings) -> bool:
    """Whether particles get files at all: stacks always do."""
    return output.write_particles or settings.output is not Output.PSEUDO_SUBTOMOGRAM


def suffix_of(role: Role, kind: Output) -> str | None:
    """Give the suffix by which a particle set names a file, whether it is written or not; None if it names none."""
    return next((file.suffix for file in _FILES[kind] if file.role is role), None)


def file_bytes(
    file: ParticleFile, settings: ExtractionSettings, output: OutputSettings, series: TiltSeries, n_visible: int
) -> int:
    """Predict the size of a file."""
    nz, ny, nx = file.shape(Kept(settings, output), series, n_visible)
    return int(HEADER_BYTES) + (2 if output.float16 else 4) * nz * ny * nx


def file_parts(
    file: ParticleFile, particle: Extracted, settings: ExtractionSettings, output: OutputSettings
) -> list[Float32]:
    """Compute the voxels of a file, (nz, ny, nx) each."""
    return [part.astype(np.float32, copy=False) for part in file.parts(particle, Kept(settings, output))]
