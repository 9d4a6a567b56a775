"""Does an imported project still say what its sources say? Repeats the residual of the import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, info, listed, warning
from subtomo.errors import InputError
from subtomo.foreign.import_record import ImportedFrom, ImportRecord, read_import_record
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.jobs.import_residual import LIMIT_PX, Residual, residual_of
from subtomo.model.tilt_series import TiltSeries

_CHECK = "import"
_AGAIN = "import the tilt series again"


def check_import(case: Case, facts: dict[str, Any]) -> Iterator[Finding]:
    """Compare the tilt series with the alignments that they were imported from, where these are still there."""
    record = None if case.tomograms is None else read_import_record(os.path.dirname(case.tomograms.source))
    if record is None:
        return
    residuals, gone = list[Residual](), list[str]()
    for one in case.series:
        source = record.of(one.tomogram.name)
        if source is None or not one.has_image_size:
            continue
        if not record.source_of(source).exists():
            gone.append(str(record.source_of(source)))
            continue
        try:
            residuals.append(_residual(record, source, one.tomogram))
        except InputError as problem:
            yield error(_CHECK, f"tomogram {one.tomogram.name}", str(problem), _AGAIN)
    if gone:
        yield info(_CHECK, listed(gone), "these sources of the import are gone, so their residual is not repeated")
    yield from _findings(case, record, residuals)
    facts["import"] = {
        "format": record.format_name,
        "residuals_px": {one.name: one.worst_px for one in residuals},
        "with_trajectories_px": {one.name: one.worst_with_motion_px for one in residuals},
    }


def _residual(record: ImportRecord, source: ImportedFrom, written: TiltSeries) -> Residual:
    path = record.source_of(source)
    series = tilt_series_source(record.format_name).read(path, SourceOptions(frozenset(source.exclude_views)))
    if len(series) != written.n_tilts:
        raise InputError(f"{path} has {len(series)} views now, but the tomogram {written.n_tilts} tilts")
    return residual_of(series, written, source.aligned_pixel_size_angstrom)


def _findings(case: Case, record: ImportRecord, residuals: list[Residual]) -> Iterator[Finding]:
    good = [one for one in residuals if one.worst_px <= LIMIT_PX]
    if good:
        worst = max(one.worst_px for one in good)
        yield info(
            _CHECK,
            listed([one.name for one in good]),
            f"agree with the {record.format_name} alignments that they were imported from, to {worst:.4f} pixels",
        )
    particles = case.particle_set
    has_motion = particles is not None and particles.trajectories is not None
    for one in residuals:
        if one.worst_px <= LIMIT_PX:
            continue
        where, off = (
            f"tomogram {one.name}",
            f"is up to {one.worst_px:.2f} pixels off the alignment it was imported from",
        )
        if not one.needs_motion:
            yield warning(
                _CHECK, where, f"{off}, for want of {one.left_out()}", "align without it for an exact project"
            )
        elif has_motion:
            yield info(
                _CHECK, where, f"{off} without the particles' trajectories, {one.worst_with_motion_px:.4f} with them"
            )
        elif particles is not None:
            yield warning(
                _CHECK,
                where,
                f"{off}, for want of {one.left_out()}, and the particles have no trajectories, which would hold it",
                "import the picks into this project, and name the trajectories that this writes (trajectories)",
                field="trajectories",
            )
