"""Classify particles in their poses: from a refinement or an extraction to classes of particles and their maps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.classification.aligning import AlignedPoses
from subtomo.classification.confounded import Shared
from subtomo.classification.grid import MapGrid
from subtomo.classification.holdout import HeldOut, held_out
from subtomo.classification.iteration import Iteration
from subtomo.classification.rounds import Classification
from subtomo.classification.settings import ClassificationSettings
from subtomo.io.relion import OptimisationSet, write_optimisation_set
from subtomo.io.relion.classified import ClassFacts
from subtomo.jobs.classify_files import ClassificationFiles, classification_key
from subtomo.jobs.classify_prepare import ClassificationJob, check_job, confounded_with, prepared
from subtomo.jobs.classify_rounds import Listeners, Rounds
from subtomo.jobs.classify_sources import known_poses, read_references, require_enough
from subtomo.jobs.cores import available_cores
from subtomo.jobs.inputs import protect_inputs
from subtomo.jobs.note import write_note
from subtomo.jobs.progress import ProgressListener, Silent
from subtomo.jobs.refine_inputs import read_mask
from subtomo.jobs.refine_sources import RefinementSource, opened
from subtomo.jobs.sources import find_sources
from subtomo.model.particles import ParticleSet
from subtomo.output.folders import make_folder
from subtomo.refinement.poses import Poses

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """What a classification found; arrays of particles have a row per particle that could be made."""

    folder: str
    """Ends in a slash."""
    settings: ClassificationSettings
    """With the number of classes that were made."""
    iterations: tuple[Iteration, ...]
    """Of the start that was kept; of a run that went on, those of this run."""
    grid: MapGrid
    maps: Float32
    """(n_classes, c, c, c)"""
    noise: Float
    """(n_classes,) standard deviation of each map within the mask, from its half maps."""
    classes: tuple[ClassFacts, ...]
    particles: ParticleSet
    source: RefinementSource
    poses: Poses
    """Of the particles that could be made, in the end."""
    rows: Int
    """(n,) which of the source's particles these are."""
    confounded: tuple[Shared, ...]
    """What classes tell of direction, tilt series and defocus."""
    compared: tuple[HeldOut, ...]
    """Numbers of classes by held-out particles."""
    left_out: tuple[str, ...]
    """Particles that could not be made, with the reason."""
    seconds: float
    data_file: str
    notes: tuple[str, ...] = ()
    alignments: tuple[AlignedPoses, ...] = ()
    """Rounds of alignment; poses only of the last one, if an earlier run made the others."""

    @property
    def last(self) -> Iteration:
        """The final state."""
        return self.iterations[-1]


def run_classification(
    job: ClassificationJob, progress: ProgressListener | None = None,
    on_iteration: Callable[[int, Iteration], None] = lambda start, found: None,
    on_number: Callable[[HeldOut], None] = lambda found: None,
    on_alignment: Callable[[int, AlignedPoses], None] = lambda number, found: None,
) -> ClassificationResult:  # fmt: skip
    """Classify particles, and write what RELION and `run_refinement` go on from.

    Args:
        job: What to do.
        progress: Hears of particles.
        on_iteration: Hears of each iteration, and of the start that it belongs to.
        on_number: Hears of each number of classes that is compared.
        on_alignment: Hears of each round of alignment, from 1.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    start, progress, settings = time.monotonic(), progress or Silent(), job.settings
    check_job(job)
    folder = job.output_dir.rstrip("/") + "/" if job.output_dir else ""
    named = find_sources(job.files, job.optimisation_set_file, job.place, sets=True)
    threads = job.threads or available_cores()
    found = opened(named, job.extraction, progress, threads=threads)
    particles, source, _ = found
    inputs = [*vars(named.files).values(), named.optimisation_set_file, *job.reference_files, job.mask_file,
              job.focus_mask_file]  # fmt: skip
    protect_inputs(inputs, (f"{folder}{name}" for name in (f"run_it{settings.iterations:03d}_data.star",
                                                           "optimisation_set.star")))  # fmt: skip
    poses = known_poses(particles, source, settings.seed, progress)
    require_enough(len(poses), max(job.numbers, default=settings.classes), particles.where)
    voxel = float(np.median(source.voxel_angstrom))
    references = read_references(job.reference_files, source.size, voxel)
    masks = [read_mask(path, source.size, voxel) if path else None for path in (job.mask_file, job.focus_mask_file)]
    make_folder(folder or ".")
    made = prepared(job, found, poses, masks, threads, progress)
    classification, rows, problems, _ = made
    notes = list[str]()
    compared = tuple[HeldOut, ...]()
    if job.numbers:
        settings, compared = _number_of_classes(job, classification, on_number)
        made = made._replace(classification=replace(classification, settings=settings))
    names = {"extraction": str(job.extraction), "references": " ".join(job.reference_files),
             "masks": f"{job.mask_file} {job.focus_mask_file}"}  # fmt: skip
    key = classification_key(settings, source, particles, names)
    written = ClassificationFiles(folder, particles, source, rows, classification.grid, key)
    begun = written.last_state() if job.resume else None
    written.remove_older(and_state=begun is None)
    listeners = Listeners(progress, on_iteration, on_alignment)
    done = Rounds(job, made, references, written, listeners).run(poses.take(rows), begun)
    last, classification = done.iterations[-1], done.classification
    data_file, facts = written.write_results(last, settings, named.files, done.poses if done.alignments else None)
    notes += [
        f"class {number + 1} lost its particles in iteration {at} and began anew from those that fitted worst"
        for number, at in last.reseeded.items()
    ]
    for number, at in last.dropped.items():
        notes.append(f"class {number + 1} lost its particles in iteration {at} and was left out from there on")
    if job.command:
        write_note(folder, job.command)
    write_optimisation_set(
        f"{folder}optimisation_set.star", named.files.overridden_by(OptimisationSet(particles=data_file))
    )
    confounded = confounded_with(found, done.poses, rows, last)
    notes += [
        f"classes follow {one.name}: {one.bits:.3f} bits of mutual information, {one.by_chance:.3f} by chance "
        f"(p = {one.probability:.3f}); look whether that is what the molecules do, or the missing wedge or the images"
        for one in confounded
        if one.is_surprising
    ]
    for text in notes:
        progress.warn(text)
    failed = [f"{particles.names[source.indices[index]]}: {text}" for index, text in sorted(problems.items())]
    maps = np.stack([classification.grid.refined(density) for density in last.maps])
    # in units of the maps of the particles' box
    noise = classification.map_noise(last) * (classification.grid.size / source.size) ** 1.5
    return ClassificationResult(
        folder, settings, tuple(done.iterations), classification.grid, maps, noise, tuple(facts), particles, source,
        done.poses, rows, confounded, compared, (*source.left_out, *failed), time.monotonic() - start,
        data_file, tuple(notes), done.alignments,
    )  # fmt: skip


def _number_of_classes(
    job: ClassificationJob, classification: Classification, on_number: Callable[[HeldOut], None]
) -> tuple[ClassificationSettings, tuple[HeldOut, ...]]:
    """Compare numbers of classes, and choose the smallest one that is as likely as the best within its error."""
    found = []
    for number in job.numbers:
        found += held_out(classification, (number,))
        on_number(found[-1])
    best = max(found, key=lambda one: one.mean)
    chosen = best.classes
    for one in sorted(found, key=lambda one: one.classes):
        gain = best.log_likelihood - one.log_likelihood
        if gain.mean() <= gain.std() / np.sqrt(len(gain)):
            chosen = one.classes
            break
    return replace(job.settings, classes=chosen), tuple(found)
