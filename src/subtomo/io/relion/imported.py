"""Write tilt series that were aligned elsewhere as a tomogram set of RELION 5 (spec/conventions.md §2.1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subtomo.io.project import Project, in_project
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.foreign import ForeignSeries
from subtomo.model.optics import Microscope
from subtomo.model.table import Table, TextArray, text_array


@dataclass(frozen=True, eq=False)
class ImportedSeries:
    """A series with all that its files did not say; lengths are in Å."""

    series: ForeignSeries
    name: str
    """Of the tomogram."""
    image_names: tuple[str, ...]
    """Of the kept views, as seen from the project."""
    image_size: tuple[int, int]
    pixel_size_angstrom: float
    """Of the images."""
    size_px: tuple[int, int, int]
    """Of the tomogram."""
    microscope: Microscope
    hand: float


def write_imported(folder: str, imported: Sequence[ImportedSeries], project: Project = None) -> str:
    """Write one tilt table per series, then the set that names them.

    Args:
        folder: Ends in a slash, as seen from the project; it and its folder ``tilt_series`` exist.
        imported: At least one.
        project: The folder that names are relative to; None for the current one.

    Returns:
        The name of the set, as seen from the project.
    """
    for one in imported:
        write_tables(in_project(_tilt_file(folder, one.name), project), [_tilts(one)])
    path = f"{folder}tomograms.star"
    write_tables(in_project(path, project), [_overview(folder, imported)])
    return path


def _tilt_file(folder: str, name: str) -> str:
    return f"{folder}tilt_series/{name}.star"


def _overview(folder: str, imported: Sequence[ImportedSeries]) -> Table:
    groups = {one: number for number, one in enumerate(dict.fromkeys(_optics(one) for one in imported), start=1)}
    columns: dict[str, TextArray] = {
        "rlnTomoName": text_array([one.name for one in imported]),
        "rlnVoltage": format_floats([one.microscope.voltage_kv for one in imported]),
        "rlnSphericalAberration": format_floats([one.microscope.spherical_aberration_mm for one in imported]),
        "rlnAmplitudeContrast": format_floats([one.microscope.amplitude_contrast for one in imported]),
    }
    original = [one.series.original_pixel_size_angstrom for one in imported]
    if all(size is not None for size in original):
        columns["rlnMicrographOriginalPixelSize"] = format_floats(np.array(original, np.float64))
    columns |= {
        "rlnTomoHand": format_floats([one.hand for one in imported]),
        "rlnOpticsGroupName": text_array([f"opticsGroup{groups[_optics(one)]}" for one in imported]),
        "rlnTomoTiltSeriesPixelSize": format_floats([one.pixel_size_angstrom for one in imported]),
        "rlnTomoTiltSeriesStarFile": text_array([_tilt_file(folder, one.name) for one in imported]),
    }
    for axis, label in enumerate(("rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ")):
        columns[label] = format_ints([one.size_px[axis] for one in imported])
    return Table("global", columns)


def _optics(one: ImportedSeries) -> tuple[Microscope, float]:
    return one.microscope, one.pixel_size_angstrom


def _tilts(one: ImportedSeries) -> Table:
    series, n = one.series, len(one.series)
    zero = np.zeros(n)
    # RELION puts the centre of odd images half a pixel lower than their exact centre
    odd = 0.5 * one.pixel_size_angstrom * (np.array(one.image_size) % 2)
    shift = series.alignment.shift + odd
    columns: dict[str, TextArray] = {}
    if series.image_names:
        columns["rlnMicrographMovieName"] = text_array(series.image_names)
    columns["rlnMicrographName"] = text_array(one.image_names)
    if series.nominal_tilt_deg is not None:
        columns["rlnTomoNominalStageTiltAngle"] = format_floats(series.nominal_tilt_deg)
    columns |= {
        "rlnMicrographPreExposure": format_floats(zero if series.dose_e_per_a2 is None else series.dose_e_per_a2),
        "rlnTomoXTilt": format_floats(series.alignment.x_tilt_deg),
        "rlnTomoYTilt": format_floats(series.alignment.y_tilt_deg),
        "rlnTomoZRot": format_floats(series.alignment.z_rot_deg),
        "rlnTomoXShiftAngst": format_floats(shift[:, 0]),
        "rlnTomoYShiftAngst": format_floats(shift[:, 1]),
    }
    ctf = series.ctf
    columns |= {
        "rlnDefocusU": format_floats(zero if ctf is None else ctf.defocus_u_angstrom),
        "rlnDefocusV": format_floats(zero if ctf is None else ctf.defocus_v_angstrom),
        "rlnDefocusAngle": format_floats(zero if ctf is None else ctf.astigmatism_deg),
    }
    if ctf is not None and ctf.phase_shift_deg.any():
        columns["rlnPhaseShift"] = format_floats(ctf.phase_shift_deg)
    return Table(one.name, columns)


def tilt_table_names(folder: str, names: Sequence[str], project: Project = None) -> list[str]:
    """List the files that `write_imported` writes."""
    paths = [*(_tilt_file(folder, name) for name in names), f"{folder}tomograms.star"]
    return [os.path.normpath(in_project(path, project)) for path in paths]
