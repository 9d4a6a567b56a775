"""Average particles from Python."""

from __future__ import annotations

import warnings
from types import NoneType

from subtomo.averaging.average import AverageSettings
from subtomo.errors import InputWarning
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.average import AverageJob, run_average
from subtomo.jobs.average_page import draw_average
from subtomo.jobs.average_result import AverageResult
from subtomo.jobs.cores import available_cores
from subtomo.jobs.progress import Silent
from subtomo.model.choices import check_kind, whole_number_of, word_of
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import DataTerm, ExtractionSettings
from subtomo.verbs.places import Particles, Tomograms, Where, named, particles_file, tomograms_file


class _Warnings(Silent):
    """Passes on what a run warns of."""

    def warn(self, message: str) -> None:
        warnings.warn(message, InputWarning, stacklevel=2)


def average(
    particles: Particles,
    output_dir: Where,
    settings: AverageSettings | None = None,
    *,
    from_tilts: ExtractionSettings | None = None,
    tomograms: Tomograms | None = None,
    trajectories: Where | None = None,
    mask_file: Where | None = None,
    data_term: DataTerm | str | None = None,
    threads: int | None = None,
) -> AverageResult:
    """Average particles into half maps and a merged map, measure their resolution, and write maps, curves and a page.

    Args:
        particles: The particle set of an extraction: its file or folder, the account that `extract` returns, or a
            `ParticleSet`, perhaps some particles of it: ``particles[particles.class_number == 2]``.
        output_dir: Folder to write to; an earlier average in it is replaced.
        settings: Symmetry, mask and division by weights.
        from_tilts: How to build the particles from the tilt images; None to read the files of the extraction.
        tomograms: For ``from_tilts``: the tomogram set or its file.
        trajectories: For ``from_tilts``: the file of the particles' motion.
        mask_file: A mask (MRC, 0 to 1, of the maps' size) instead of a sphere.
        data_term: How the data in the files were added up, if no account beside them says.
        threads: Particles at a time; None for one per available core. Results do not depend on it.

    Returns:
        Maps, curves and ``plots``; in a notebook it shows them.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    check_kind("settings", settings, AverageSettings, NoneType)
    check_kind("from_tilts", from_tilts, ExtractionSettings, NoneType)
    term = None if data_term is None else word_of("data_term", DataTerm, data_term)
    job = AverageJob(
        output_dir=str(output_dir),
        settings=settings or AverageSettings(),
        files=OptimisationSet(
            particles=None if isinstance(particles, ParticleSet) else particles_file(particles),
            tomograms=None if tomograms is None else tomograms_file(tomograms),
            trajectories=named(trajectories),
        ),
        particles=particles if isinstance(particles, ParticleSet) else None,
        mask_file=named(mask_file),
        from_tilts=from_tilts,
        data_term=term if from_tilts is None else from_tilts.data_term,
        threads=available_cores() if threads is None else whole_number_of("threads", threads),
    )
    progress = _Warnings()
    result = run_average(job, progress)
    draw_average(result, job, progress.warn)
    return result
