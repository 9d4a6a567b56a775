"""Classify particles from Python, and select classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from types import NoneType

from subtomo.classification.settings import ClassificationSettings
from subtomo.errors import InputWarning
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.classify import ClassificationResult, run_classification
from subtomo.jobs.classify_page import draw_classification
from subtomo.jobs.classify_prepare import MEMORY_GB, ClassificationJob
from subtomo.jobs.progress import Silent
from subtomo.jobs.select import Selected, select_classes
from subtomo.model.choices import check_kind, whole_number_of
from subtomo.model.settings import ExtractionSettings
from subtomo.verbs.places import Particles, Tomograms, Where, named, particles_file, tomograms_file


class _Warnings(Silent):
    """Passes on what a run warns of."""

    def warn(self, message: str) -> None:
        warnings.warn(message, InputWarning, stacklevel=2)


def classify(
    particles: Particles,
    output_dir: Where,
    settings: ClassificationSettings | None = None,
    *,
    numbers: Sequence[int] = (),
    extraction: ExtractionSettings | None = None,
    tomograms: Tomograms | None = None,
    trajectories: Where | None = None,
    reference_files: Sequence[Where] = (),
    mask_file: Where | None = None,
    focus_mask_file: Where | None = None,
    memory_gb: float = MEMORY_GB,
    threads: int | None = None,
    resume: bool = False,
) -> ClassificationResult:
    """Sort particles into classes in the poses that they have, and write classes, maps and a page.

    Args:
        particles: File or folder of a particle set with refined poses.
        output_dir: Folder to write to; an earlier classification in it is replaced unless ``resume``.
        settings: Number of classes, resolution, mask, false picks.
        numbers: Numbers of classes to compare by held-out particles; the best one is made.
        extraction: How to build the particles from the tilt images; None to read the files of an extraction.
        tomograms: The tomogram set or its file; needed with ``extraction``, and good for the noise level without.
        trajectories: The file of the particles' motion.
        reference_files: Maps (MRC) to begin with, one per class.
        mask_file: A mask (MRC, 0 to 1, of the maps' size) instead of a sphere.
        focus_mask_file: A mask of the part that is compared; the rest is subtracted as all particles have it.
        memory_gb: What the terms of all particles may take, GB.
        threads: Particles at a time; None for one per available core. Results do not depend on it.
        resume: Go on after the last iteration that an earlier run finished.

    Returns:
        Iterations, classes, maps.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    check_kind("settings", settings, ClassificationSettings, NoneType)
    check_kind("extraction", extraction, ExtractionSettings, NoneType)
    place, particle_file = _place_or_file(particles)
    job = ClassificationJob(
        output_dir=str(output_dir),
        place=place,
        settings=settings or ClassificationSettings(),
        numbers=tuple(whole_number_of("numbers", number) for number in numbers),
        extraction=extraction,
        files=OptimisationSet(
            particles=particle_file,
            tomograms=None if tomograms is None else tomograms_file(tomograms),
            trajectories=named(trajectories),
        ),
        reference_files=tuple(str(one) for one in reference_files),
        mask_file=named(mask_file),
        focus_mask_file=named(focus_mask_file),
        memory_gb=memory_gb,
        threads=None if threads is None else whole_number_of("threads", threads),
        resume=resume,
    )
    progress = _Warnings()
    result = run_classification(job, progress)
    draw_classification(result, (), progress.warn)
    return result


def select(
    particles: Particles, output_dir: Where, classes: Sequence[int], *, min_probability: float = 0.0
) -> Selected:
    """Write the particles of some classes as a particle set and an optimisation set.

    Args:
        particles: File or folder of a classification.
        output_dir: Folder to write to.
        classes: Their numbers, from 1.
        min_probability: Of a particle in its class.

    Returns:
        How many were kept, and the files.

    Raises:
        InputError: Particles have no classes, or none is kept.
        SettingsError: A number makes no sense.
    """
    chosen = tuple(whole_number_of("classes", number) for number in classes)
    place, particle_file = _place_or_file(particles)
    return select_classes(
        str(output_dir), chosen, min_probability, OptimisationSet(particles=particle_file), place=place
    )


def _place_or_file(particles: Particles) -> tuple[str | None, str | None]:
    """Tell the folder of a run, whose optimisation set names its files, from a particle set."""
    if isinstance(particles, (str, os.PathLike)) and os.path.isdir(particles):
        return os.fspath(particles), None
    return None, particles_file(particles)
