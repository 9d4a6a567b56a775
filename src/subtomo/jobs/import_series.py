"""Import tilt series that other programs aligned, as a project of RELION 5."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from subtomo.errors import InputError
from subtomo.foreign.find_images import image_files
from subtomo.foreign.import_record import RECORD_NAME, ImportedFrom, write_import_record
from subtomo.foreign.tilt_series_source import SourceOptions, TiltSeriesSource, tilt_series_source
from subtomo.io.atomic import atomic_write
from subtomo.io.project import Project, in_project
from subtomo.io.relion import OptimisationSet, read_tomograms, write_optimisation_set
from subtomo.io.relion.imported import ImportedSeries, tilt_table_names, write_imported
from subtomo.jobs.import_complete import Completion, complete_series
from subtomo.jobs.import_residual import LIMIT_PX, Residual, residual_of
from subtomo.jobs.inputs import protect_inputs
from subtomo.jobs.note import write_note
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.folders import prepare_folder
from subtomo.output.layout import check_name, output_folder

RESIDUALS_NAME = "residuals.csv"


@dataclass(frozen=True)
class ImportJob:
    """What to import, and what its files may not say."""

    format_name: str
    """One of `formats.TILT_SERIES`: ``warp``, ``aretomo`` and so on."""
    alignments: tuple[str, ...]
    """Files, folders and patterns."""
    output_dir: str
    completion: Completion = Completion()
    exclude_views: frozenset[int] = frozenset()
    """Counted from 1 in the stack of all views; of every series."""
    approximate: bool = False
    """Write series whose model has parts that RELION cannot hold, without these."""
    draw: bool = True
    """Draw a picture of every series."""
    project: Project = None
    """The folder that names become relative to; None for the current one."""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ImportSummary:
    """What became of the series."""

    output_dir: str
    tomograms_file: str
    """Empty if nothing was imported."""
    imported: tuple[ImportedSeries, ...]
    residuals: tuple[Residual, ...]
    """Of the imported series, in their order."""
    assumed_hand: bool
    """Whether nothing said the hand of a series."""
    failures: dict[str, str]
    """File to why it was not imported."""
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Ready:
    """A series that can be written."""

    path: Path
    imported: ImportedSeries
    aligned_pixel_size_angstrom: float
    assumed_hand: bool
    notes: tuple[str, ...]


def import_series(job: ImportJob) -> ImportSummary:
    """Import all series that can be; one that cannot is reported, and the others go on.

    Raises:
        InputError: Nothing could be written.
        SettingsError: The output folder cannot be used.
    """
    source = tilt_series_source(job.format_name)
    folder = output_folder(job.output_dir)
    ready, failures = list[_Ready](), dict[str, str]()
    paths = source.find(job.alignments, failures)
    list_files = cache(image_files)
    for path in paths:
        try:
            one = _prepare(source, path, job, list_files, is_only=len(paths) == 1)
            _refuse_same_name(one, ready)
        except InputError as error:
            failures[str(path)] = str(error)
        else:
            ready.append(one)
    if not ready:
        return ImportSummary(folder, "", (), (), False, failures, ())
    written = _write(job, folder, ready)
    residuals = [
        residual_of(one.imported.series, series, one.aligned_pixel_size_angstrom)
        for one, series in zip(ready, written, strict=True)
    ]
    _write_residuals(in_project(folder, job.project), residuals)
    _write_record(job, folder, ready, residuals, failures)
    if job.draw:
        _draw(in_project(folder, job.project), residuals, written)
    notes = [*_united((one.imported.name, note) for one in ready for note in one.notes), *_told(residuals)]
    return ImportSummary(
        output_dir=folder,
        tomograms_file=f"{folder}tomograms.star",
        imported=tuple(one.imported for one in ready),
        residuals=tuple(residuals),
        assumed_hand=any(one.assumed_hand for one in ready),
        failures=failures,
        notes=tuple(dict.fromkeys(notes)),
    )


def _prepare(
    source: TiltSeriesSource, path: Path, job: ImportJob, list_files: Callable[[str], Sequence[str]], *, is_only: bool
) -> _Ready:
    """Read one series, and complete it.

    Raises:
        InputError: It cannot be imported as it is.
    """
    series = source.read(path, SourceOptions(job.exclude_views))
    done = complete_series(series, path, job.completion, job.project, list_files, is_only=is_only)
    check_name(done.imported.name, f"{path}: tilt series")
    unheld = [part for part in series.model.parts if not part.is_carried]
    if unheld and not job.approximate:
        named = ", ".join(f"{part.name} ({part.detail})" if part.detail else part.name for part in unheld)
        raise InputError(
            f"{path}: has {named}, which RELION's files cannot hold; take it out of the alignment in {source.program}, "
            "or import the rest and look at the residual (approximate=True)",
            field="approximate",
        )
    left_out = [f"{done.imported.name}: without {part.name}, as asked" for part in unheld]
    notes = (*done.notes, *left_out)
    return _Ready(path, done.imported, done.aligned_pixel_size_angstrom, done.assumed_hand, notes)


def _refuse_same_name(one: _Ready, others: list[_Ready]) -> None:
    same = next((other for other in others if other.imported.name == one.imported.name), None)
    if same is not None:
        raise InputError(
            f"{one.path}: would become tomogram {one.imported.name}, as {same.path} does; rename a file or its images"
        )


def _write(job: ImportJob, folder: str, ready: list[_Ready]) -> TomogramSet:
    """Write the project, and read it again as everything else will."""
    imported = [one.imported for one in ready]
    outputs = tilt_table_names(folder, [one.name for one in imported], job.project)
    inputs = [file for one in imported for file in one.series.files]
    protect_inputs(inputs, [*outputs, in_project(f"{folder}{RECORD_NAME}", job.project)])
    for name in {os.path.dirname(path) for path in outputs}:
        prepare_folder(name)
    write_note(in_project(folder, job.project), job.command)
    tomograms = write_imported(folder, imported, job.project)
    optimisation_set = in_project(f"{folder}optimisation_set.star", job.project)
    write_optimisation_set(optimisation_set, OptimisationSet(tomograms=tomograms))
    return read_tomograms(in_project(tomograms, job.project), project=job.project)


def _write_residuals(folder: str, residuals: list[Residual]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["tilt_series", "view", "greatest_px", "mean_px", "greatest_px_with_trajectories", "left_out"])
    for one in residuals:
        cause = one.left_out() if one.worst_px > LIMIT_PX else ""
        columns = (one.section, one.greatest_px, one.mean_px, one.with_motion_px)
        for section, *differences in zip(*(column.tolist() for column in columns), strict=True):
            shown = [f"{difference:.6f}" for difference in differences]
            table.writerow([one.name, section + 1, *shown, cause])
    with atomic_write(os.path.join(folder, RESIDUALS_NAME)) as stream:
        stream.write(text.getvalue().encode())


def _write_record(
    job: ImportJob, folder: str, ready: list[_Ready], residuals: list[Residual], failures: dict[str, str]
) -> None:
    place = in_project(folder, job.project)
    entries = [
        ImportedFrom(
            name=one.imported.name,
            source=os.path.relpath(one.path, place),
            source_name=one.imported.series.name,
            aligned_pixel_size_angstrom=one.aligned_pixel_size_angstrom,
            exclude_views=tuple(sorted(job.exclude_views)),
            tomogram_offset_angstrom=one.imported.series.tomogram_offset,
            needs_motion=residual.needs_motion,
        )
        for one, residual in zip(ready, residuals, strict=True)
    ]
    write_import_record(place, job.format_name, entries, failures)


def _draw(folder: str, residuals: list[Residual], written: TomogramSet) -> None:
    from subtomo.report.import_picture import draw_residual

    for one, series in zip(residuals, written, strict=True):
        path = f"{folder}residuals/{one.name}.png"
        prepare_folder(os.path.dirname(path))
        with atomic_write(path) as stream:
            stream.write(draw_residual(series, one.source_px, one.written_px, one.greatest_px))


def _united(notes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Say once what is noted of several series, each with its name, and of how many more it is true."""
    of_kind: dict[str, list[str]] = {}
    for name, note in notes:
        of_kind.setdefault(note.replace(name, "\0"), []).append(note)
    for alike in of_kind.values():
        more = len(alike) - 1
        # what names no series is said of all
        is_of_one = len(set(alike)) > 1
        yield alike[0] + (f" (and {more} more series likewise)" if more and is_of_one else "")


def _told(residuals: list[Residual]) -> Iterator[str]:
    """Say of every series that differs from its source why."""
    for one in residuals:
        if one.needs_motion:
            yield (
                f"{one.name}: rotations and shifts alone are up to {one.worst_px:.2f} px off, for want of "
                f"{one.left_out()}; particles that are imported as picks get trajectories, which leave "
                f"{one.worst_with_motion_px:.3f} px"
            )
        elif one.worst_px > LIMIT_PX:
            yield f"{one.name}: up to {one.worst_px:.2f} px off, for want of {one.left_out()}"
