"""Checks on single tilts: those that differ from all others of their series, and would spoil what is sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, listed, warning
from subtomo.io.relion import labels
from subtomo.io.relion.geometry import CAUSE, misses_images
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.projection import project

Float = NDArray[np.float64]
Rows = NDArray[np.int64]

FEWEST_TILTS = 7
"""Below this nothing can be called the rule."""
MINORITY = 1 / 3
"""Outliers are fewer than this fraction."""
SPREADS = 8.0
"""Median deviations beyond which something is an outlier."""
AXIS_DEG, TILT_DEG = 8.0, 6.0
"""Least deviation of the tilt axis, and of the tilt from the stage's angle, that is worth a word."""
SHIFT, SHIFT_BESIDE = 0.15, 0.08
"""The same for the shift, as fractions of the image's shorter side: against all tilts, and against the neighbours."""
DEFOCUS_RATIO = 4.0
SMALLEST_DEFOCUS_ANGSTROM = 500.0
LARGEST_SCALE = 5.0
ROWS_SHOWN = 8
_LEAVE_OUT = "leave these tilts out (remove their rows), or mend them"


def check_outliers(case: Case) -> Iterator[Finding]:
    """Look for tilts that do not belong to their series, and for series whose images miss their tomogram."""
    for one in case.series:
        series = one.tomogram
        yield from _scales(series)
        yield from _defocus(series)
        yield from _axes(series)
        yield from _stage(series)
        if one.has_image_size:
            missed = misses_images(series)
            if missed is not None:
                yield error("matrices", series.source, missed, CAUSE)
            else:
                yield from _shifts(series)


def _scales(series: TiltSeries) -> Iterator[Finding]:
    scale = series.tilts.scale
    for rows, what in (
        (np.flatnonzero(scale == 0), "0, so that these tilts count for nothing"),
        (np.flatnonzero(scale < 0), "negative, which turns their contrast round"),
        (np.flatnonzero(scale > LARGEST_SCALE), f"above {LARGEST_SCALE:g}, so that these tilts outweigh the others"),
    ):
        if rows.size:
            yield warning(
                "scale factor",
                series.source,
                f"{labels.SCALE} of {rows.size} tilt(s) is {what}: rows {_rows(rows)}",
                "give 1, or the scale that was measured; to leave tilts out, remove their rows",
            )


def _defocus(series: TiltSeries) -> Iterator[Finding]:
    """Compare the defoci of every tilt with the median of the series."""
    values = np.stack([series.tilts.defocus_u_angstrom, series.tilts.defocus_v_angstrom])
    typical = float(np.median(values))
    if len(values.T) < FEWEST_TILTS or abs(typical) < SMALLEST_DEFOCUS_ANGSTROM:
        return
    ratio = values / typical
    senseless = np.flatnonzero((np.abs(values) < 1.0).all(axis=0) | (ratio < 0).any(axis=0))
    odd = np.flatnonzero(((ratio < 1 / DEFOCUS_RATIO) | (ratio > DEFOCUS_RATIO)).any(axis=0))
    odd = np.setdiff1d(odd, senseless)
    if senseless.size and senseless.size <= MINORITY * len(values.T):
        yield error(
            "defocus",
            series.source,
            f"{senseless.size} tilt(s) have a defocus of 0 or of the other sign, while the median is {typical:.0f} Å: "
            f"{_with_values(senseless, values)}",
            "estimate it again, interpolate it, or leave these tilts out (remove their rows)",
        )
    if odd.size and odd.size <= MINORITY * len(values.T):
        yield warning(
            "defocus",
            series.source,
            f"{odd.size} tilt(s) have a defocus far from the median of {typical:.0f} Å: {_with_values(odd, values)}",
            "estimate it again, interpolate it, or leave these tilts out (remove their rows)",
        )


