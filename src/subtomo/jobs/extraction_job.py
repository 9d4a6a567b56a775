"""An extraction as a command describes it: by the names of files."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

from subtomo.errors import SettingsError
from subtomo.io.relion import OptimisationSet, read_particles, read_tomograms
from subtomo.jobs.batches import BatchExecutor
from subtomo.jobs.control import PipelineControl
from subtomo.jobs.extract import RunContext, extract
from subtomo.jobs.inputs import input_files, needed_file
from subtomo.jobs.note import write_note
from subtomo.jobs.progress import ProgressListener
from subtomo.jobs.store import store_particles
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.output.layout import summary_file
from subtomo.output.summary import ExtractionSummary, write_summary


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
    as_zarr: bool = False
    """Write one Zarr store for Python instead of RELION's tree of files."""
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
        return _run(job, progress)
    finally:
        progress.stop()


def _run(job: ExtractionJob, progress: ProgressListener) -> ExtractionSummary:
    if job.threads < 1:
        raise SettingsError(f"number of threads (--j) is {job.threads}, but must be at least 1")
    named = OptimisationSet(job.particles_file, job.tomograms_file, job.trajectories_file)
    files = input_files(named, job.optimisation_set_file)
    particles_file = needed_file(files.particles, "particles", job.optimisation_set_file)
    tomograms_file = needed_file(files.tomograms, "tomograms", job.optimisation_set_file)
    tomograms = read_tomograms(tomograms_file)
    particles = read_particles(particles_file, tomograms, trajectories=files.trajectories)
    context = RunContext(
        files=files,
        threads=job.threads,
        progress=progress,
        inputs=(job.optimisation_set_file,) if job.optimisation_set_file else (),
        before_tomogram=PipelineControl(job.control_prefix).check,
        resume=job.resume,
        executor=job.executor,
        account=partial(_leave_account, job),
    )
    make = store_particles if job.as_zarr else extract
    return make(
        tomograms,
        particles,
        job.settings,
        job.output_dir,
        output=job.output,
        context=context,
    )


def _leave_account(job: ExtractionJob, summary: ExtractionSummary) -> None:
    """Write note and summary."""
    folder = summary.output_dir
    if job.control_prefix is None:
        write_note(folder, job.command)
    origin = {"program": f"subtomo {version('subtomo')}", "command": list(job.command)}
    write_summary(summary_file(folder), summary, job.settings, job.output, origin)
