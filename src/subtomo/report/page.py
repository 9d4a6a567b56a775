"""Make the page of an extraction: one HTML file with its pictures inside, and the pictures beside it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subtomo.io.account import ACCOUNT_NAME
from subtomo.model.notebook import Shown
from subtomo.report.collect import ReportData, collect
from subtomo.report.html import command_lines, write_page, write_pictures
from subtomo.report.orientations import orientation_charts
from subtomo.report.picks import MOST_TOMOGRAMS, picks
from subtomo.report.samples import samples
from subtomo.report.style import Picture
from subtomo.report.tables import left_out_rows, setting_rows, tomogram_rows
from subtomo.report.tilts import visibility_charts, weight_charts
from subtomo.words import listed

PAGE = "report.html"
PICTURES = "report"
PARTIAL_PAGE = "report-partial.html"
"""The page, where the one that is there shows more of the same extraction."""
PARTIAL_PICTURES = "report-partial"
LEFT_OUT_FILE = "left_out.star"
_OWN_NAMES = ("picks-*.png", "particle-*.png", "*-tilts.???", "seen-by-tilt.???", "*-weights.???")
_OWN_CHARTS = ("side-view.???", "defocus.???", "directions.???", "polar-angles.???")


@dataclass(frozen=True, repr=False)
class WrittenReport(Shown):
    """What `write_report` left."""

    page: Path
    pictures: tuple[Path, ...]
    notes: tuple[str, ...]
    """What could not be shown, and why."""
    seconds: float

    @property
    def plots(self) -> dict[str, bytes]:
        """Read the pictures (PNG or SVG) beside the page, by their names."""
        return {path.stem: path.read_bytes() for path in self.pictures}

    def _facts(self) -> list[tuple[str, Any]]:
        return [
            ("", str(self.page)),
            ("", f"{len(self.pictures)} pictures, {self.seconds:.1f} s"),
            ("not shown", len(self.notes) or None),
        ]

    def _pictures(self) -> list[tuple[str, bytes]]:
        return list(self.plots.items())


def write_report(folder: str | os.PathLike[str], project: str | os.PathLike[str] | None = None) -> WrittenReport:
    """Write ``report.html`` and pictures in ``report/`` into the output folder of an extraction.

    A page that shows more of the same extraction, because files have gone since, is kept; the new one then stands
    beside it as ``report-partial.html``.

    Args:
        folder: The output folder.
        project: The folder that names in STAR files are relative to; None to find out.

    Raises:
        InputError: The folder has no account of an extraction, or the files cannot be written.
    """
    start = time.monotonic()
    data = collect(folder, project)
    notes = list(data.notes)
    sections = _sections(data, notes)
    seconds = time.monotonic() - start
    pictures = [picture for section in sections.values() for picture in section]
    page, picture_folder = data.folder / PAGE, data.folder / PICTURES
    lost = _lost(data.folder, {picture.file_name for picture in pictures}, notes)
    if lost:
        notes.append(
            f"{page} is kept, for it shows {len(lost)} pictures that cannot be drawn now ({listed(lost, 3)}); what can "
            f"be drawn is in {PARTIAL_PAGE}. Give the folder that names in the STAR files are relative to (project)."
        )
        page, picture_folder = data.folder / PARTIAL_PAGE, data.folder / PARTIAL_PICTURES
    paths = write_pictures(picture_folder, pictures, (*_OWN_NAMES, *_OWN_CHARTS))
    write_page(page, "report.html.j2", _context(data, sections, notes, seconds))
    return WrittenReport(page, tuple(paths), tuple(notes), time.monotonic() - start)


def _lost(folder: Path, names: set[str], notes: list[str]) -> list[str]:
    """List pictures of the page that is there, if it is on this extraction, which a new one lacks as files are gone."""
    page = folder / PAGE
    if not (notes and page.exists()) or page.stat().st_mtime < (folder / ACCOUNT_NAME).stat().st_mtime:
        return []
    patterns = (*_OWN_NAMES, *_OWN_CHARTS)
    shown = {path.name for pattern in patterns for path in (folder / PICTURES).glob(pattern)}
    return sorted(shown - names)


def _sections(data: ReportData, notes: list[str]) -> dict[str, list[Picture]]:
    """Draw everything; what fails is noted and left out, for the rest is worth having."""

    def sample_pictures(data: ReportData) -> list[Picture]:
        pictures, problems = samples(data)
        notes.extend(problems)
        return pictures

    makers: dict[str, tuple[str, Callable[[ReportData], list[Picture]]]] = {
        "picks": ("Tilt images", picks),
        "samples": ("Sample particles", sample_pictures),
        "visibility": ("Visible tilts", visibility_charts),
        "weights": ("CTF and dose weights", weight_charts),
        "orientations": ("Orientations", orientation_charts),
    }
    sections = {}
    for name, (title, make) in makers.items():
        try:
            sections[name] = make(data)
        except Exception as error:  # damaged input shows in many ways, and no picture is worth the others
            sections[name] = []
            notes.append(f"{title} cannot be shown ({type(error).__name__}: {error}).")
    return sections


def _context(
    data: ReportData, sections: Mapping[str, list[Picture]], notes: list[str], seconds: float
) -> dict[str, Any]:
    account = data.account
    causes = Counter(entry.cause for entry in account.left_out)
    return {
        "account": account,
        "title": account.output_dir.rstrip("/") or str(data.folder),
        "folder": str(data.folder),
        "sections": sections,
        "notes": notes,
        "settings": setting_rows(account),
        "tomograms": tomogram_rows(data),
        "causes": causes.most_common(),
        "left_out": left_out_rows(account),
        "command": command_lines(account.command),
        "n_shown": 0 if data.particles is None else len(data.particles),
        "is_sampled": data.is_sampled,
        "n_tomograms": len({entry.tomogram for entry in account.left_out} | {*data.counts}),
        "picks_are_sampled": len({*data.counts}) > MOST_TOMOGRAMS,
        "has_orientations": bool(sections["orientations"]),
        "pixel_size": _pixel_size(data),
        "seconds": seconds,
        "left_out_file": LEFT_OUT_FILE if (data.folder / LEFT_OUT_FILE).exists() else "",
    }


def _pixel_size(data: ReportData) -> float | None:
    """Give the pixel size of the result, Å."""
    if data.particles is None:
        return None
    return float(data.particles.optics_groups[0].pixel_size_angstrom * data.account.settings.binning)
