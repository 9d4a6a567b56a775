"""Extract particles: from nouns, or from the names of files as a command gives them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from subtomo.errors import SettingsError
from subtomo.extraction.plan import plan_extraction
from subtomo.io.account import write_account
from subtomo.io.reading import collected_warnings
from subtomo.io.relion import OptimisationSet, read_particles, read_tomograms
from subtomo.jobs.batches import BatchExecutor
from subtomo.jobs.context import RunContext
from subtomo.jobs.control import PipelineControl
from subtomo.jobs.extraction import Extraction
from subtomo.jobs.inputs import input_files, needed_file, protect_inputs
from subtomo.jobs.note import write_note
from subtomo.jobs.progress import ProgressListener
from subtomo.model.account import ExtractionSummary, InputFiles
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.layout import OutputLayout, output_folder, summary_file
from subtomo.output.relion_tree import RelionTree
from subtomo.output.sink import Sink
from subtomo.output.sums import SumsSink
from subtomo.output.zarr_group import ZarrGroup
from subtomo.version import __version__

__all__ = ["ExtractionJob", "RunContext", "extract", "run_job", "store_particles"]


@dataclass(frozen=True)
class ExtractionJob:
    """What to extract from which files into which folder."""

    output_dir: str
    settings: ExtractionSettings
    output: OutputSettings = field(default_factory=OutputSettings)
    particles_file: str | None = None
    tomograms_file: str | None = None
    trajectories_file: str | None = None
    optimisation_set_file: str | None = None
    threads: int = 1
    command: tuple[str, ...] = ()
    """The command line, for the note that RELION leaves in its folders."""
    resume: bool = False
    """Keep particles that an earlier run finished with the same settings and inputs."""
    verify: bool = False
    """Compare the files of finished particles with the checksums that were taken when they were written."""
    overwrite: bool = False
    """Replace files of other programs in the output folder."""
    as_zarr: bool = False
    """Write one Zarr store for Python instead of RELION's tree of files."""
    check_disk: bool = True
    """Refuse to begin if the disk has no room for what will be written."""
    executor: BatchExecutor | None = None
    """Makes batches of particles elsewhere; None for threads of this process."""
    control_prefix: str | None = None
    """Folder (or prefix) where RELION's pipeline asks for the end of a job; None if no pipeline is there."""


def run_job(job: ExtractionJob, progress: ProgressListener) -> ExtractionSummary:
    """Read the input, extract it, and leave an account beside the particles.

    Raises:
        AbortedError: The pipeline that controls the run asked it to stop.
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense.
    """
    try:
        if job.threads < 1:
            raise SettingsError(
                f"number of threads (threads) is {job.threads}, but must be at least 1", field="threads"
            )
        if job.verify and not job.resume:
            raise SettingsError(
                "verify=True compares what an earlier run finished, so it needs resume=True",
                field=("verify", "resume"),
            )
        named = OptimisationSet(job.particles_file, job.tomograms_file, job.trajectories_file)
        files = input_files(named, job.optimisation_set_file)
        particles_file = needed_file(files.particles, "particles", job.optimisation_set_file)
        tomograms_file = needed_file(files.tomograms, "tomograms", job.optimisation_set_file)
        with collected_warnings() as odd:
            tomograms = read_tomograms(tomograms_file)
            particles = read_particles(particles_file, tomograms, trajectories=files.trajectories)
        context = RunContext(
            files=files,
            threads=job.threads,
            progress=progress,
            inputs=(job.optimisation_set_file,) if job.optimisation_set_file else (),
            before_series=PipelineControl(job.control_prefix).check,
            input_warnings=tuple(odd),
            resume=job.resume,
            verify=job.verify,
            # RELION's pipeline puts files into the folder of a job before it starts it
            overwrite=job.overwrite or job.control_prefix is not None,
            check_disk=job.check_disk,
            executor=job.executor,
            account=partial(_leave_account, job),
        )
        make = store_particles if job.as_zarr else extract
        return make(tomograms, particles, job.settings, job.output_dir, output=job.output, context=context)
    finally:
        progress.stop()


