"""Refine particles: from picks, or from an extraction, to half maps and poses (spec/refinement.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.voxels import voxels_of
from subtomo.averaging.average import HALVES
from subtomo.averaging.resolution import filtered_map, guinier_curves
from subtomo.errors import InputError
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import OptimisationSet, write_optimisation_set
from subtomo.io.relion.fsc import MapFiles, write_fsc
from subtomo.jobs.cores import available_cores
from subtomo.jobs.inputs import protect_inputs
from subtomo.jobs.note import write_note
from subtomo.jobs.progress import ProgressListener, Silent
from subtomo.jobs.refine_files import RefinementFiles, refinement_key
from subtomo.jobs.refine_inputs import FEWEST_PER_HALF, given_maps, starting
from subtomo.jobs.refine_sources import RefinementSource, opened
from subtomo.jobs.sources import find_sources
from subtomo.model.particles import ParticleSet
from subtomo.model.resolution import GuinierCurves
from subtomo.model.settings import ExtractionSettings
from subtomo.output.folders import prepare_folder
from subtomo.refinement.noise import precision
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.rounds import Refinement, Round
from subtomo.refinement.scale import GreyScale, grey_scale
from subtomo.refinement.search import PoseSearch
from subtomo.refinement.settings import RefinementSettings, Search
from subtomo.refinement.spread import PassExecutor, SpreadPasses
from subtomo.refinement.store import TermStore

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

MEMORY_GB = 4.0
_PASSES = ".subtomo-passes"
"""What batches need that are worked on elsewhere."""
_CONTRAST_SIGNIFICANT = 5.0
_SYMMETRIC = 0.5
"""Of `Round.agreement_about_axes`: one for a perfect symmetry, near zero for none."""


@dataclass(frozen=True)
class RefinementJob:
    """What to refine from which files into which folder."""

    output_dir: str
    settings: RefinementSettings = field(default_factory=RefinementSettings)
    extraction: ExtractionSettings | None = None
    """How particles are built from the tilt images; None to read what an extraction wrote."""
    files: OptimisationSet = field(default_factory=OptimisationSet)
    optimisation_set_file: str | None = None
    place: str | None = None
    """The folder of a run, or a STAR file, instead of naming files one by one."""
    reference_file: str | None = None
    mask_file: str | None = None
    memory_gb: float = MEMORY_GB
    """Of terms that are kept; particles beyond are made again each round."""
    threads: int | None = None
    """None for one per core."""
    resume: bool = False
    """Go on after the last round that an earlier run finished."""
    command: tuple[str, ...] = ()
    """The command line, for the note."""
    executor: PassExecutor | None = None
    """Works on batches of particles elsewhere, where the output folder is seen; None for threads of this process."""


@dataclass(frozen=True, eq=False)
class RefinementResult:
    """What a refinement found."""

    folder: str
    """Ends in a slash."""
    rounds: tuple[Round, ...]
    """Those of this run; the last one holds the final poses and half maps."""
    maps: dict[str, Float32]
    """half1, half2, merged, filtered, mask."""
    guinier: GuinierCurves
    particles: ParticleSet
    source: RefinementSource
    priors: Priors
    left_out: tuple[str, ...]
    """Particles that were left out, with the reason."""
    seconds: float
    grey_scale: GreyScale | None = None
    """Of the reference that was given."""

    @property
    def resolution_angstrom(self) -> float:
        """Of the half maps, FSC 0.143."""
        return self.rounds[-1].resolution_angstrom


def run_refinement(
    job: RefinementJob, progress: ProgressListener | None = None, on_round: Callable[[Round], None] = lambda _: None
) -> RefinementResult:
    """Refine particles, and write what RELION goes on from.

    Args:
        job: What to do.
        progress: Hears of particles.
        on_round: Hears of each round when its files are written.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    start, progress = time.monotonic(), progress or Silent()
    folder = job.output_dir.rstrip("/") + "/" if job.output_dir else ""
    named = find_sources(job.files, job.optimisation_set_file, job.place, sets=True)
    files, threads = named.files, job.threads or available_cores()
    particles, source, _ = opened(named, job.extraction, progress, threads=threads)
    inputs = [*vars(files).values(), named.optimisation_set_file, job.reference_file, job.mask_file]
    protect_inputs(inputs, (f"{folder}{name}" for name in ("run_data.star", "optimisation_set.star")))
    poses, priors = starting(job, particles, source, progress)
    voxel = float(np.median(source.voxel_angstrom))
    mask, reference = given_maps(job, source.size, voxel)
    names = {"reference": job.reference_file, "mask": job.mask_file, "extraction": str(job.extraction)}
    written = RefinementFiles(folder, particles, source, voxel, refinement_key(job.settings, source, particles, names))
    prepare_folder(folder or ".")
    begun = written.last_round(job.settings.seed) if job.resume else None
    if begun is None:
        written.remove_rounds()
    voxels = voxels_of(source.size, source.size // 2 - 1)
    elsewhere = None if job.executor is None else SpreadPasses(job.executor, Path(folder or ".").resolve() / _PASSES)
    refinement = Refinement(
        TermStore(source.items, voxels, job.memory_gb * 1e9), priors, source.series, voxel, source.response,
        job.settings, mask, None, threads, None,
        progress.start, partial(_advance, progress), elsewhere,
    )  # fmt: skip
    try:
        found, scale = _refined(job, refinement, begun or poses, reference, written, progress, on_round)
        return _concluded(job, refinement, found, written, files, start, scale, progress)
    finally:
        if elsewhere is not None:
            elsewhere.remove()


def _refined(
    job: RefinementJob, refinement: Refinement, begin: Poses | Round, reference: Float | None,
    written: RefinementFiles, progress: ProgressListener, on_round: Callable[[Round], None],
) -> tuple[list[Round], GreyScale | None]:  # fmt: skip
    """Go through the rounds, writing each."""
    found, scale = list[Round](), None
    first = begin if isinstance(begin, Round) else None
    try:
        if first is None:
            assert isinstance(begin, Poses)
            first = next(refinement.rounds(begin))
            _require_particles(first, refinement)
            _warn_of_axes(first, job.settings.symmetry, progress)
            written.write_round(first, job.settings.fits_scale)
            on_round(first)
        found.append(first)
        if first.number == 0:
            refinement, first, scale = _with_start(job, refinement, first, reference, progress)
            found[-1] = first
        for one in refinement.rounds(first):
            written.write_round(one, job.settings.fits_scale)
            found.append(one)
            on_round(one)
    finally:
        progress.stop()
    return found, scale


def _with_start(
    job: RefinementJob, refinement: Refinement, first: Round, reference: Float | None, progress: ProgressListener
) -> tuple[Refinement, Round, GreyScale | None]:
    """Bring a given reference to the particles' grey scale, and prepare the search that was asked for."""
    settings, voxel = job.settings, refinement.voxel_angstrom
    search = None
    if settings.search is not Search.LOCAL:
        radius = _radius(first.mask) * voxel
        search = PoseSearch(settings, refinement.priors, voxel, radius)
    scale = None
    if reference is not None:
        shell = max(3, int(refinement.store.voxels.size * voxel / (settings.ini_high_angstrom or 40.0)))
        first = replace(first, last_shell=min(shell, refinement.store.voxels.reach))
        weights = precision(first.variance, first.last_shell)[0]
        stretch = voxel / refinement.priors.voxel_angstrom
        free = None if search is None else replace(search, scale_free=True)
        scale = grey_scale(reference * first.mask, refinement.store, first.poses, weights, stretch, free)
        if scale.factor < 0:
            progress.warn(
                f"{job.reference_file}: its contrast is inverted against the particles' (grey scale "
                f"{scale.factor:.3g}); it is used with the opposite sign"
            )
        if abs(scale.significance) < _CONTRAST_SIGNIFICANT:
            progress.warn(
                f"{job.reference_file}: the particles hardly resemble it in the poses that they have "
                f"({scale.significance:.1f} standard errors); is it the same molecule, centred, and on the same pixel "
                "size? Are poses known, or is a search (search) needed?"
            )
        reference = reference * scale.factor
    elif search is not None and settings.search is Search.GLOBAL:
        progress.note("no reference is given: the search is against the particles' own average in their present poses")
    return replace(refinement, reference=reference, start=search), first, scale


def _concluded(
    job: RefinementJob, refinement: Refinement, found: list[Round], written: RefinementFiles, files: OptimisationSet,
    start: float, scale: GreyScale | None, progress: ProgressListener,
) -> RefinementResult:  # fmt: skip
    """Average once more in the final poses, and write the final files, the optimisation set last."""
    last, folder, voxel = found[-1], written.folder, refinement.voxel_angstrom
    try:
        result, sums = refinement.averaged(last.poses)
    finally:
        progress.stop()
    halves, mask = refinement.compared(sums, last.mask)
    last = replace(last, halves=halves, poses=result.poses)
    found[-1] = last
    curves = halves.curves
    merged = (sums[1] + sums[2]).map(None)
    maps = {"half1": halves.maps[1], "half2": halves.maps[2], "merged": merged, "mask": mask.astype(np.float32)}
    maps["filtered"] = filtered_map(merged, mask, curves)
    guinier = guinier_curves(merged, mask, curves)
    names = {half: f"{folder}run_half{half}_class001_unfil.mrc" for half in HALVES}
    for half in HALVES:
        write_mrc(names[half], halves.maps[half], pixel_size_angstrom=voxel)
    write_mrc(f"{folder}run_class001.mrc", maps["filtered"], pixel_size_angstrom=voxel)
    write_mrc(f"{folder}mask.mrc", maps["mask"], pixel_size_angstrom=voxel)
    mask_name = job.mask_file or f"{folder}mask.mrc"
    write_fsc(
        f"{folder}fsc.star", curves, guinier, MapFiles(names[1], names[2], mask_name, job.settings.symmetry.upper())
    )
    written.write_model(f"{folder}run_model.star", last, (f"{folder}run_class001.mrc",))
    written.write_particles(f"{folder}run_data.star", last.poses, fits_scale=job.settings.fits_scale)
    if job.command:
        write_note(folder, job.command)
    written_set = files.overridden_by(OptimisationSet(particles=f"{folder}run_data.star"))
    write_optimisation_set(f"{folder}optimisation_set.star", written_set)
    particles, source = written.particles, written.source
    failed = [f"{particles.names[source.indices[index]]}: {text}" for index, text in sorted(last.problems.items())]
    return RefinementResult(
        folder, tuple(found), maps, guinier, particles, source, refinement.priors, (*source.left_out, *failed),
        time.monotonic() - start, scale,
    )  # fmt: skip


def _advance(progress: ProgressListener, count: int) -> None:
    for _ in range(count):
        progress.advance("")


def _require_particles(first: Round, refinement: Refinement) -> None:
    """See that both half sets have particles."""
    poses = first.poses
    for half in HALVES:
        count = int(((poses.half == half) & poses.is_usable).sum())
        if count < FEWEST_PER_HALF:
            reason = next(iter(first.problems.values()), "")
            raise InputError(f"half set {half} has {count} particles that can be made, but needs more: {reason}")


def _warn_of_axes(first: Round, symmetry: str, progress: ProgressListener) -> None:
    """Say if the particles do not look as if they had the symmetry that they are given."""
    agreement = first.agreement_about_axes
    if agreement is not None and agreement < _SYMMETRIC:
        progress.warn(
            f"the half maps resemble each other rotated by {symmetry.upper()} only {max(agreement, 0.0):.0%} as much "
            "as they do as they are: is this the symmetry of the particles, and do its axes lie as RELION wants them "
            "(the main one along z, through the centre)? Refine without symmetry (symmetry=C1) to see"
        )


def _radius(mask: Float) -> float:
    """Estimate the radius of what a mask keeps, voxels."""
    return float((0.75 / np.pi * (mask > 0.5).sum()) ** (1.0 / 3.0))
