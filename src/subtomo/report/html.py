"""What pages share: their templates, scripts and words, and how they and their pictures are written."""

from __future__ import annotations

import base64
import hashlib
import platform
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from subtomo.io.atomic import atomic_write
from subtomo.report.style import CHART_STYLE, Picture, colour_variables, static_text
from subtomo.version import __version__
from subtomo.words import visible

PAGE_SCRIPT, SURFACE_SCRIPT = "page.js", "surface.js"


def write_page(path: Path, template: str, context: Mapping[str, Any], scripts: Sequence[str] = (PAGE_SCRIPT,)) -> None:
    """Fill in a template and write the page, which holds its scripts and asks for nothing outside itself."""
    shared = {
        "scripts": [static_text(name) for name in scripts],
        "colours": [colour_variables(dark) for dark in (0, 1)],
        "chart_css": Markup(static_text(CHART_STYLE)),
        "made": time.strftime("%Y-%m-%d %H:%M %Z"),
        "versions": versions(),
    }
    html = environment().get_template(template).render(**shared, **context)
    with atomic_write(path) as stream:
        # names come from files; scripts and templates hold nothing that is invisible
        stream.write(visible(html).encode())


def write_pictures(folder: Path, pictures: Iterable[Picture], own_patterns: Iterable[str]) -> list[Path]:
    """Write pictures into a folder, and remove those of an earlier page; `own_patterns` match what those may be."""
    folder.mkdir(exist_ok=True)
    shown = {picture.file_name: picture for picture in pictures}
    for pattern in own_patterns:
        for old in folder.glob(pattern):
            if old.name not in shown:
                with suppress(OSError):
                    old.unlink()
    for name, picture in shown.items():
        with atomic_write(folder / name) as stream:
            stream.write(picture.content)
    return [folder / name for name in shown]


@cache
def environment() -> Environment:
    """Set up the templates; the filters are what they call."""
    made = Environment(
        loader=PackageLoader("subtomo.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "data_url": lambda png: "data:image/png;base64," + base64.b64encode(png).decode("ascii"),
        "count": lambda number: f"{number:,}".replace(",", "\u202f"),
        "duration": duration,
        "bytes": megabytes,
        "plain": Markup,  # of scripts, charts and nothing else
        "sources": _sources,
    }
    return made


def versions() -> dict[str, str]:
    """Give the versions of what computed and drew; a package without metadata has none."""
    found = {"Python": platform.python_version(), "subtomo": __version__}
    for name in ("numpy", "numba", "matplotlib"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _sources(scripts: Sequence[str]) -> str:
    """Name scripts by their hashes, so that the page runs these and no others."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in scripts]
    return Markup(" ".join(f"'sha256-{each}'" for each in hashes) or "'none'")


def command_lines(words: Sequence[str]) -> str:
    """Put a command into lines, one per option, that a shell takes as they stand."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(shlex.join(line) for line in lines if line)


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
