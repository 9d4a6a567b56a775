"""Dose and defocus of imported views, from the files that stand beside an alignment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.ctf_files import find_ctf_file, read_ctf_file
from subtomo.foreign.mdoc import Mdoc, find_mdoc, read_mdoc
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
        rows = _rows(series, document, notes)
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


def _rows(series: ForeignSeries, document: Mdoc, notes: list[str]) -> list[int]:
    """Find the section of the .mdoc file of every kept view.

    With as many sections as views they are in the stack's order, or sorted by tilt as stacks are; alignments may have
    moved all angles. Otherwise views are found by their tilts, if only one offset of all angles makes that possible.
    """
    tilt = series.alignment.y_tilt_deg if series.nominal_tilt_deg is None else series.nominal_tilt_deg
    if len(document.tilt_deg) == series.n_sections:
        by_tilt = np.argsort(document.tilt_deg, kind="stable")
        for order in (np.arange(series.n_sections), by_tilt, by_tilt[::-1]):
            rows = order[series.section]
            moved = document.tilt_deg[rows] - tilt
            if np.ptp(moved) <= _NEAR_DEG:
                _tell_offset(float(np.median(moved)), series, document, notes)
                return [int(row) for row in rows]
    fitting = dict(_fitting_rows(tilt, document.tilt_deg))
    stage = series.nominal_tilt_deg is not None
    offset = 0.0 if stage and 0.0 in fitting else next(iter(fitting), None)
    if offset is None or (len(fitting) > 1 and not (stage and offset == 0.0)):
        many = "several offsets of the angles would do" if fitting else "no offset of the angles makes them agree"
        raise InputError(
            f"{document.path}: has {len(document.tilt_deg)} sections, but {series.source} {series.n_sections} views, "
            f"and they cannot be told apart by their tilts ({many}); take the mdoc file of this stack"
        )
    _tell_offset(offset, series, document, notes)
    return fitting[offset]


def _fitting_rows(tilt: Float, sections: Float) -> Iterator[tuple[float, list[int]]]:
    """Give the offsets of all angles that bring every tilt to a section of its own, and these sections."""
    found = list[float]()
    for offset in sorted({0.0, *(sections - tilt[0]).tolist()}, key=abs):
        distance = np.abs(sections[None] - (tilt + offset)[:, None])
        rows = distance.argmin(axis=1).tolist()
        is_new = all(abs(offset - other) > _NEAR_DEG for other in found)
        if is_new and distance.min(axis=1).max() <= _NEAR_DEG and len(set(rows)) == len(rows):
            found.append(offset)
            yield offset, rows


def _tell_offset(offset: float, series: ForeignSeries, document: Mdoc, notes: list[str]) -> None:
    if abs(offset) > _NEAR_DEG:
        notes.append(f"{series.name}: angles differ from those of {document.path} by {-offset:.2f}°")
