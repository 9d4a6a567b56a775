"""Complete a tilt series by what its alignment does not say: images, sizes, dose, defocus, microscope, hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.find_images import FoundImages, find_images, image_files, stem_of
from subtomo.io.image_names import parse_image_name
from subtomo.io.project import Project
from subtomo.io.relion.imported import ImportedSeries
from subtomo.jobs.import_companions import with_defocus, with_dose
from subtomo.model.foreign import ForeignSeries
from subtomo.model.optics import Microscope
from subtomo.words import listed

USUAL_THICKNESS_ANGSTROM = 2400.0
USUAL_MICROSCOPE = Microscope(voltage_kv=300.0, spherical_aberration_mm=2.7, amplitude_contrast=0.1)
USUAL_HAND = -1.0
_LARGEST_SHIFT_ANGSTROM = 1e6
"""A tenth of a millimetre."""
_SAME = 0.01
"""Pixel sizes, and ratios of image sides, that differ by less than this fraction are one."""


@dataclass(frozen=True)
class Completion:
    """What is known from elsewhere; None for what files say."""

    images: tuple[str, ...] = ()
    """Folders of images; empty for the folder of the alignment."""
    pixel_size_angstrom: float | None = None
    """Of the images."""
    mdoc_folder: str | None = None
    """None for the folder of the alignment, and those of the images."""
    ctf_folder: str | None = None
    """The same of files with defoci."""
    dose_per_tilt_e_per_a2: float | None = None
    thickness_angstrom: float | None = None
    """Of the tomogram."""
    voltage_kv: float | None = None
    spherical_aberration_mm: float | None = None
    amplitude_contrast: float | None = None
    hand: float | None = None
    """1 or -1."""


@dataclass(frozen=True, eq=False)
class Completed:
    """A series that can be written, and what was assumed for it."""

    imported: ImportedSeries
    aligned_pixel_size_angstrom: float
    assumed_hand: bool
    notes: tuple[str, ...]


def complete_series(
    series: ForeignSeries,
    path: Path,
    known: Completion,
    project: Project = None,
    list_files: Callable[[str], Sequence[str]] = image_files,
    *,
    is_only: bool = False,
) -> Completed:
    """Find what a series lacks.

    Args:
        series: As its files have it.
        path: Its alignment.
        known: What is known from elsewhere.
        project: The folder that names of images become relative to.
        list_files: Lists the images of a folder.
        is_only: Whether no other series is imported.

    Raises:
        InputError: Images are missing or do not fit, or their pixel size is unknown.
    """
    notes = [*series.notes]
    folders = known.images or (str(path.parent),)
    beside = (str(path.parent), *(folder for folder in folders if os.path.isdir(folder)))
    series = with_defocus(series, (known.ctf_folder,) if known.ctf_folder else beside, notes)
    mdocs = (known.mdoc_folder,) if known.mdoc_folder else beside
    series = with_dose(series, mdocs, known.dose_per_tilt_e_per_a2, notes)
    found = find_images(series, folders, project, list_files, is_only=is_only)
    for name in found.names:
        parse_image_name(name)  # refuses what RELION could not open
    pixel_size = _pixel_size(series, found, known, notes)
    aligned = _aligned_pixel_size(series, found, pixel_size, notes)
    whole = series.in_angstrom(aligned)
    _refuse_absurd(whole)
    size = _size_px(whole, found.size_px, pixel_size, known, notes)
    microscope = _microscope(whole, known, notes)
    hand = known.hand or whole.hand or USUAL_HAND
    notes += _lacking(whole, known)
    assumed_hand = known.hand is None and whole.hand is None
    name = stem_of(found.stack) if found.stack else series.name
    imported = ImportedSeries(
        series=whole,
        name=name,
        image_names=found.names,
        image_size=found.size_px,
        pixel_size_angstrom=pixel_size,
        size_px=size,
        microscope=microscope,
        hand=hand,
    )
    return Completed(imported, aligned, assumed_hand, (*notes, *found.notes))


def _refuse_absurd(series: ForeignSeries) -> None:
    """Refuse numbers that no alignment has, and that would overflow later."""
    alignment = series.alignment
    for name, values, most in (
        ("a tilt angle", alignment.y_tilt_deg, 180.0),
        ("a tilt about x", alignment.x_tilt_deg, 180.0),
        ("an angle of the tilt axis", alignment.z_rot_deg, 720.0),
        ("a shift", alignment.shift, _LARGEST_SHIFT_ANGSTROM),
    ):
        largest = float(np.abs(values).max())
        if not largest <= most:
            raise InputError(f"{series.source}: has {name} of {largest:.4g}, more than {most:g}; the file is damaged")


def _pixel_size(series: ForeignSeries, found: FoundImages, known: Completion, notes: list[str]) -> float:
    """Take the pixel size of the images from whoever knows it."""
    in_header = found.pixel_size_angstrom
    where = found.stack or found.names[0]
    if known.pixel_size_angstrom is not None:
        if not 0 < known.pixel_size_angstrom < np.inf:
            raise InputError(
                f"pixel size (pixel_size_angstrom) is {known.pixel_size_angstrom:g} Å, but must be above zero",
                field="pixel_size_angstrom",
            )
        if in_header not in (0.0, 1.0) and abs(in_header / known.pixel_size_angstrom - 1.0) > _SAME:
            notes.append(
                f"{where}: its header says {in_header:g} Å per pixel, but {known.pixel_size_angstrom:g} Å are given "
                "and taken"
            )
        return known.pixel_size_angstrom
    if in_header in (0.0, 1.0):
        # 1 Å is what programs write that do not know it
        if series.original_pixel_size_angstrom is not None and series.image_names and not found.stack:
            return series.original_pixel_size_angstrom
        said = "no pixel size" if in_header == 0.0 else "1 Å per pixel, as where nobody set it"
        raise InputError(
            f"{where}: its header says {said}; give that of the images (pixel_size_angstrom)",
            field="pixel_size_angstrom",
        )
    notes.append(f"images have {in_header:g} Å per pixel, as their headers say")
    # headers hold single precision
    return float(f"{in_header:.6g}")


def _aligned_pixel_size(series: ForeignSeries, found: FoundImages, pixel_size: float, notes: list[str]) -> float:
    """Compute the pixel size of the images that were aligned, which may be binned otherwise than those found."""
    # command files of IMOD may have the sides of rotated images
    if series.image_size_px is None or found.size_px in (series.image_size_px, series.image_size_px[::-1]):
        return pixel_size
    ratios = [found_side / side for found_side, side in zip(found.size_px, series.image_size_px, strict=True)]
    # binning drops up to a pixel of a side
    if abs(ratios[0] / ratios[1] - 1.0) > _SAME + 1.0 / min(found.size_px):
        sizes = " x ".join(map(str, series.image_size_px)), " x ".join(map(str, found.size_px))
        raise InputError(
            f"{series.source}: is an alignment of images of {sizes[0]} pixels, but those found are {sizes[1]}; "
            "take the images that were aligned"
        )
    ratio = max(ratios)
    binning = round(1.0 / ratio)
    aligned = pixel_size * (1.0 / binning if binning and abs(binning * ratio - 1.0) < _SAME else ratio)
    notes.append(
        f"{series.name}: {series.image_size_px[0]} x {series.image_size_px[1]} pixels of {aligned:.4g} Å were aligned; "
        f"images of {found.size_px[0]} x {found.size_px[1]} pixels are used, and shifts scaled to them"
    )
    return aligned


def _size_px(
    series: ForeignSeries, image_size: tuple[int, int], pixel_size: float, known: Completion, notes: list[str]
) -> tuple[int, int, int]:
    """Choose the size of the tomogram: even, so that all of RELION's centres of it agree (§4.1)."""
    x, y, z = series.volume_size
    if known.thickness_angstrom is not None:
        z = known.thickness_angstrom
    if z is None:
        z = USUAL_THICKNESS_ANGSTROM
        notes.append(
            f"the tomogram's thickness is unknown, and {z:g} Å are taken (thickness_angstrom); it moves nothing"
        )
    if not 0 < z < np.inf:
        raise InputError(
            f"thickness (thickness_angstrom) is {z:g} Å, but must be above zero", field="thickness_angstrom"
        )
    sides = (
        image_size[0] if x is None else round(x / pixel_size),
        image_size[1] if y is None else round(y / pixel_size),
        round(z / pixel_size),
    )
    even_x, even_y, even_z = (max(2, side + side % 2) for side in sides)
    return even_x, even_y, even_z


