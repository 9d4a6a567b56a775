"""Where the particles of an average come from: the files of an extraction, or the tilt images themselves."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES
from subtomo.backends.fft import real_to_half
from subtomo.backends.registry import volume_backend
from subtomo.backends.volumes import RotatedSum
from subtomo.errors import InputError
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.stream import ParticleStream
from subtomo.extraction.threads import run_in_order
from subtomo.io.mrc import TiltImages
from subtomo.io.mrc_read import open_volume, read_sections
from subtomo.io.project import seen_from
from subtomo.io.relion import labels
from subtomo.io.relion.volumes import read_volume_files
from subtomo.jobs.sources import Sources
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import DataTerm, ExtractionSettings
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.model.tilt_series import TomogramSet
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.window import insertion_envelope

Float32 = NDArray[np.float32]

BATCH = 16
"""Particles of one half set that are added up before they are transformed: the same ones, however many threads work."""


class Contribution(NamedTuple):
    """What some particles of a half set add to the average, in the average's frame."""

    half: int
    names: tuple[str, ...]
    """Of the particles."""
    spectrum: NDArray[np.complexfloating]
    """(c, c, c // 2 + 1) without normalisation, of a volume with its centre at [0, 0, 0]."""
    ctf2: Float32
    """(c, c, c // 2 + 1)."""


class ParticleSource(Protocol):
    """Particles to be averaged."""

    size: int
    """Side of the volumes, voxels."""
    pixel_size_angstrom: float
    indices: NDArray[np.int64]
    """Of the particles in the particle set, in the order of `contributions`."""
    left_out: tuple[str, ...]
    """Why the others are left out, one line each."""
    plan: ExtractionPlan | None
    """If the particles are built from tilt images."""

    def contributions(self, halves: Mapping[int, int], threads: int) -> Iterator[Contribution]:
        """Make the particles' contributions in their order, so many at a time.

        Args:
            halves: Half sets of the particles by their indices in the particle set.
            threads: How many work.
        """


