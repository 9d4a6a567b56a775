"""``subtomo extract``: the command of relion_tomo_subtomo."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from subtomo.cli.arguments import command_line, given_or_none
from subtomo.cli.extract_options import InputOptions, ProcessingOptions, SelectionOptions, SizeOptions, TermOptions
from subtomo.cli.extract_output_options import GROUPS, ComputingOptions, DeadOptions, OutputOptions
from subtomo.cli.field_names import in_words_of_options
from subtomo.cli.messages import note, warn, within_relion
from subtomo.cli.report import report_after_extraction, reports_are_off
from subtomo.cli.workers import prints_script, workers
from subtomo.errors import InputError, SettingsError
from subtomo.jobs.signals import TerminatedError
from subtomo.model.settings import (
    CircleCrop,
    Cone,
    ExtractionSettings,
    ExtraFile,
    Output,
    OutputSettings,
)

if TYPE_CHECKING:
    from subtomo.jobs.batches import BatchExecutor
    from subtomo.jobs.rank_job import Leader
    from subtomo.model.account import ExtractionSummary

__all__ = ["GROUPS", "extract"]

leader_of_ranks: ContextVar[Leader | None] = ContextVar("leader_of_ranks", default=None)
"""What is known of the other ranks, if a launcher started several."""


def extract(
    place: Annotated[
        str | None, Parameter(help="Folder of a run, or a STAR file of the project, instead of --i, --p or --t.")
    ] = None,
    /,
    *,
    size: SizeOptions,
    output: OutputOptions,
    files: InputOptions = InputOptions(),
    selection: SelectionOptions = SelectionOptions(),
    processing: ProcessingOptions = ProcessingOptions(),
    terms: TermOptions = TermOptions(),
    computing: ComputingOptions | None = None,
    dead: DeadOptions = DeadOptions(),
) -> int:
    """Extract pseudo-subtomograms (or stacks of images) from tilt series.

    Takes the options of relion_tomo_subtomo and writes RELION's tree of files.
    File names are relative to the current folder, usually the project's.
    """
    from subtomo.cli.next_step import after_extraction, what_is_kept
    from subtomo.cli.progress import listener, print_account
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.extract import ExtractionJob, run_job
    from subtomo.jobs.sources import find_sources_here
    from subtomo.output.layout import summary_file

    computing = computing or ComputingOptions()
    if prints_script(computing.dask_option):
        return 0
    for name, value in vars(dead).items():
        # RELION's job system always gives one of them
        if value is not None and value is not False and not within_relion.get():
            note(f"--{name} has no effect, as in RELION")
    # RELION's own default for names is an empty one
    named = OptimisationSet(files.particles or None, files.tomograms or None, files.trajectories or None)
    sources = find_sources_here(named, files.optimisation_set or None, place)
    job = ExtractionJob(
        output_dir=output.output_dir,
        settings=extraction_settings(size, selection, processing, terms, output),
        output=output_settings(output),
        particles_file=sources.files.particles,
        tomograms_file=sources.files.tomograms,
        trajectories_file=sources.files.trajectories,
        optimisation_set_file=sources.optimisation_set_file,
        threads=computing.threads,
        command=command_line.get(),
        resume=output.resume,
        verify=output.verify,
        overwrite=output.overwrite,
        check_disk=not output.no_disk_check,
        as_zarr=output.store == "zarr",
        control_prefix=computing.pipeline_control or None,
    )
    if computing.dask and output.store == "zarr":
        raise SettingsError("--store zarr is written by one process; leave out --dask or --store zarr")
    progress = listener()
    try:
        with workers(computing.dask, computing.dask_option, output.output_dir, progress.warn) as connected:
            executor: BatchExecutor | None = connected
            leader = leader_of_ranks.get()
            if leader is not None and executor is None:
                threads, executor = leader.workers(computing.threads, progress.warn)
                job = replace(job, threads=threads)
            summary = run_job(replace(job, executor=executor), progress)
    except (KeyboardInterrupt, TerminatedError):
        if progress.n_done:
            note(what_is_kept(progress.n_done, output.output_dir))
        raise
    print_account(summary)
    if not (output.no_report or reports_are_off()):
        report_after_extraction(summary.output_dir)
    if summary.failures:
        first = summary.failures[0]
        raise InputError(
            f"{len(summary.failures)} particle(s) are missing, the first being {first.particle}: "
            f"{in_words_of_options(first.error)}. "
            f"{summary_file(summary.output_dir)} lists them all; with --resume only these are made again"
        )
    if not summary.n_extracted:
        raise InputError(_nothing_extracted(summary))
    after_extraction(summary)
    return 0


def _nothing_extracted(summary: ExtractionSummary) -> str:
    """Say why no particle was extracted: the commonest cause, with the numbers of one particle."""
    cause, count = Counter(entry.cause for entry in summary.left_out).most_common(1)[0]
    example = next(entry for entry in summary.left_out if entry.cause == cause)
    reason = in_words_of_options(example.reason)
    advice = "" if reason != example.reason else ". Check box, binning and coordinates"
    return (
        f"no particle was extracted: {count} of {summary.n_particles} are left out for one cause ({cause}); "
        f"{example.name}, for instance: {reason}{advice}"
    )


def extraction_settings(
    size: SizeOptions,
    selection: SelectionOptions,
    processing: ProcessingOptions,
    terms: TermOptions,
    output: OutputOptions,
) -> ExtractionSettings:
    if selection.apply_orientations and selection.keep_offsets:
        warn("--apply_orientations overrides --dont_apply_offsets")
    kind = Output.STACK_2D if output.stack2d else Output.PSEUDO_SUBTOMOGRAM
    crop = CircleCrop.NONE if processing.no_circle_crop else CircleCrop.SLICE
    return ExtractionSettings(
        box_size=size.box_size,
        crop_size=given_or_none(size.crop_size, -1),
        binning=size.binning,
        output=Output.PROJECTIONS if output.real_subtomo else kind,
        apply_ctf=not processing.no_ctf,
        invert_contrast=not processing.keep_contrast,
        circle_crop=crop | CircleCrop.PATCH if processing.circle_precrop else crop,
        apply_offsets=not selection.keep_offsets,
        apply_orientations=selection.apply_orientations,
        max_dose_e_per_a2=selection.max_dose_e_per_a2,
        min_tilts=selection.min_tilts,
        dose_cutoff=selection.dose_cutoff,
        whiten=processing.whiten,
        gridding_precorrection=processing.gridding_precorrection,
        cone=Cone(processing.cone_angle, processing.cone_sigma) if processing.cone_weight else None,
        weighting=_term("--weighting", terms.weighting, terms, "whitened"),
        data_term=_term("--data-term", terms.data_term, terms, "exact"),
        complete_noise=terms.for_refine3d if terms.complete_noise is None else terms.complete_noise,
    )


def _term(name: str, given: str | None, terms: TermOptions, recommended: str) -> Any:
    """Take the word that is given, else what --for-refine3d stands for, else RELION's."""
    if terms.for_refine3d and given not in (None, recommended):
        raise SettingsError(
            f"--for-refine3d stands for {name} {recommended}, but {name} is {given}; leave one of them out"
        )
    return given or (recommended if terms.for_refine3d else "relion")


def output_settings(output: OutputOptions) -> OutputSettings:
    flat = output.stack2d or output.real_subtomo
    if output.write_sums and output.store == "zarr":
        raise SettingsError(
            "--sum makes files that RELION reads, beside RELION's tree only; leave out --sum or --store zarr"
        )
    if output.write_sums and flat:
        note("--sum is off: sums are made of volumes, not of image stacks")
    extra = ExtraFile.NONE
    for wanted, kind in (
        (output.ctf, ExtraFile.CTF2),
        (output.multi, ExtraFile.MULTIPLICITY),
        (output.nrm, ExtraFile.NORMALISED),
        (output.div, ExtraFile.DIVIDED),
    ):
        extra |= kind if wanted else ExtraFile.NONE
    return OutputSettings(
        float16=output.float16,
        extra_files=extra,
        write_weights=not output.no_comb,
        skip_existing=output.skip_existing,
        write_particles=not output.no_writing,
        write_sums=output.write_sums and not flat,
        snr=output.snr if output.snr is not None and output.snr > 0 else None,
        taper_px=output.taper_px,
        subtract_mean=not output.no_center,
        keep_coordinates=not output.drop_coordinates,
    )
