"""Refine particles from Python."""

from __future__ import annotations

import warnings
from types import NoneType

from subtomo.errors import InputWarning
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.progress import Silent
from subtomo.jobs.refine import MEMORY_GB, RefinementJob, RefinementResult, run_refinement
from subtomo.jobs.refine_page import draw_refinement
from subtomo.model.choices import check_kind, whole_number_of
from subtomo.model.settings import ExtractionSettings
from subtomo.refinement.settings import RefinementSettings
from subtomo.verbs.places import Particles, Tomograms, Where, named, particles_file, tomograms_file


class _Warnings(Silent):
    """Passes on what a run warns of."""

    def warn(self, message: str) -> None:
        warnings.warn(message, InputWarning, stacklevel=2)


def refine(
    particles: Particles,
    output_dir: Where,
    settings: RefinementSettings | None = None,
    *,
    extraction: ExtractionSettings | None = None,
    tomograms: Tomograms | None = None,
    trajectories: Where | None = None,
    reference_file: Where | None = None,
    mask_file: Where | None = None,
    memory_gb: float = MEMORY_GB,
    threads: int | None = None,
    resume: bool = False,
) -> RefinementResult:
    """Refine poses on the exact cost in two half sets, and write poses, maps and a page (spec/refinement.md).

    Args:
        particles: File or folder of a particle set.
        output_dir: Folder to write to; an earlier refinement in it is replaced unless ``resume``.
        settings: Mask, symmetry, priors, search.
        extraction: How to build the particles from the tilt images; None to read the files of an extraction.
        tomograms: The tomogram set or its file; needed with ``extraction``, and good for the noise level without.
        trajectories: The file of the particles' motion.
        reference_file: A map (MRC) to begin with instead of the particles' own average.
        mask_file: A mask (MRC, 0 to 1, of the maps' size) instead of a sphere.
        memory_gb: Memory for the terms of particles, GB; those beyond it are made again each round.
        threads: Particles at a time; None for one per available core. Results do not depend on it.
        resume: Go on after the last round that an earlier run finished.

    Returns:
        Rounds, poses, maps.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    check_kind("settings", settings, RefinementSettings, NoneType)
    check_kind("extraction", extraction, ExtractionSettings, NoneType)
    job = RefinementJob(
        output_dir=str(output_dir),
        settings=settings or RefinementSettings(),
        extraction=extraction,
        files=OptimisationSet(
            particles=particles_file(particles),
            tomograms=None if tomograms is None else tomograms_file(tomograms),
            trajectories=named(trajectories),
        ),
        reference_file=named(reference_file),
        mask_file=named(mask_file),
        memory_gb=memory_gb,
        threads=None if threads is None else whole_number_of("threads", threads),
        resume=resume,
    )
    progress = _Warnings()
    result = run_refinement(job, progress)
    draw_refinement(result, (), progress.warn)
    return result
