"""Read tomogram sets of RELION 5 (one table per file) and RELION 4 (all in one file); spec/conventions.md §2."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from subtomo.conventions import MISSING_TOMOGRAM_SIZE
from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.image_header import read_image_header
from subtomo.io.image_names import ImageAddress, parse_image_name, split_format
from subtomo.io.mrc import TiltImages
from subtomo.io.mrc_read import SummedVolume
from subtomo.io.project import Project, in_project, seen_from
from subtomo.io.reading import similar_file
from subtomo.io.relion.geometry import warn_of_missed_images
from subtomo.io.relion.mistaken import no_tomograms
from subtomo.io.relion.tilts import read_tilts
from subtomo.io.star import find_table, read_tables
from subtomo.model.choices import check_kind
from subtomo.model.optics import Microscope
from subtomo.model.table import Table
from subtomo.model.tilt_series import Reconstruction, TiltSeries, TomogramSet
from subtomo.words import shown

SIZES = ("rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ")
DEFORMATION_GRID = ("rlnTomoDeformationGridSizeX", "rlnTomoDeformationGridSizeY")
REQUIRED = (
    "rlnTomoHand",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnTomoTiltSeriesPixelSize",
)
OPTIONAL = ("rlnTomoDefocusSlope", "rlnCtfBfactorPerElectronDose", "rlnTomoTomogramBinning")


@doing_to_file("reading")
def read_tomograms(
    path: str | Path, *, image_size: tuple[int, int] | None = None, project: Project = None
) -> TomogramSet:
    """Read a tomogram set with its tilt tables and open its tilt images.

    Args:
        path: STAR file with a table ``global``.
        image_size: Width and height of all tilt images in pixels. If given, no image is opened: enough for geometry.
        project: The folder that names in the file are relative to; None for the current one, as in RELION.

    Raises:
        InputError: A file, table, column or image is missing or does not make sense.
        SettingsError: The path is none.
    """
    check_kind("path", path, str, os.PathLike)
    source = str(path)
    tables = read_tables(path)
    overview = find_table(tables, "global")
    if overview is None or not len(overview):
        raise no_tomograms(tables, source)
    overview.require("rlnTomoName")
    overview.require(*REQUIRED)
    _check_numbers(overview)
    separate = "rlnTomoTiltSeriesStarFile" in overview
    if not separate:
        overview.require("rlnTomoTiltSeriesName", "rlnTomoFrameCount")
    _check_old_layout(tables, overview, separate=separate)
    tomograms = []
    for row, name in enumerate(overview.text("rlnTomoName")):
        if separate:
            tilt_file = str(overview.text("rlnTomoTiltSeriesStarFile")[row])
            check_present(tilt_file, source, project)
            tilt_path = in_project(tilt_file, project)
            table = tilt_table(read_tables(tilt_path), str(name), tilt_path)
        else:
            table = tilt_table(tables, str(name), source)
        tomograms.append(tomogram_of(overview.take([row]), table, image_size, project))
    if image_size is None:
        warn_of_missed_images(tomograms, source)
    return TomogramSet(tuple(tomograms), source)


def _check_numbers(overview: Table) -> None:
    """Read all numbers once, so that an error names the row of the file."""
    for label in (*REQUIRED, *OPTIONAL):
        if label in overview:
            overview.floats(label)
    for label in (*SIZES, *DEFORMATION_GRID, "rlnTomoFrameCount"):
        if label in overview:
            overview.whole_numbers(label)


def check_present(tilt_file: str, source: str, project: Project) -> None:
    """Refuse a missing file with the way out if it stands beside the file that names it."""
    path = in_project(tilt_file, project)
    if os.path.exists(path):
        return
    folder = Path(source).resolve().parent
    found = (folder / tilt_file).exists()
    raise InputError(
        f"{source}: names {shown(tilt_file)}, which does not exist seen from {seen_from(project)}{similar_file(path)}; "
        "names are relative to the folder of the project, by default the one where the command runs; "
        f"{f'seen from {folder} it is there: run from that folder' if found else 'correct it'}",
        field="project",
    )


def _check_old_layout(tables: Sequence[Table], overview: Table, *, separate: bool) -> None:
    """Refuse a one-file set whose tables stand in another order than the rows of its overview."""
    if separate:
        return
    found = [table.name for table in tables if table is not overview]
    expected = [str(name) for name in overview.text("rlnTomoName")]
    if found[: len(expected)] != expected:
        raise InputError(
            f"{overview.source}: file is corrupted: its tables are {', '.join(found) or 'none'}, "
            f"expected one per tomogram in the order {', '.join(expected)}"
        )


def tilt_table(tables: Sequence[Table], name: str, path: str) -> Table:
    """Find the table of the tilts of a tomogram.

    Raises:
        InputError: There is none, or it has no rows.
    """
    table = find_table(tables, name) if name else None
    if table is None or not len(table):
        found = ", ".join(f"data_{table.name}" for table in tables[:5]) or "none"
        raise InputError(f"{path}: no table data_{name} with the tilts of tomogram {name} (found: {found})")
    return table


def tomogram_of(row: Table, tilts: Table, image_size: tuple[int, int] | None, project: Project = None) -> TiltSeries:
    """Make a tomogram of its row in the set and its tilts; with the size of its images, these are not opened."""
    name = str(row.text("rlnTomoName")[0])
    size = (MISSING_TOMOGRAM_SIZE,) * 3
    if all(label in row for label in SIZES):
        x, y, z = (int(row.whole_numbers(label, warns=False)[0]) for label in SIZES)
        size = (x, y, z)
    pixel_size = _positive(row, "rlnTomoTiltSeriesPixelSize")
    images = None
    if image_size is None:
        images = TiltImages.open(image_addresses(row, tilts, project), name=name)
        image_size = images.image_size
    deformation = None
    if all(label in row for label in DEFORMATION_GRID):
        kind = str(row.text("rlnTomoDeformationType")[0])
        deformation = (
            kind,
            (
                int(row.whole_numbers(DEFORMATION_GRID[0], warns=False)[0]),
                int(row.whole_numbers(DEFORMATION_GRID[1], warns=False)[0]),
            ),
        )
    microscope = Microscope(
        voltage_kv=_positive(row, "rlnVoltage"),
        spherical_aberration_mm=float(row.floats("rlnSphericalAberration")[0]),
        amplitude_contrast=_amplitude_contrast(row),
    )
    return TiltSeries(
        name=name,
        microscope=microscope,
        pixel_size_angstrom=pixel_size,
        image_size=image_size,
        size_px=size,
        tilts=read_tilts(tilts, pixel_size, image_size, size, deformation),
        images=images,
        hand=float(row.floats("rlnTomoHand")[0]),
        defocus_slope=_number(row, "rlnTomoDefocusSlope", 1.0),
        dose_b_factor_a2=_number(row, "rlnCtfBfactorPerElectronDose", 0.0),
        optics_group_name=str(row.text("rlnOpticsGroupName")[0]) if "rlnOpticsGroupName" in row else name,
        source=f"{tilts.source}: table data_{tilts.name}",
        reconstruction=_reconstruction(row, project),
        tomogram_binning=_binning(row),
        tilt_series_name=str(row.text("rlnTomoTiltSeriesName")[0]) if "rlnTomoTiltSeriesName" in row else "",
    )


def image_addresses(row: Table, tilts: Table, project: Project = None) -> list[ImageAddress]:
    """List where each tilt's image is: in one file for the whole series, or wherever its row says."""
    name = str(row.text("rlnTomoName")[0])
    if "rlnTomoTiltSeriesName" in row:
        row.require("rlnTomoFrameCount")
        named, format_ = split_format(str(row.text("rlnTomoTiltSeriesName")[0]))
        path = in_project(named, project)
        count = int(row.whole_numbers("rlnTomoFrameCount", warns=False)[0])
        if count != len(tilts):
            raise InputError(
                f"{tilts.source}: table data_{tilts.name} has {len(tilts)} tilts, but rlnTomoFrameCount of {name} in "
                f"{row.source} is {count}; make them equal"
            )
        sections = read_image_header(ImageAddress(path, 0, format=format_)).nz
        if sections < count:
            raise InputError(f"{path}: has {sections} images, but tomogram {name} has {count} tilts; check the stack")
        return [ImageAddress(path, index, format=format_) for index in range(count)]
    tilts.require("rlnMicrographName")
    addresses = (parse_image_name(str(image)) for image in tilts.text("rlnMicrographName"))
    return [replace(address, path=in_project(address.path, project)) for address in addresses]


