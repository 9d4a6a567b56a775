"""Where a refinement's particles come from: the tilt images, or what an extraction wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.voxels import voxels_of
from subtomo.errors import InputError, SettingsError
from subtomo.extraction.noise_response import noise_response
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.extraction.threads import run_in_order
from subtomo.io.account import read_account, recorded_data_term
from subtomo.io.mrc import TiltImages
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.zarr_read import StoredSubtomograms
from subtomo.jobs.average_sources import ExtractedParticles
from subtomo.jobs.inputs import needed_file
from subtomo.jobs.progress import ProgressListener
from subtomo.jobs.sources import Sources, project_of
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import DataTerm, ExtractionSettings, Weighting
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.model.tilt_series import TiltSeries, TomogramSet
from subtomo.physics.window import insertion_envelope

Float = NDArray[np.float64]
Int = NDArray[np.int64]

STORE = "particles.zarr"


@dataclass(frozen=True, eq=False)
class RefinementSource:
    """Particles to be refined, and what is known of them before."""

    items: Sequence[Extracted]
    indices: Int
    """(n,) of each in the particle set."""
    size: int
    """Side of the volumes, voxels."""
    voxel_angstrom: Float
    """(n,)"""
    series: Int
    """(n,) number of the tilt series of each."""
    series_names: tuple[str, ...]
    response: Float
    """(n_series, c // 2) see `extraction.noise_response`; one where it could not be measured."""
    starting_shift_px: Float
    """(n, 3) of the particle's centre from the volume's."""
    base_origin_angstrom: Float
    """(n, 3) refined offset of a particle whose shift is zero."""
    left_out: tuple[str, ...] = ()
    """Particles that cannot be made, with the reason."""


class Opened(NamedTuple):
    """The STAR files, read, and where particles come from."""

    particles: ParticleSet
    source: RefinementSource
    tomograms: TomogramSet | None


def opened(
    named: Sources, extraction: ExtractionSettings | None, progress: ProgressListener, *, threads: int = 1
) -> Opened:
    """Read the STAR files, and choose where particles come from.

    Args:
        named: Files of particles, tomograms and trajectories, or the folder of an extraction.
        extraction: How particles are built from the tilt images; None to read what an extraction wrote.
        progress: Hears what cannot be known.
        threads: Measure what noise leaves in the particles of tilt series; results do not depend on their number.

    Raises:
        InputError: Files are missing, or do not fit together.
    """
    files, set_file = named.files, named.optimisation_set_file
    particles_file = needed_file(files.particles, "particles", set_file)
    if extraction is not None:
        tomograms_file = needed_file(files.tomograms, "tomograms", set_file)
        tomograms = read_tomograms(tomograms_file, project=project_of(tomograms_file))
        particles = read_particles(particles_file, tomograms, trajectories=files.trajectories)
        return Opened(particles, from_tilts(tomograms, particles, extraction, threads=threads), tomograms)
    particles = read_particles(particles_file)
    known = None
    if files.tomograms:
        known = read_tomograms(files.tomograms, project=project_of(files.tomograms))
    return Opened(particles, from_extraction(particles, named, known, progress, threads=threads), known)


def from_tilts(
    tomograms: TomogramSet, particles: ParticleSet, settings: ExtractionSettings, *, threads: int = 1
) -> RefinementSource:
    """Build particles from the tilt images when they are wanted; threads as in `opened`.

    Raises:
        InputError: Particles and tomograms do not fit together.
    """
    settings = replace(settings, weighting=Weighting.RELION, data_term=DataTerm.EXACT, apply_orientations=False)
    items = PseudoSubtomograms(tomograms, particles, settings)
    for plan in items.plan.series:
        if isinstance(plan.series.images, TiltImages):
            plan.series.images.check()
    indices = items.plan.indices
    names = tuple(plan.series.name for plan in items.plan.series if len(plan))
    return RefinementSource(
        items,
        indices,
        settings.crop,
        settings.binning * particles.pixel_size_angstrom[indices],
        _numbers(particles, indices, names),
        names,
        _responses([tomograms[name] for name in names], particles, settings, threads),
        np.zeros((len(indices), 3)),
        particles.origin_angstrom[indices],
        tuple(f"{entry.name}: {entry.reason}" for entry in items.plan.left_out),
    )


def from_extraction(
    particles: ParticleSet,
    sources: Sources,
    tomograms: TomogramSet | None,
    progress: ProgressListener,
    *,
    threads: int = 1,
) -> RefinementSource:
    """Read the volumes, or the Zarr store, that an extraction wrote beside its particle set; threads as in `opened`.

    Raises:
        InputError: There are none, or files are missing.
    """
    folder = Path(sources.files.particles or "").parent
    if (folder / STORE).exists():
        return _from_store(particles, StoredSubtomograms(folder / STORE), tomograms, folder, progress, threads)
    term = recorded_data_term(folder)
    source = ExtractedParticles(particles, term, sources)
    items = ExtractedVolumes(source, particles, term)
    indices = np.arange(len(particles))
    names = tuple(dict.fromkeys(particles.tomogram_names.tolist()))
    voxel = source.pixel_size_angstrom
    return RefinementSource(
        items,
        indices,
        source.size,
        np.full(len(particles), voxel),
        _numbers(particles, indices, names),
        names,
        _known_responses(names, tomograms, particles, folder, source.size, progress, threads),
        -particles.origin_angstrom / voxel,
        np.zeros((len(particles), 3)),
    )


def _from_store(
    particles: ParticleSet, store: StoredSubtomograms, tomograms: TomogramSet | None, folder: Path,
    progress: ProgressListener, threads: int,
) -> RefinementSource:  # fmt: skip
    rows = {name: row for row, name in enumerate(store.names.tolist())}
    there = [index for index, name in enumerate(particles.names.tolist()) if name in rows and store.done[rows[name]]]
    if not there:
        raise InputError(f"{store.path}: holds none of the particles of {particles.where}; extract them again")
    indices = np.array(there, np.int64)
    items = _Chosen(store, np.array([rows[str(particles.names[index])] for index in there], np.int64))
    first = items[0]
    names = tuple(dict.fromkeys(particles.tomogram_names[indices].tolist()))
    size, voxel = len(first.data), first.pixel_size_angstrom
    return RefinementSource(
        items,
        indices,
        size,
        np.full(len(indices), voxel),
        _numbers(particles, indices, names),
        names,
        _known_responses(names, tomograms, particles, folder, size, progress, threads),
        -particles.origin_angstrom[indices] / voxel,
        np.zeros((len(indices), 3)),
    )


class ExtractedVolumes(Sequence[PseudoSubtomogram]):
    """The volumes of an extraction, read when they are indexed, with the damping of trilinear insertion undone.

    Args:
        source: The files.
        particles: Their set.
        term: How data were added up.
    """

    def __init__(self, source: ExtractedParticles, particles: ParticleSet, term: DataTerm) -> None:
        self._source, self._particles = source, particles
        self._envelope = insertion_envelope(source.size).astype(np.float32) if term is DataTerm.RELION else None

    def __len__(self) -> int:
        return len(self._particles)

    @overload
    def __getitem__(self, index: int) -> PseudoSubtomogram: ...
    @overload
    def __getitem__(self, index: slice) -> list[PseudoSubtomogram]: ...
    def __getitem__(self, index: int | slice) -> PseudoSubtomogram | list[PseudoSubtomogram]:
        """Read one particle, or those of a slice."""
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        data, ctf2 = self._source.terms(index)
        if self._envelope is not None:
            data = data / self._envelope
        return PseudoSubtomogram(
            name=str(self._particles.names[index]),
            particle=index,
            data=data,
            ctf2=ctf2,
            multiplicity=np.zeros((0, 0, 0), np.float32),
            pixel_size_angstrom=self._source.pixel_size_angstrom,
            visible=np.zeros(0, bool),
            orientation=np.eye(3),
        )


class _Chosen(Sequence[PseudoSubtomogram]):
    """Some particles of a store."""

    def __init__(self, store: StoredSubtomograms, rows: Int) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> PseudoSubtomogram: ...
    @overload
    def __getitem__(self, index: slice) -> list[PseudoSubtomogram]: ...
    def __getitem__(self, index: int | slice) -> PseudoSubtomogram | list[PseudoSubtomogram]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        return self._store[int(self._rows[index])]


def _numbers(particles: ParticleSet, indices: Int, names: tuple[str, ...]) -> Int:
    """Number the tilt series of particles."""
    order = {name: number for number, name in enumerate(names)}
    return np.array([order[name] for name in particles.tomogram_names[indices].tolist()], np.int64)


def _responses(series: list[TiltSeries], particles: ParticleSet, settings: ExtractionSettings, threads: int) -> Float:
    voxels = voxels_of(settings.crop, settings.crop // 2 - 1)
    measure = partial(noise_response, particles=particles, settings=settings, voxels=voxels)
    return np.stack(list(run_in_order(measure, series, threads)))


def _known_responses(
    names: tuple[str, ...], tomograms: TomogramSet | None, particles: ParticleSet, folder: Path, size: int,
    progress: ProgressListener, threads: int,
) -> Float:  # fmt: skip
    """Measure what noise leaves in files, if the extraction's settings and tilt series are known."""
    try:
        settings = replace(read_account(folder).settings, weighting=Weighting.RELION, complete_noise=False)
        if tomograms is None:
            raise InputError("no tomogram set is given")
        return _responses([tomograms[name] for name in names], particles, settings, threads)
    except (InputError, SettingsError, KeyError) as problem:
        progress.note(
            "the noise of the images is taken from the particles alone, so standard errors of poses come out too small "
            f"({problem}); give the tomogram set (tomograms) and particles in the folder of their extraction"
        )
        return np.ones((len(names), size // 2))
