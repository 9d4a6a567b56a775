"""Dose and defocus of imported views, from the files that stand beside an alignment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from subtomo.errors import InputError
from subtomo.io.ctf_files import find_ctf_file, read_ctf_file
from subtomo.io.mdoc import Mdoc, find_mdoc, read_mdoc
from subtomo.model.foreign import Float, ForeignSeries

_NEAR_DEG = 0.75
"""Nominal tilts of an .mdoc and of an alignment are of one view up to here."""


def with_defocus(series: ForeignSeries, folders: tuple[str, ...], notes: list[str]) -> ForeignSeries:
    """Take the defocus of a file that stands in one of the folders; a given one stays.

    Raises:
        InputError: The file does not fit the series.
    """
    if series.ctf is not None:
        return series
    path = find_ctf_file(series.name, folders)
    if path is None:
        return series
    notes.append(f"{series.name}: defocus from {path}")
    ctf = read_ctf_file(path, series.section, series.n_sections)
    return replace(series, ctf=ctf, files=(*series.files, str(path)))


def with_dose(
    series: ForeignSeries, folders: tuple[str, ...], per_tilt_e_per_a2: float | None, notes: list[str]
) -> ForeignSeries:
    """Sum the dose before each view: of the order in an .mdoc file, or else of lowest tilts first.

    Raises:
        InputError: An .mdoc file does not fit the series, or the dose is not above zero.
    """
    if per_tilt_e_per_a2 is not None and not 0 < per_tilt_e_per_a2 < np.inf:
        raise InputError(
            f"dose (dose_per_tilt) is {per_tilt_e_per_a2:g} e/Å² per tilt, but must be above zero",
            field="dose_per_tilt",
        )
    if series.dose_e_per_a2 is not None and per_tilt_e_per_a2 is None:
        return series
    path = find_mdoc(series.name, folders)
    if path is not None:
        document = read_mdoc(path)
        dose = document.accumulated(per_tilt_e_per_a2)
        rows = _rows(series, document)
        named = series.image_names or tuple(document.image_names[row] for row in rows if document.image_names)
        found = replace(
            series,
            image_names=named,
            files=(*series.files, str(path)),
            nominal_tilt_deg=document.tilt_deg[rows] if series.nominal_tilt_deg is None else series.nominal_tilt_deg,
        )
        notes.append(f"{series.name}: order of the images from {path}" + ("" if dose is None else ", and their dose"))
        return found if dose is None else replace(found, dose_e_per_a2=dose[rows])
    if per_tilt_e_per_a2 is None:
        return series
    if series.dose_e_per_a2 is not None:
        return replace(series, dose_e_per_a2=per_tilt_e_per_a2 * _ranks(series.dose_e_per_a2))
    notes.append(f"{series.name}: no file says in which order images were taken; lowest tilts are taken to be first")
    tilt = series.alignment.y_tilt_deg if series.nominal_tilt_deg is None else series.nominal_tilt_deg
    return replace(series, dose_e_per_a2=per_tilt_e_per_a2 * _ranks(np.abs(tilt)))


def _ranks(values: Float) -> Float:
    """Number values (n,) by their size, from 0."""
    ranks: Float = np.argsort(np.argsort(values, kind="stable")).astype(np.float64)
    return ranks


def _rows(series: ForeignSeries, document: Mdoc) -> list[int]:
    """Find the section of the .mdoc file of every kept view: by its tilt, or else by its place in the stack."""
    n = len(document.tilt_deg)
    if series.nominal_tilt_deg is None:
        if n != series.n_sections:
            raise InputError(
                f"{document.path}: has {n} sections, but {series.source} has {series.n_sections} views and no nominal "
                "tilts to find them by; take the mdoc file of this stack"
            )
        return [int(section) for section in series.section]
    rows = []
    for view, tilt in zip(series.section + 1, series.nominal_tilt_deg, strict=True):
        distance = np.abs(document.tilt_deg - tilt)
        row = int(np.argmin(distance))
        if distance[row] > _NEAR_DEG or row in rows:
            raise InputError(
                f"{document.path}: has no section of its own for view {view} of {series.source}, at {tilt:.2f}°; take "
                "the mdoc file of this series"
            )
        rows.append(row)
    return rows