def _reconstruction(row: Table, project: Project) -> Reconstruction | None:
    """Find the reconstructed tomogram, one file or two halves to be summed; the single one has priority."""
    whole, halves = "rlnTomoReconstructedTomogram", [f"rlnTomoReconstructedTomogramHalf{half}" for half in (1, 2)]
    labels = [whole] if whole in row else halves
    if "rlnTomoTomogramBinning" not in row or not all(label in row for label in labels):
        return None
    # a worker process may have another working folder
    names = (split_format(str(row.text(label)[0]))[0] for label in labels)
    files = tuple(os.path.abspath(in_project(name, project)) for name in names)
    return Reconstruction(SummedVolume(files), _positive(row, "rlnTomoTomogramBinning"))


def _binning(row: Table) -> float | None:
    value = _number(row, "rlnTomoTomogramBinning", 0.0)
    return value if value > 0 else None


def _number(row: Table, label: str, default: float) -> float:
    return float(row.floats(label)[0]) if label in row else default


def _positive(row: Table, label: str) -> float:
    value = float(row.floats(label)[0])
    if not value > 0:
        name = row.text("rlnTomoName")[0]
        raise InputError(f"{row.source}: {label} of tomogram {name} is {value:g}, but must be above zero")
    return value


def _amplitude_contrast(row: Table) -> float:
    value = float(row.floats("rlnAmplitudeContrast")[0])
    if not 0 <= value <= 1:
        name = row.text("rlnTomoName")[0]
        raise InputError(f"{row.source}: rlnAmplitudeContrast of tomogram {name} is {value:g}, expected 0 to 1")
    return value


def optics_values(tomogram: TiltSeries) -> dict[str, float]:
    """Give the labels and values that a tomogram contributes to an optics table, in RELION's order."""
    return {
        "rlnVoltage": tomogram.microscope.voltage_kv,
        "rlnSphericalAberration": tomogram.microscope.spherical_aberration_mm,
        "rlnAmplitudeContrast": tomogram.microscope.amplitude_contrast,
        "rlnTomoTiltSeriesPixelSize": tomogram.pixel_size_angstrom,
    }
