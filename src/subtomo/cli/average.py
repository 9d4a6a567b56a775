"""``subtomo average``: half maps, merged map and their resolution."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from subtomo.cli.arguments import command_line, given_or_none
from subtomo.cli.average_options import (
    GROUPS,
    AverageComputingOptions,
    AverageInputOptions,
    AverageOutputOptions,
    MapOptions,
    TiltOptions,
)
from subtomo.cli.messages import tell, warn
from subtomo.errors import SettingsError
from subtomo.model.settings import CircleCrop, DataTerm, ExtractionSettings

if TYPE_CHECKING:
    from subtomo.jobs.average import AverageJob
    from subtomo.jobs.average_result import AverageResult

__all__ = ["GROUPS", "average"]

_LEFT_OUT_SHOWN = 3


def average(
    place: Annotated[
        str | None, Parameter(help="Output folder of subtomo extract or of a refinement, or a STAR file of particles.")
    ] = None,
    /,
    *,
    output: AverageOutputOptions = AverageOutputOptions(),
    files: AverageInputOptions = AverageInputOptions(),
    maps: MapOptions = MapOptions(),
    tilts: TiltOptions = TiltOptions(),
    computing: AverageComputingOptions | None = None,
) -> int:
    """Average particles into half maps and a merged map, and measure their resolution.

    Takes the folder or the particles.star of subtomo extract (or of relion_tomo_subtomo), after a refinement or before
    it.

    With --from-tilts it takes any particle set with orientations, and builds its particles from the tilt images.
    """
    from subtomo.averaging.average import AverageSettings
    from subtomo.cli.next_step import tell_next
    from subtomo.cli.progress import listener
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.average import AverageJob, run_average
    from subtomo.jobs.average_page import draw_average

    from_tilts, data_term = _source(tilts)
    settings = AverageSettings(
        symmetry=maps.symmetry,
        snr=maps.snr if maps.snr is not None and maps.snr > 0 else None,
        mask_diameter_angstrom=maps.mask_diameter_angstrom,
        mask_edge_px=maps.mask_edge_px,
        seed=maps.seed,
    )
    job = AverageJob(
        output_dir=_output_dir(output.output_dir, place),
        settings=settings,
        files=OptimisationSet(files.particles or None, files.tomograms or None, files.trajectories or None),
        optimisation_set_file=files.optimisation_set or None,
        place=place,
        class_number=files.class_number,
        half_maps_only=output.half_maps_only,
        mask_file=maps.mask_file or None,
        from_tilts=from_tilts,
        data_term=data_term,
        threads=(computing or AverageComputingOptions()).threads,
        command=command_line.get(),
    )
    result = run_average(job, listener("averaging"))
    if not job.half_maps_only:
        draw_average(result, job, warn)
    _print_account(result, job)
    if job.half_maps_only:
        return 0
    # RELION finds the other half by its name
    folder, pixel = result.folder, f"{result.curves.pixel_size_angstrom:g}"
    mask = job.mask_file or f"{folder}mask.mrc"
    tell_next(
        "relion_postprocess", "--i", f"{folder}half1.mrc", "--mask", mask, "--angpix", pixel, "--o", f"{folder}post"
    )
    return 0


def _output_dir(given: str | None, place: str | None) -> str:
    """Give the folder to write to: by default one in the folder that is averaged."""
    if given:
        return given
    if place and os.path.isdir(place):
        return os.path.join(place, "average/")
    raise SettingsError("--o or --output is missing, but required; see subtomo average --help")


def _source(tilts: TiltOptions) -> tuple[ExtractionSettings | None, DataTerm | None]:
    """Tell how particles are built from tilt images (None: read from files), and how data add up (None: not said)."""
    term = None if tilts.data_term is None else DataTerm[tilts.data_term.upper()]
    if not tilts.from_tilts:
        given = {name: value for name, value in vars(tilts).items() if name != "data_term"}
        if given != {name: value for name, value in vars(TiltOptions()).items() if name != "data_term"}:
            raise SettingsError(
                "options of the extraction (--b, --crop, --bin …) are given, but particles are read from files, which "
                "have their sizes; add --from-tilts to build them from the tilt images, or leave these options out"
            )
        return None, term
    if tilts.box_size is None:
        raise SettingsError("--from-tilts needs the size of the squares cut from the tilt images, --b (or --box-size)")
    # the damping of RELION's term would only have to be undone again
    corrected = term in (DataTerm.RELION, DataTerm.CORRECTED)
    settings = ExtractionSettings(
        box_size=tilts.box_size,
        crop_size=given_or_none(tilts.crop_size, -1),
        binning=tilts.binning,
        apply_ctf=not tilts.no_ctf,
        invert_contrast=not tilts.keep_contrast,
        circle_crop=CircleCrop.NONE if tilts.no_circle_crop else CircleCrop.SLICE,
        apply_orientations=True,
        max_dose_e_per_a2=tilts.max_dose_e_per_a2,
        min_tilts=tilts.min_tilts,
        dose_cutoff=tilts.dose_cutoff,
        data_term=DataTerm.CORRECTED if corrected else DataTerm.EXACT,
    )
    return settings, settings.data_term


def _print_account(result: AverageResult, job: AverageJob) -> None:
    """Tell on stdout what was averaged, how good it is, and where to look."""
    from subtomo.jobs.average_page import MASK_NOTE, class_words
    from subtomo.report.verdict import resolution_words

    curves, (first, second), folder = result.curves, result.counts, result.folder
    size = len(result.maps["merged"])
    tell(
        f"{first + second} of {result.n_particles} particles averaged in {result.seconds:.1f} s: half sets of {first} "
        f"and {second}, symmetry {job.settings.symmetry.upper()}, {size}³ voxels of {curves.pixel_size_angstrom:g} Å"
    )
    if result.classes:
        tell(f"  of class{'es' if len(result.classes) > 1 else ''} {class_words(result.classes)}")
    if result.left_out:
        tell(f"  {len(result.left_out)} left out: {'; '.join(result.left_out[:_LEFT_OUT_SHOWN])}")
    if job.half_maps_only:
        tell(f"half maps      {folder}half1.mrc, {folder}half2.mrc")
        return
    tell(f"mask           {result.mask}")
    if result.is_mask_guessed:
        warn(MASK_NOTE[0].lower() + MASK_NOTE[1:].rstrip("."))
    for threshold in (0.143, 0.5):
        masked, plain = (resolution_words(curves, threshold, masked=flag) for flag in (True, False))
        tell(f"resolution at FSC {threshold:<5}  {masked} under the mask, {plain} without")
    if curves.reaches_nyquist(0.143):
        warn("the FSC stays above 0.143 up to the last shell: the pixel size limits the resolution, so bin less")
    tell(
        f"merged map     {folder}merged.mrc\n"
        f"to look at     {folder}average.html, {folder}filtered.mrc\n"
        f"half maps      {folder}half1.mrc, {folder}half2.mrc\n"
        f"curves         {folder}fsc.star, {folder}fsc.png, {folder}guinier.png"
    )
