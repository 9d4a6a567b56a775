"""Make the page of an extraction: one HTML file with its pictures inside, and the pictures beside it."""

from __future__ import annotations

import base64
import os
import platform
import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from subtomo.io.atomic import atomic_write
from subtomo.report.collect import ReportData, collect
from subtomo.report.orientations import orientation_charts
from subtomo.report.picks import MOST_TOMOGRAMS, picks
from subtomo.report.samples import samples
from subtomo.report.style import Picture
from subtomo.report.tables import left_out_rows, setting_rows, tomogram_rows
from subtomo.report.tilts import visibility_charts, weight_charts

PAGE = "report.html"
PICTURES = "report"
_OWN_NAMES = ("picks-*.png", "particle-*.png", "*-tilts.png", "seen-by-tilt.png", "*-weights.png")
_OWN_CHARTS = ("side-view.png", "defocus.png", "directions.png", "polar-angles.png")


@dataclass(frozen=True)
class WrittenReport:
    """What `write_report` left."""

    page: Path
    pictures: tuple[Path, ...]
    notes: tuple[str, ...]
    """What could not be shown, and why."""
    seconds: float


def write_report(folder: str | os.PathLike[str], project: str | os.PathLike[str] | None = None) -> WrittenReport:
    """Write ``report.html`` and ``report/*.png`` into the output folder of an extraction.

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
    html = _environment().get_template("report.html.j2").render(**_context(data, sections, notes, seconds))
    pictures = [picture for section in sections.values() for picture in section]
    paths = _write_pictures(data.folder / PICTURES, pictures)
    page = data.folder / PAGE
    with atomic_write(page) as stream:
        stream.write(html.encode())
    return WrittenReport(page, tuple(paths), tuple(notes), time.monotonic() - start)


def _sections(data: ReportData, notes: list[str]) -> dict[str, list[Picture]]:
    """Draw everything; what fails is noted and left out, since the rest is still useful."""

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
        except Exception as error:  # damaged input raises all kinds of errors; one picture must not cost the others
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
        "made": time.strftime("%Y-%m-%d %H:%M %Z"),
        "seconds": seconds,
        "versions": {
            "subtomo": version("subtomo"),
            "Python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "matplotlib")},
        },
    }


def command_lines(words: Sequence[str]) -> str:
    """Put a command into lines, one per option, that a shell accepts as they are."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(shlex.join(line) for line in lines if line)


def _pixel_size(data: ReportData) -> float | None:
    """Return the pixel size of the result, Å."""
    if data.particles is None:
        return None
    return float(data.particles.optics_groups[0].pixel_size_angstrom * data.account.settings.binning)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("subtomo.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["data_url"] = lambda png: "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    environment.filters["count"] = lambda number: f"{number:,}".replace(",", "\u202f")
    environment.filters["duration"] = duration
    environment.filters["bytes"] = megabytes
    return environment


def megabytes(number: int) -> str:
    """Put a number of bytes into words."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Put seconds into words: 12.3 s, 4 min 05 s, 3 h 07 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if round(seconds) < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
    return f"{round(seconds / 60) // 60} h {round(seconds / 60) % 60:02d} min"


def _write_pictures(folder: Path, pictures: list[Picture]) -> list[Path]:
    """Write the pictures for light pages, and remove those of an earlier report."""
    folder.mkdir(exist_ok=True)
    wanted = {f"{picture.name}.png" for picture in pictures}
    for pattern in (*_OWN_NAMES, *_OWN_CHARTS):
        for old in folder.glob(pattern):
            if old.name not in wanted:
                with suppress(OSError):
                    old.unlink()
    for picture in pictures:
        with atomic_write(folder / f"{picture.name}.png") as stream:
            stream.write(picture.light)
    return [folder / f"{picture.name}.png" for picture in pictures]