class ExtractedParticles:
    """Volumes that an extraction wrote, rotated by interpolating their transforms.

    Args:
        particles: The extraction's particle set.
        data_term: How the files' data were added up; what trilinear insertion damped is undone.
        sources: Tell where the files are that the set names.

    Raises:
        InputError: The set names no volumes, or files of it are missing.
    """

    def __init__(self, particles: ParticleSet, data_term: DataTerm, sources: Sources) -> None:
        self._particles, self._sources = particles, sources
        self._files = read_volume_files(particles)
        self.size, self.pixel_size_angstrom = self._files.size, self._files.pixel_size_angstrom
        self.indices = np.arange(len(particles))
        self.left_out: tuple[str, ...] = ()
        self.plan: ExtractionPlan | None = None
        self._undamping = None
        if data_term is DataTerm.RELION:
            self._undamping = (1.0 / insertion_envelope(self.size)).astype(np.float32)
        self._matrices = euler_to_matrix(particles.angles_deg)
        self._check_files()

    def contributions(self, halves: Mapping[int, int], threads: int) -> Iterator[Contribution]:
        """Read the particles, and rotate and add them up in batches, in the order of the file."""
        members = ([index for index in self.indices.tolist() if halves[index] == half] for half in HALVES)
        batches = [some[start : start + BATCH] for some in members for start in range(0, len(some), BATCH)]
        # in the order of the file, as far as batches have one
        tasks = ((halves[batch[0]], batch) for batch in sorted(batches))
        local = threading.local()

        def contribution(task: tuple[int, list[int]]) -> Contribution:
            if not hasattr(local, "total"):
                local.total = volume_backend().rotated_sum(self.size)
            return self._contribution(*task, local.total)

        return run_in_order(contribution, tasks, threads)

    def _contribution(self, half: int, batch: Sequence[int], total: RotatedSum) -> Contribution:
        total.clear()
        for index in batch:
            data, factor, ctf2 = self._factors(index)
            offset = self._particles.origin_angstrom[index] / self.pixel_size_angstrom
            total.add(data, factor, ctf2, self._matrices[index], offset)
        volume, weights = total.read()
        names = tuple(str(self._particles.names[index]) for index in batch)
        spectrum = np.empty(weights.shape, np.complex64)
        real_to_half(np.fft.ifftshift(volume), spectrum, (0, 1, 2))
        # sums are of transforms without normalisation
        spectrum *= np.float32(self.size**1.5)
        return Contribution(half, names, spectrum, weights)

    def _factors(self, index: int) -> tuple[Float32, Float32 | None, Float32]:
        """Give real-space data, what their transform is to be multiplied by, and CTF²."""
        if self._undamping is not None:
            data, ctf2 = self.terms(index)
            return data * self._undamping, None, ctf2
        data, weights = self._read(index)
        return (data, None, weights) if self._files.is_premultiplied[index] else (data, weights, weights**2)

    def terms(self, index: int) -> tuple[Float32, Float32]:
        """Read data and CTF² of a particle, (c, c, c) and (c, c, c // 2 + 1), without whitening."""
        data, weights = self._read(index)
        if self._files.is_premultiplied[index]:
            return data, weights
        # whitened: data / √CTF² and √CTF²
        spectrum = np.fft.rfftn(data) * weights
        return np.fft.irfftn(spectrum, s=data.shape, axes=(0, 1, 2)).astype(np.float32), weights**2

    def _read(self, index: int) -> tuple[Float32, Float32]:
        """Read the two files of a particle."""
        size, half = self.size, (self.size, self.size, self.size // 2 + 1)
        data, _ = self._first_sections(str(self._files.data[index]), (size, size, size))
        weights, path = self._first_sections(str(self._files.weights[index]), half, (2 * size, *half[1:]))
        if not (np.isfinite(data).all() and np.isfinite(weights).all()):
            raise InputError(f"{path}: this particle has values that are not finite; extract it again")
        return data, weights

    def _first_sections(self, name: str, *expected: tuple[int, int, int]) -> tuple[Float32, str]:
        """Read as many sections as a volume has voxels along a side, and tell where the file is."""
        path = self._sources.path_of(name)
        header = open_volume(path)
        if (header.nz, header.ny, header.nx) not in expected:
            sizes = " or ".join(" x ".join(map(str, shape)) for shape in expected)
            raise InputError(
                f"{path}: is {header.nz} x {header.ny} x {header.nx} voxels (z, y, x), but {self._particles.where} "
                f"says {labels.IMAGE_SIZE} {self.size}, so {sizes} were expected; extract the particles again"
            )
        return read_sections(header, self.size), path

    def _check_files(self) -> None:
        names = [*self._files.data.tolist(), *self._files.weights.tolist()]
        missing = [name for name in names if not os.path.exists(self._sources.path_of(name))]
        if missing:
            raise InputError(
                f"{self._particles.where}: {len(missing)} of {len(names)} files of its particles do not exist, "
                f"{missing[0]} for instance (looked from {seen_from(self._sources.project)}, and from the folders "
                "above the file); names are relative to the folder where the extraction ran, usually the project's: "
                "run there"
            )


class TiltParticles:
    """Particles built from the tilt images in the frame of the average: nothing is interpolated, nothing written.

    Args:
        tomograms: With images.
        particles: To be averaged.
        settings: With ``apply_orientations``.

    Raises:
        InputError: Particles and tomograms do not fit together, or tomograms differ in pixel size.
    """

    def __init__(self, tomograms: TomogramSet, particles: ParticleSet, settings: ExtractionSettings) -> None:
        plan = plan_extraction(tomograms, particles, settings)
        self.plan: ExtractionPlan | None = plan
        self.size = settings.crop
        self.indices = plan.indices
        self.left_out = tuple(f"{entry.name}: {entry.reason}" for entry in plan.left_out)
        series = [entry.series for entry in plan.series if len(entry)]
        sizes = {tomogram.pixel_size_angstrom: tomogram.name for tomogram in series}
        if len(sizes) > 1:
            found = ", ".join(f"{name} {size:g} Å" for size, name in list(sizes.items())[:3])
            raise InputError(f"{tomograms.source}: tomograms differ in pixel size ({found}); average them one by one")
        self.pixel_size_angstrom = settings.binning * next(iter(sizes), float("nan"))
        for tomogram in series:
            if isinstance(tomogram.images, TiltImages):
                tomogram.images.check()

    def contributions(self, halves: Mapping[int, int], threads: int) -> Iterator[Contribution]:
        """Build the particles from the tilt images, one tilt series after the other."""
        assert self.plan is not None

        def contribution(particle: Extracted, entry: SeriesPlan) -> Contribution:
            """Transform a volume that is in the average's frame already."""
            if not isinstance(particle, PseudoSubtomogram):
                raise TypeError("only volumes can be averaged")
            spectrum = np.fft.rfftn(np.fft.ifftshift(particle.data))
            return Contribution(halves[particle.particle], (particle.name,), spectrum, particle.ctf2)

        stream = ParticleStream(self.plan, contribution)
        return (outcome.value for outcome in stream.outcomes(threads))
