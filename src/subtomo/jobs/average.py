"""Average the particles of an extraction, or of a tilt series, into half maps and the curves that compare them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES, AverageSettings, AverageSums, assigned_halves, spherical_mask
from subtomo.averaging.extent import particle_diameter_angstrom
from subtomo.averaging.resolution import compare_halves, filtered_map, guinier_curves
from subtomo.errors import InputError, SettingsError
from subtomo.extraction.memory import Memory, memory_of
from subtomo.io.account import recorded_data_term
from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import OptimisationSet, labels, read_particles, read_tomograms
from subtomo.io.relion.fsc import MapFiles, write_fsc
from subtomo.io.relion.particles import CLASS_NUMBER
from subtomo.io.relion.volumes import read_half_sets, require_orientations
from subtomo.jobs.average_result import AverageResult
from subtomo.jobs.average_sources import ExtractedParticles, ParticleSource, TiltParticles
from subtomo.jobs.inputs import needed_file, protect_inputs
from subtomo.jobs.limits import fitting_threads
from subtomo.jobs.note import write_note
from subtomo.jobs.progress import ProgressListener
from subtomo.jobs.sources import find_sources, project_of
from subtomo.model.particles import ParticleSet
from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.model.settings import DataTerm, ExtractionSettings
from subtomo.output.folders import prepare_folder
from subtomo.output.layout import output_folder
from subtomo.physics.symmetry import rotation_group
from subtomo.words import listed

Float32 = NDArray[np.float32]

MAPS = ("half1", "half2", "merged", "filtered", "mask")
PICTURES = ("fsc.png", "guinier.png", "maps.png", "surface.png", "sections.png", "average.html")
_SHARED_PER_VOXEL, _THREAD_PER_VOXEL = 120, 60
"""Bytes: sums, maps and what compares them; a particle that is read and rotated."""
_LARGEST_VALUE = 1e15
_GUESSED = "soft sphere of nine tenths of the box"


@dataclass(frozen=True)
class AverageJob:
    """What to average from which files into which folder."""

    output_dir: str
    settings: AverageSettings = field(default_factory=AverageSettings)
    files: OptimisationSet = field(default_factory=OptimisationSet)
    particles: ParticleSet | None = None
    """Read already; they go before the file of particles."""
    optimisation_set_file: str | None = None
    place: str | None = None
    """The folder of a run, or a STAR file that its tables tell, instead of the files above."""
    mask_file: str | None = None
    """A mask to use instead of a sphere."""
    class_number: int | None = None
    """Average the particles of this class alone; None for all."""
    half_maps_only: bool = False
    """Write the two half maps, and nothing made of both."""
    from_tilts: ExtractionSettings | None = None
    """How to build particles from the tilt images; None to read the files of an extraction."""
    data_term: DataTerm | None = None
    """How the data in those files were added up; None to look it up in the extraction's summary."""
    threads: int = 1
    command: tuple[str, ...] = ()
    """The command line, for the note."""


