"""``subtomo average``: half maps, merged map and their resolution."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from subtomo.cli.arguments import command_line
from subtomo.cli.average_options import (
    GROUPS,
    AverageComputingOptions,
    AverageInputOptions,
    AverageOutputOptions,
    MapOptions,
    TiltOptions,
)
from subtomo.cli.messages import warn
from subtomo.errors import SettingsError
from subtomo.model.settings import CircleCrop, DataTerm, ExtractionSettings
from subtomo.words import listed

if TYPE_CHECKING:
    from subtomo.jobs.average import AverageJob, AverageResult

__all__ = ["GROUPS", "average"]

_LEFT_OUT_SHOWN = 3
_CLASSES_SHOWN = 12
_MASK_NOTE = (
    "The half maps do not tell how large the particle is, so the mask is nine tenths of the box; give the diameter "
    "of the particle, for a loose mask makes the resolution worse than it is."
)


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
    from subtomo.cli.progress import listener
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.average import AverageJob, run_average

    from_tilts, data_term = _source(tilts)
    settings = AverageSettings(
        symmetry=maps.symmetry,
        snr=maps.snr if maps.snr > 0 else None,
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
        command=("subtomo", *command_line.get()),
    )
    result = run_average(job, listener("averaging"))
    if not job.half_maps_only:
        _draw(result, job)
    _print_account(result, job)
    return 0


def class_words(classes: Mapping[int, int]) -> str:
    """Say how many particles of which classes went in."""
    counts = [f"{number} ({count} particle{'' if count == 1 else 's'})" for number, count in classes.items()]
    return listed(counts, _CLASSES_SHOWN)


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
        crop_size=None if tilts.crop_size == -1 else tilts.crop_size,
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


def _draw(result: AverageResult, job: AverageJob) -> None:
    """Draw the pictures and the page; whatever goes wrong is but a warning, for the maps are whole."""
    from subtomo.report.average import AverageFacts, write_average_page
    from subtomo.report.curves import draw_fsc, draw_guinier
    from subtomo.report.sections import draw_volumes

    pixel, symmetry = result.curves.pixel_size_angstrom, job.settings.symmetry.upper()
    title = f"{sum(result.counts)} particles, {symmetry}, {pixel:g} Å per voxel"
    first, second = result.counts
    shown = {
        f"half map 1\n({first} particles)": result.maps["half1"],
        f"half map 2\n({second} particles)": result.maps["half2"],
        "merged": result.maps["merged"],
        "merged, filtered\nby FSC and masked": result.maps["filtered"],
    }
    facts = AverageFacts(
        folder=Path(result.folder),
        title=result.folder.rstrip("/"),
        maps=result.maps,
        curves=result.curves,
        guinier=result.guinier,
        counts=result.counts,
        n_particles=result.n_particles,
        left_out=result.left_out,
        symmetry=symmetry,
        mask=result.mask,
        settings=_setting_rows(job, result.classes),
        command=job.command,
        notes=[_MASK_NOTE] if result.is_mask_guessed else [],
        seconds=result.seconds,
    )
    try:
        write_average_page(facts)
        draw_fsc(result.folder + "fsc.png", result.curves, title)
        draw_guinier(result.folder + "guinier.png", result.guinier, title)
        draw_volumes(result.folder + "maps.png", shown, pixel, title)
    except Exception as error:
        warn(f"the pictures could not be drawn ({type(error).__name__}: {error}); the maps are whole")


def _setting_rows(job: AverageJob, classes: Mapping[int, int]) -> list[tuple[str, str]]:
    """Put the settings into words."""
    settings, term = job.settings, job.data_term
    return [
        ("Particles", "built from the tilt images" if job.from_tilts else "read from files"),
        ("Classes", class_words(classes) if classes else "not known"),
        ("Data term", "as recorded by the extraction" if term is None else term.name.lower()),
        ("Symmetry", settings.symmetry.upper()),
        ("Division by CTF²", "weights clamped" if settings.snr is None else f"Wiener, SNR {settings.snr:g}"),
        ("Soft edge of the mask", f"{settings.mask_edge_px:g} voxels"),
        ("Random seed", f"{settings.seed}"),
    ]


def _print_account(result: AverageResult, job: AverageJob) -> None:
    """Tell on stdout what was averaged, how good it is, and where to look."""
    from subtomo.report.verdict import resolution_words

    curves, (first, second), folder = result.curves, result.counts, result.folder
    size = len(result.maps["merged"])
    print(
        f"{first + second} of {result.n_particles} particles averaged in {result.seconds:.1f} s: half sets of {first} "
        f"and {second}, symmetry {job.settings.symmetry.upper()}, {size}³ voxels of {curves.pixel_size_angstrom:g} Å"
    )
    if result.classes:
        print(f"  of class{'es' if len(result.classes) > 1 else ''} {class_words(result.classes)}")
    if result.left_out:
        print(f"  {len(result.left_out)} left out: {'; '.join(result.left_out[:_LEFT_OUT_SHOWN])}")
    if job.half_maps_only:
        print(f"half maps      {folder}half1.mrc, {folder}half2.mrc")
        return
    print(f"mask           {result.mask}")
    if result.is_mask_guessed:
        warn(_MASK_NOTE[0].lower() + _MASK_NOTE[1:].rstrip("."))
    for threshold in (0.143, 0.5):
        masked, plain = (resolution_words(curves, threshold, masked=flag) for flag in (True, False))
        print(f"resolution at FSC {threshold:<5}  {masked} under the mask, {plain} without")
    if curves.reaches_nyquist(0.143):
        warn("the FSC stays above 0.143 up to the last shell: the pixel size limits the resolution, so bin less")
    print(
        f"merged map     {folder}merged.mrc\n"
        f"to look at     {folder}average.html, {folder}filtered.mrc\n"
        f"half maps      {folder}half1.mrc, {folder}half2.mrc\n"
        f"curves         {folder}fsc.star, {folder}fsc.png, {folder}guinier.png"
    )