def extract(
    tomograms: TomogramSet,
    particles: ParticleSet,
    settings: ExtractionSettings,
    output_dir: str,
    *,
    output: OutputSettings | None = None,
    context: RunContext | None = None,
) -> ExtractionSummary:
    """Extract all particles into RELION's tree of files; STAR files come last, when all that they name exists.

    A particle that cannot be made does not keep the others from being made: see ``failures`` of the summary.

    Args:
        tomograms: With images.
        particles: To be extracted.
        settings: What to compute.
        output_dir: Folder to write to; made with its parents.
        output: What to write, and how; by default one data and one weights file per particle, single precision.
        context: Threads, progress, whether to resume, and the files that an optimisation set is to name.

    Returns:
        What was written, what was left out, and what failed.

    Raises:
        InputError: Input is missing, damaged or inconsistent, or another run writes to the folder.
        OSError: Files cannot be written. What is finished stays so for a run that resumes.
        OutputError: There is no more room on the disk.
        SettingsError: Settings contradict each other, or those of a run that is to be resumed, or the disk has no room.
    """
    output, context = output or OutputSettings(), context or RunContext()
    output.check_with(settings)
    plan = plan_extraction(tomograms, particles, settings)
    layout = OutputLayout.of(plan, output_dir)
    files = _files(tomograms, particles, context)
    sinks: list[Sink[Any]] = [RelionTree(plan, layout, output, files)]
    if output.write_sums:
        sinks.append(SumsSink(layout, output.snr, resume=context.resume))
    protect_inputs((*vars(files).values(), *context.inputs), layout.records)
    return Extraction(plan, sinks, _account(plan, layout.folder, output, files, context), context).run(tomograms)


def store_particles(
    tomograms: TomogramSet,
    particles: ParticleSet,
    settings: ExtractionSettings,
    output_dir: str,
    *,
    output: OutputSettings | None = None,
    context: RunContext | None = None,
) -> ExtractionSummary:
    """Extract all particles into ``particles.zarr`` in the output folder; no STAR file, as RELION cannot read it.

    Takes, gives and raises what `extract` does; of the output settings only the default has a meaning here.
    """
    plan = plan_extraction(tomograms, particles, settings)
    output, context = output or OutputSettings(), context or RunContext()
    layout = OutputLayout(output_folder(output_dir), separate_tomograms=False)
    account = _account(plan, layout.folder, output, _files(tomograms, particles, context), context)
    return Extraction(plan, [ZarrGroup(layout, output)], account, context).run(tomograms)


def _files(tomograms: TomogramSet, particles: ParticleSet, context: RunContext) -> OptimisationSet:
    """Name the input files: where the nouns come from, unless the context knows better."""
    sources = OptimisationSet(particles=particles.source or None, tomograms=tomograms.source or None)
    return sources.overridden_by(context.files)


def _account(
    plan: ExtractionPlan, folder: str, output: OutputSettings, files: OptimisationSet, context: RunContext
) -> ExtractionSummary:
    """Begin the account of a run with what is known before it."""
    return ExtractionSummary(
        output_dir=folder,
        settings=plan.settings,
        output=output,
        n_particles=len(plan.particles),
        n_extracted=0,
        inputs=InputFiles(**vars(files)),
        # relative, so that it still holds when the project is moved with its folders
        project=os.path.relpath(context.project or os.curdir, folder),
        program=f"subtomo {__version__}",
    )


def _leave_account(job: ExtractionJob, summary: ExtractionSummary) -> None:
    """Write note and summary."""
    folder = summary.output_dir
    if job.control_prefix is None:
        write_note(folder, job.command)
    inputs = replace(summary.inputs, optimisation_set=job.optimisation_set_file)
    write_account(summary_file(folder), replace(summary, inputs=inputs, command=job.command))