def _axes(series: TiltSeries) -> Iterator[Finding]:
    """Compare the direction of the tilt axis in every image with that in the others."""
    rotations = series.tilts.projection[:, :3, :3]
    if len(rotations) < FEWEST_TILTS:
        return
    # the tilt axis is the axis of the tomogram that is never foreshortened
    seen = np.hypot(rotations[:, 0, :2], rotations[:, 1, :2])
    axis = int(np.argmax(np.quantile(seen, 0.25, axis=0)))
    angle = np.rad2deg(np.arctan2(rotations[:, 1, axis], rotations[:, 0, axis]))
    between = np.abs(_wrapped(angle[:, None] - angle[None, :]))
    off = _wrapped(angle - angle[int(np.argmin(np.median(between, axis=1)))])
    rows = _outliers(np.abs(off - np.median(off)), AXIS_DEG)
    if rows.size:
        yield warning(
            "outliers",
            series.source,
            f"the tilt axis of {rows.size} tilt(s) is off that of the others by up to {np.abs(off[rows]).max():.0f}°: "
            f"rows {_rows(rows)}",
            _LEAVE_OUT,
        )


def _stage(series: TiltSeries) -> Iterator[Finding]:
    """Compare refined with nominal tilt angles."""
    nominal, p = series.tilts.nominal_tilt_deg, series.tilts.projection
    if nominal is None or len(nominal) < FEWEST_TILTS or np.ptp(nominal) < 10:
        return
    candidates = (np.arctan2(-p[:, 2, 0], np.hypot(p[:, 2, 1], p[:, 2, 2])), np.arctan2(p[:, 2, 1], p[:, 2, 2]))
    best: Float | None = None
    for radians in candidates:
        for sign in (1.0, -1.0):
            off = np.rad2deg(radians) - sign * nominal
            off = np.abs(off - np.median(off))
            if best is None or np.median(off) < np.median(best):
                best = off
    assert best is not None
    rows = _outliers(best, TILT_DEG)
    if rows.size:
        yield warning(
            "outliers",
            series.source,
            f"the tilt angle of {rows.size} tilt(s) is off that of the stage by up to {best[rows].max():.0f}°, unlike "
            f"that of the others: rows {_rows(rows)}",
            _LEAVE_OUT,
        )


def _shifts(series: TiltSeries) -> Iterator[Finding]:
    """Compare where each image shows the tomogram's centre with the other tilts, and with those next to it."""
    if series.n_tilts < FEWEST_TILTS:
        return
    seen = project(series.tilts.projection, series.centre_px[None, :])[:, :2]
    side = float(min(series.image_size))
    # distances are measured along x and y, each against the tilts at hand
    from_all = np.linalg.norm(seen - np.median(seen, axis=0), axis=1)
    tilt = np.rad2deg(np.arctan2(series.tilts.projection[:, 2, 0], series.tilts.projection[:, 2, 2]))
    across = np.rad2deg(np.arctan2(series.tilts.projection[:, 2, 1], series.tilts.projection[:, 2, 2]))
    order = np.argsort(tilt if np.ptp(tilt) >= np.ptp(across) else across, kind="stable")
    beside = np.empty(len(order))
    for place, row in enumerate(order.tolist()):
        near = [k for k in range(max(0, place - 3), min(len(order), place + 4)) if k != place]
        beside[row] = np.linalg.norm(seen[row] - np.median(seen[order[near]], axis=0))
    rows = np.union1d(_outliers(from_all, SHIFT * side), _outliers(beside, SHIFT_BESIDE * side))
    if rows.size and rows.size <= MINORITY * len(order):
        farthest = from_all[rows].max() * series.pixel_size_angstrom
        yield warning(
            "outliers",
            series.source,
            f"the shift of {rows.size} tilt(s) is off that of the others by up to {farthest:.0f} Å: rows {_rows(rows)}",
            _LEAVE_OUT,
        )


def _outliers(deviation: Float, least: float) -> Rows:
    """Find the rows beyond a multiple of the median deviation, if they are a minority."""
    rows = np.flatnonzero(deviation > max(least, SPREADS * float(np.median(deviation))))
    return rows if rows.size <= MINORITY * len(deviation) else np.zeros(0, np.int64)


def _wrapped(degrees: Float) -> Float:
    wrapped: Float = (degrees + 180.0) % 360.0 - 180.0
    return wrapped


def _rows(rows: Rows) -> str:
    return listed((rows + 1).tolist(), ROWS_SHOWN)


def _with_values(rows: Rows, values: Float) -> str:
    """Name rows with their two defoci."""
    return listed(
        (f"row {row + 1}: {values[0, row]:.0f} and {values[1, row]:.0f} Å" for row in rows.tolist()), ROWS_SHOWN
    )