def run_average(job: AverageJob, progress: ProgressListener) -> AverageResult:
    """Read, average, compare the halves, and write maps and curves.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    start = time.monotonic()
    try:
        if job.threads < 1:
            raise SettingsError(
                f"number of threads (threads) is {job.threads}, but must be at least 1", field="threads"
            )
        particles, source, inputs = _open(job, progress)
        folder = output_folder(job.output_dir)
        outputs = [folder + name for name in (*(f"{name}.mrc" for name in MAPS), "fsc.star", *PICTURES)]
        protect_inputs(inputs, outputs)
        mask = _given_mask(job, source)
        halves = _half_sets(particles, source, job.settings.seed, progress)
        threads = _fitting_threads(source, job.threads, progress)
        _make_folder(folder, outputs)
        sums = _summed(source, halves, threads, progress)
        maps, mask, words = _maps(sums, mask, source.pixel_size_angstrom, job)
        _require_possible(maps, particles.where)
        curves, guinier = _conclude(maps, mask, source.pixel_size_angstrom, job.settings)
        _write(folder, maps, curves, guinier, job)
    finally:
        progress.stop()
    counts = sums[0].count, sums[1].count
    seconds = time.monotonic() - start
    return AverageResult(
        folder=folder,
        maps=maps,
        curves=curves,
        guinier=guinier,
        counts=counts,
        n_particles=len(particles),
        left_out=source.left_out,
        seconds=seconds,
        mask=words,
        classes=_classes(particles, source),
        is_mask_guessed=words == _GUESSED,
    )


def _open(job: AverageJob, progress: ProgressListener) -> tuple[ParticleSet, ParticleSource, list[str | None]]:
    """Read the STAR files and choose where particles come from."""
    given = job.particles
    # of a folder, its own particles are meant; tilt images are named by its set only
    sources = find_sources(job.files, job.optimisation_set_file, job.place, sets=job.from_tilts is not None)
    files = sources.files
    if given is None:
        particles_file = needed_file(files.particles, "particles", sources.optimisation_set_file)
    else:
        particles_file = given.source
    inputs: list[str | None] = [*vars(files).values(), sources.optimisation_set_file, job.mask_file]
    if job.from_tilts is None:
        particles = read_particles(particles_file) if given is None else given
    else:
        tomograms_file = needed_file(files.tomograms, "tomograms", sources.optimisation_set_file)
        tomograms = read_tomograms(tomograms_file, project=project_of(tomograms_file))
        if given is None:
            given = read_particles(particles_file, tomograms, trajectories=files.trajectories)
        particles = given
    particles = _of_class(particles, job.class_number)
    if not require_orientations(particles):
        progress.note(f"{particles.where}: no {labels.ROT}, so the average is in the frame of the subtomograms")
    if job.from_tilts is None:
        term = job.data_term or recorded_data_term(Path(particles_file).parent)
        return particles, ExtractedParticles(particles, term, sources), inputs
    return particles, TiltParticles(tomograms, particles, job.from_tilts), inputs


def _of_class(particles: ParticleSet, class_number: int | None) -> ParticleSet:
    """Take the particles of one class.

    Raises:
        InputError: There are none.
    """
    if class_number is None:
        return particles
    if particles.class_number is None:
        raise InputError(
            f"{particles.where}: its particles have no classes ({CLASS_NUMBER}), but one is asked for (class_number); "
            "give the particle set of a classification",
            field="class_number",
        )
    chosen = particles.class_number == class_number
    if not chosen.any():
        there = listed(np.unique(particles.class_number).tolist())
        raise InputError(
            f"{particles.where}: no particle is in class {class_number} (class_number); there are {there}",
            field="class_number",
        )
    return particles.take(np.flatnonzero(chosen))


def _classes(particles: ParticleSet, source: ParticleSource) -> dict[int, int]:
    """Count the particles of each class that are averaged."""
    if particles.class_number is None:
        return {}
    return dict(sorted(Counter(particles.class_number[source.indices].tolist()).items()))


def _half_sets(particles: ParticleSet, source: ParticleSource, seed: int, progress: ProgressListener) -> dict[int, int]:
    """Give the half set of every particle that will be averaged, by its index in the set."""
    given = read_half_sets(particles)[source.indices]
    missing = int((given == 0).sum())
    if not len(given):
        reason = f" ({source.left_out[0]})" if source.left_out else ""
        raise InputError(f"{particles.where}: no particle can be averaged{reason}")
    if missing:
        progress.note(
            f"{missing} of {len(given)} particles have no half set ({labels.HALF_SET}); they are shared out at random "
            f"(seed={seed}). If they were refined together, the resolution will look better than it is"
        )
    halves = assigned_halves(given, seed)
    return dict(zip(source.indices.tolist(), halves.tolist(), strict=True))


def _fitting_threads(source: ParticleSource, threads: int, progress: ProgressListener) -> int:
    """Give the number of threads that memory allows."""
    voxels = source.size**3
    needed = [Memory(_SHARED_PER_VOXEL * voxels, _THREAD_PER_VOXEL * voxels)]
    if source.plan is not None:
        needed.append(memory_of(source.plan))
    return fitting_threads(source.plan, needed, min(threads, max(1, len(source.indices))), progress.note)


def _summed(
    source: ParticleSource, halves: dict[int, int], threads: int, progress: ProgressListener
) -> tuple[AverageSums, AverageSums]:
    sums = {half: AverageSums(source.size) for half in HALVES}
    progress.start(len(halves))
    for half, names, spectrum, ctf2 in source.contributions(halves, threads):
        sums[half].add(spectrum, ctf2, len(names))
        for name in names:
            progress.advance(name)
    return sums[1], sums[2]


def _maps(
    sums: tuple[AverageSums, AverageSums], mask: Float32 | None, pixel_size_angstrom: float, job: AverageJob
) -> tuple[dict[str, Float32], Float32, str]:
    """Turn sums into half maps and a merged one, and see how large the particle is if nobody said; mask in words."""
    settings = job.settings
    group = rotation_group(settings.symmetry)
    first, second = (half.symmetrised(group) for half in sums)
    maps = {"half1": first.map(settings.snr), "half2": second.map(settings.snr)}
    maps["merged"] = (first + second).map(settings.snr)
    if mask is not None:
        given = settings.mask_diameter_angstrom
        return maps, mask, job.mask_file or f"soft sphere of {given:g} Å"
    found = particle_diameter_angstrom(maps["half1"], maps["half2"], pixel_size_angstrom)
    settings = replace(settings, mask_diameter_angstrom=found)
    sphere = spherical_mask(len(maps["half1"]), pixel_size_angstrom, settings).astype(np.float32)
    return maps, sphere, _GUESSED if found is None else f"soft sphere of {found:g} Å, estimated from the half maps"


def _conclude(
    maps: dict[str, Float32], mask: Float32, pixel_size_angstrom: float, settings: AverageSettings
) -> tuple[ResolutionCurves, GuinierCurves]:
    """Compare the halves, and add the filtered map and the mask to the maps."""
    curves = compare_halves(maps["half1"], maps["half2"], mask, pixel_size_angstrom, settings.seed)
    maps["filtered"], maps["mask"] = filtered_map(maps["merged"], mask, curves), mask
    return curves, guinier_curves(maps["merged"], mask, curves)


def _require_possible(maps: dict[str, Float32], where: str) -> None:
    """Raise InputError for values that no image has, for nothing that follows would mean anything."""
    largest = max(float(np.abs(volume).max()) for volume in maps.values())
    if not largest < _LARGEST_VALUE:
        raise InputError(
            f"{where}: the maps of these particles have values up to {largest:.3g}, which no camera gives; look for "
            "damaged images or particle files"
        )


def _given_mask(job: AverageJob, source: ParticleSource) -> Float32 | None:
    """Read the mask, or make a sphere of the diameter that was given; None if neither was."""
    if job.mask_file is None:
        if job.settings.mask_diameter_angstrom is None:
            return None
        return spherical_mask(source.size, source.pixel_size_angstrom, job.settings).astype(np.float32)
    mask, _ = read_volume(job.mask_file)
    if mask.shape != (source.size,) * 3:
        raise InputError(
            f"{job.mask_file}: is {' x '.join(map(str, mask.shape))} voxels (z, y, x), but the average has "
            f"{source.size} on each side; make a mask of that size"
        )
    if not (np.isfinite(mask).all() and mask.min() >= -1e-3 and 0.5 < mask.max() <= 1.001):
        raise InputError(
            f"{job.mask_file}: values run from {mask.min():g} to {mask.max():g}, but a mask is 0 outside and 1 inside"
        )
    return mask


def _make_folder(folder: str, outputs: list[str]) -> None:
    """Make the output folder, and remove an earlier average, so that files of two never stand side by side."""
    prepare_folder(folder)
    for path in outputs:
        Path(path).unlink(missing_ok=True)


def _write(
    folder: str, maps: dict[str, Float32], curves: ResolutionCurves, guinier: GuinierCurves, job: AverageJob
) -> None:
    for name in MAPS[:2] if job.half_maps_only else MAPS:
        write_mrc(f"{folder}{name}.mrc", maps[name], pixel_size_angstrom=curves.pixel_size_angstrom)
    if job.command:
        write_note(folder, job.command)
    if job.half_maps_only:
        return
    files = MapFiles(
        f"{folder}half1.mrc", f"{folder}half2.mrc", job.mask_file or f"{folder}mask.mrc", job.settings.symmetry.upper()
    )
    write_fsc(f"{folder}fsc.star", curves, guinier, files)
