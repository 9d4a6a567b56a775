"""Read as much of a tomogram set as can be read, and collect what is wrong instead of stopping at the first problem."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from subtomo.errors import InputError
from subtomo.io.image_header import read_image_header, refuse_movie
from subtomo.io.image_names import ImageAddress, is_remote, without_format
from subtomo.io.mrc import TiltImages
from subtomo.io.oddities import ImageHeader
from subtomo.io.project import Project, in_project, seen_from
from subtomo.io.relion.mistaken import no_tomograms
from subtomo.io.relion.tomograms import (
    DEFORMATION_GRID,
    OPTIONAL,
    REQUIRED,
    SIZES,
    check_present,
    image_addresses,
    tilt_table,
    tomogram_of,
)
from subtomo.io.star import find_table, read_tables
from subtomo.model.table import Table
from subtomo.model.tilt_series import TiltSeries

_TILT_NUMBERS = (
    "rlnMicrographPreExposure", "rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot", "rlnTomoXShiftAngst",
    "rlnTomoYShiftAngst", "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift", "rlnCtfScalefactor",
    "rlnCtfBfactor", "rlnTomoNominalStageTiltAngle",
)  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """Something that keeps a file, a table or a value from being used."""

    where: str
    message: str
    fields: tuple[str, ...] = ()
    """Arguments that could change."""


@dataclass(frozen=True, eq=False)
class SurveyedTomogram:
    """What could be found out about one tilt series."""

    tomogram: TiltSeries
    """Without images if they are not all there."""
    addresses: tuple[ImageAddress, ...]
    headers: dict[str, ImageHeader]
    """File to header, of those that could be read."""
    has_image_size: bool
    """Whether the image size is known, from a header or the user; otherwise it is but a guess."""
    reconstructions: tuple[str, ...] = ()
    """Files of the reconstructed tomogram that the set names."""


@dataclass(frozen=True, eq=False)
class TomogramSurvey:
    """A tomogram set as far as it can be read."""

    source: str
    tomograms: tuple[SurveyedTomogram, ...] = ()
    problems: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()
    """All that the set lists, also those that could not be read."""


@dataclass
class _Notes:
    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, problem: InputError | str) -> None:
        fields = problem.fields if isinstance(problem, InputError) else ()
        self.problems.append(Problem(where, str(problem), fields))


def survey_tomograms(
    path: str | Path, image_size: tuple[int, int] | None = None, project: Project = None
) -> TomogramSurvey:
    """Read a tomogram set, its tilt tables and the headers of its images; nothing is raised.

    Args:
        path: STAR file with a table ``global``.
        image_size: Width and height of images that are not here; if given, no image is looked for.
        project: The folder that names in the file are relative to; None for the current one, as in RELION.
    """
    source, notes = str(path), _Notes()
    try:
        tables = read_tables(path)
        overview = find_table(tables, "global")
        if overview is None or not len(overview):
            raise no_tomograms(tables, source)
        overview.require("rlnTomoName", *REQUIRED)
    except InputError as problem:
        notes.add(source, problem)
        return TomogramSurvey(source, problems=tuple(notes.problems))
    names = [str(name) for name in overview.text("rlnTomoName")]
    for name, count in Counter(names).items():
        if count > 1:
            notes.add(source, f"tomogram {name!r} is listed {count} times; names must be unique, so rename or remove")
    numbers = (*REQUIRED, *OPTIONAL)
    bad = _check_numbers(overview, numbers, notes) | _check_numbers(
        overview, (*SIZES, *DEFORMATION_GRID, "rlnTomoFrameCount"), notes, whole=True
    )
    found: dict[str, SurveyedTomogram] = {}
    for row, name in enumerate(names):
        if name not in found:
            one = _Reader(overview.take([row]), tables, name, image_size, project, notes).read(bad)
            if one is not None:
                found[name] = one
    return TomogramSurvey(source, tuple(found.values()), tuple(notes.problems), tuple(names))


class _Reader:
    """Reads one tomogram of a set."""

    def __init__(
        self,
        row: Table,
        tables: list[Table],
        name: str,
        image_size: tuple[int, int] | None,
        project: Project,
        notes: _Notes,
    ) -> None:
        self.row, self.tables, self.name, self.image_size, self.notes = row, tables, name, image_size, notes
        self.project = project
        self.where = f"tomogram {name}"

    def read(self, bad: set[str]) -> SurveyedTomogram | None:
        """Read tilt table, headers and geometry; None if the geometry cannot be had."""
        tilts = self._tilts()
        if tilts is None:
            return None
        bad = bad | _check_numbers(tilts, _TILT_NUMBERS, self.notes)
        addresses = self._addresses(tilts)
        headers = self._headers(addresses)
        sizes = Counter((header.nx, header.ny) for header in headers.values())
        size = self.image_size or (sizes.most_common(1)[0][0] if sizes else None)
        try:
            tomogram = tomogram_of(self.row, tilts, size or (1, 1), self.project)
            labels = ("rlnTomoReconstructedTomogram", "rlnTomoReconstructedTomogramHalf1")
            named = tuple(without_format(str(self.row.text(label)[0]))[0] for label in labels if label in self.row)
            files = tuple(in_project(name, self.project) for name in named)
            if size is not None and len(sizes) == 1 and len(headers) == len({one.path for one in addresses}):
                tomogram = replace(tomogram, images=TiltImages.open(addresses, name=self.name))
        except (InputError, ValueError) as problem:
            if not any(f" {label} is " in str(problem) for label in bad):
                self.notes.add(self.where, str(problem))
            return None
        return SurveyedTomogram(tomogram, addresses, headers, size is not None, files)

    def _tilts(self) -> Table | None:
        try:
            if "rlnTomoTiltSeriesStarFile" not in self.row:
                return tilt_table(self.tables, self.name, self.row.source)
            named = str(self.row.text("rlnTomoTiltSeriesStarFile")[0])
            check_present(named, self.row.source, self.project)
            tilt_file = in_project(named, self.project)
            return tilt_table(read_tables(tilt_file), self.name, tilt_file)
        except InputError as problem:
            self.notes.add(self.where, problem)
            return None

    def _addresses(self, tilts: Table) -> tuple[ImageAddress, ...]:
        if self.image_size is not None:
            return ()
        try:
            return tuple(image_addresses(self.row, tilts, self.project))
        except InputError as problem:
            self.notes.add(self.where, problem)
            return ()

    def _headers(self, addresses: tuple[ImageAddress, ...]) -> dict[str, ImageHeader]:
        """Read the header of every file; files that cannot be read make one problem in all."""
        headers: dict[str, ImageHeader] = {}
        failures: dict[str, str] = {}
        for path, address in {address.path: address for address in addresses}.items():
            try:
                header = read_image_header(address)
                refuse_movie(address, header)
                headers[path] = header
            except InputError as problem:
                failures[path] = str(problem)
        absent = [path for path in failures if not is_remote(path) and not Path(path).exists()]
        if absent:
            text = (
                f"{len(absent)} of {len(headers) + len(failures)} image files do not exist seen from "
                f"{seen_from(self.project)}, the first being {absent[0]}; run in the folder that names in STAR files "
                "are relative to, copy the images, or give their size (image_size) to look at the metadata only"
            )
            self.notes.add(self.where, InputError(text, field="image_size"))
        for path in sorted(set(failures) - set(absent)):
            self.notes.add(self.where, failures[path])
        return headers


def _check_numbers(table: Table, labels: tuple[str, ...], notes: _Notes, *, whole: bool = False) -> set[str]:
    """Note every column that holds something else than numbers, and give their labels."""
    bad = set()
    for label in labels:
        try:
            if label in table:
                _ = table.whole_numbers(label) if whole else table.floats(label)
        except InputError as problem:
            notes.add(table.source, problem)
            bad.add(label)
    return bad
