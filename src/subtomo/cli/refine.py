"""``subtomo refine``: poses and half maps from picks or from an extraction."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from subtomo.cli.arguments import command_line, control_prefix
from subtomo.cli.messages import tell, warn
from subtomo.cli.refine_options import (
    GROUPS,
    RefineComputingOptions,
    RefineInputOptions,
    RefineOptions,
    RefineOutputOptions,
    RefineSearchOptions,
    RefineTiltOptions,
)
from subtomo.cli.workers import prints_script, workers
from subtomo.errors import SettingsError
from subtomo.model.settings import ExtractionSettings

if TYPE_CHECKING:
    from subtomo.jobs.refine import RefinementResult
    from subtomo.refinement.rounds import Round

__all__ = ["GROUPS", "refine"]

_LEFT_OUT_SHOWN = 3


def refine(
    place: Annotated[
        str | None, Parameter(help="Output folder of an extraction or a refinement, or a STAR file of particles.")
    ] = None,
    /,
    *,
    output: RefineOutputOptions,
    files: RefineInputOptions = RefineInputOptions(),
    tilts: RefineTiltOptions = RefineTiltOptions(),
    refinement: RefineOptions = RefineOptions(),
    search: RefineSearchOptions = RefineSearchOptions(),
    computing: RefineComputingOptions | None = None,
) -> int:
    """Refine poses on the exact cost, in two half sets, and write what RELION goes on from.

    With --b particles are built from the tilt images, without any particle file; else those of an extraction are read.
    """
    from subtomo.cli.progress import listener
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.control import PipelineControl
    from subtomo.jobs.refine import RefinementJob, run_refinement
    from subtomo.jobs.refine_files import list_results
    from subtomo.jobs.refine_page import draw_refinement
    from subtomo.refinement.settings import RefinementSettings, Search

    settings = RefinementSettings(
        symmetry=refinement.symmetry,
        particle_diameter_angstrom=refinement.particle_diameter_angstrom,
        ini_high_angstrom=refinement.ini_high_angstrom,
        rounds=refinement.rounds,
        search=Search[search.search.upper()],
        sigma_ang_deg=search.sigma_ang_deg,
        sigma_rot_deg=search.sigma_rot_deg,
        sigma_tilt_deg=search.sigma_tilt_deg,
        sigma_psi_deg=search.sigma_psi_deg,
        sigma_offset_angstrom=search.sigma_offset_angstrom,
        offset_range_px=search.offset_range_px,
        fits_scale=refinement.fits_scale,
        seed=refinement.seed,
    )
    computing = computing or RefineComputingOptions()
    if prints_script(computing.dask_option):
        return 0
    if not computing.memory_gb >= 0:
        raise SettingsError(
            f"memory (memory_gb) is {computing.memory_gb:g} GB, but must be zero or more", field="memory_gb"
        )
    job = RefinementJob(
        output_dir=output.output_dir,
        settings=settings,
        extraction=tilt_extraction(tilts),
        files=OptimisationSet(files.particles or None, files.tomograms or None, files.trajectories or None),
        optimisation_set_file=files.optimisation_set or None,
        place=place,
        reference_file=files.reference or None,
        mask_file=files.solvent_mask or None,
        memory_gb=computing.memory_gb,
        threads=computing.threads,
        resume=output.resume,
        command=command_line.get(),
    )
    prefix = control_prefix.get()
    control = PipelineControl(prefix)

    def after_round(found: Round) -> None:
        _print_round(found)
        control.check_before(f"round {found.number + 1}")

    progress = listener("refining")
    with workers(computing.dask, computing.dask_option, output.output_dir, progress.warn) as executor:
        result = run_refinement(replace(job, executor=executor), progress, after_round)
    draw_refinement(result, job.command, warn)
    _print_account(result)
    if prefix is not None:
        list_results(result.folder)
    return 0


def tilt_extraction(tilts: RefineTiltOptions) -> ExtractionSettings | None:
    """Tell how particles are built from the tilt images; None if they are read from files."""
    if tilts.box_size is None:
        if tilts != RefineTiltOptions():
            raise SettingsError(
                "options of building particles from tilt images are given (--crop, --bin, --max_dose …) without the "
                "size of the squares to cut (box_size); give it, or leave these options out",
                field="box_size",
            )
        return None
    return ExtractionSettings(
        box_size=tilts.box_size,
        crop_size=tilts.crop_size,
        binning=tilts.binning,
        invert_contrast=not tilts.keep_contrast,
        max_dose_e_per_a2=tilts.max_dose_e_per_a2,
        min_tilts=tilts.min_tilts,
        whiten=tilts.whiten,
    )


def _print_round(found: Round) -> None:
    """Tell what a round found, in a line."""
    if found.number == 0:
        tell(f"round  0  {found.resolution_angstrom:6.1f} Å in the starting poses  ({found.seconds:.1f} s)")
        return
    usable = found.poses.is_usable
    tell(
        f"round {found.number:2d}  {found.resolution_angstrom:6.1f} Å  poses changed by {found.turn_deg:.2f}° and "
        f"{found.move_angstrom:.2f} Å, {int(usable.sum())} particles  ({found.seconds:.1f} s)"
    )


def _print_account(result: RefinementResult) -> None:
    """Tell on stdout what was refined, how good it is, and where to go on."""
    from subtomo.cli.next_step import tell_next

    last, folder = result.rounds[-1], result.folder
    usable = last.poses.is_usable
    angle, place = last.poses.errors(result.source.voxel_angstrom)
    tell(
        f"{int(usable.sum())} particles refined in {result.seconds:.0f} s, {last.number} rounds: FSC 0.143 at "
        f"{last.resolution_angstrom:.1f} Å; standard errors {angle[usable].mean():.2f}° and "
        f"{place[usable].mean():.2f} Å"
    )
    if result.left_out:
        tell(f"  {len(result.left_out)} left out: {'; '.join(result.left_out[:_LEFT_OUT_SHOWN])}")
    tell(
        f"poses          {folder}run_data.star, {folder}optimisation_set.star\n"
        f"map            {folder}run_class001.mrc, to look at: {folder}report.html\n"
        f"half maps      {folder}run_half1_class001_unfil.mrc, {folder}run_half2_class001_unfil.mrc\n"
    )
    first_half = f"{folder}run_half1_class001_unfil.mrc"
    tell_next("relion_postprocess", "--i", first_half, "--mask", f"{folder}mask.mrc", "--o", f"{folder}postprocess")