def _microscope(series: ForeignSeries, known: Completion, notes: list[str]) -> Microscope:
    given = {
        name: value
        for name in ("voltage_kv", "spherical_aberration_mm", "amplitude_contrast")
        if (value := getattr(known, name)) is not None
    }
    if series.microscope is None and len(given) < 3:
        assumed = [
            name for name in ("voltage_kv", "spherical_aberration_mm", "amplitude_contrast") if name not in given
        ]
        shown = ", ".join(f"{name} {getattr(USUAL_MICROSCOPE, name):g}" for name in assumed)
        notes.append(f"no file says what the microscope is, and usual values are taken: {shown}")
    return replace(series.microscope or USUAL_MICROSCOPE, **given)


def _lacking(series: ForeignSeries, known: Completion) -> Iterator[str]:
    """Say what is left out of a series, and what is unknown."""
    if series.left_out:
        yield f"{series.name}: leaves out {len(series.left_out)} views: {listed(series.left_out)}"
    if known.hand is None and series.hand is None:
        yield f"{series.name}: no file says the hand (hand), and {USUAL_HAND:g} is taken"
    if series.ctf is None:
        yield f"{series.name}: no defocus is known, and zero is written: extract without CTF, or give the CTF's files"
    if series.dose_e_per_a2 is None:
        yield f"{series.name}: no dose is known, and zero is written, so that nothing is weighted by dose"
