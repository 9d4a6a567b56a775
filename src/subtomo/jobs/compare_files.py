"""Compare two files: images by value, meshes by their numbers, others byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.io.mrc import map_sections, native_section
from subtomo.io.mrc_header import MODES, MrcHeader, read_header

PIXEL_SIZE_TOLERANCE = 1e-5
_BLOCK_VALUES = 1 << 20

Float = NDArray[np.float64]


@dataclass(frozen=True)
class FileComparison:
    """How far a file is from its reference."""

    name: str
    """Relative to both folders."""
    error: float
    """Largest relative error; infinite if the files are of different kind, size or text."""
    where: str = ""
    """What the largest error is in: a label, a half of the weights."""
    problems: tuple[str, ...] = ()
    """Why the error is infinite."""
    labels: dict[str, float] = field(default_factory=dict)
    """Of STAR files: table and label to the error, of those that differ."""


def compare_images(name: str, ours: Path, theirs: Path) -> FileComparison:
    """Compare two MRC files by value, and their sizes and pixel sizes.

    Raises:
        InputError: One of them cannot be read.
    """
    our_header, their_header = read_header(ours), read_header(theirs)
    problems = list(_header_problems(our_header, their_header))
    sizes = [(header.nx, header.ny, header.nz) for header in (our_header, their_header)]
    if sizes[0] != sizes[1]:
        return FileComparison(name, np.inf, problems=tuple(problems))
    parts = {"": (0, their_header.nz)}
    if name.endswith("_weights.mrc") and their_header.nz == 2 * their_header.ny:
        # two volumes of different scale in one file
        half = their_header.ny
        parts = {"CTF²": (0, half), "multiplicity": (half, 2 * half)}
    errors = {part: _relative_error(our_header, their_header, *span) for part, span in parts.items()}
    where = max(errors, key=lambda part: errors[part])
    kinds = [MODES[header.mode] for header in (our_header, their_header)]
    modes = f"{kinds[0]} against {kinds[1]}" if kinds[0] != kinds[1] else ""
    told = ", ".join(text for text in (where if errors[where] else "", modes) if text)
    return FileComparison(name, np.inf if problems else errors[where], told, tuple(problems))


def _header_problems(ours: MrcHeader, theirs: MrcHeader) -> Iterator[str]:
    if (ours.nx, ours.ny, ours.nz) != (theirs.nx, theirs.ny, theirs.nz):
        yield f"is {ours.nx} x {ours.ny} x {ours.nz}, expected {theirs.nx} x {theirs.ny} x {theirs.nz}"
    ours_is, expected = ours.pixel_size_angstrom, theirs.pixel_size_angstrom
    if not abs(ours_is - expected) <= PIXEL_SIZE_TOLERANCE * abs(expected):
        yield f"pixel size is {ours_is:.7g}, expected {expected:.7g}"


def _relative_error(ours: MrcHeader, theirs: MrcHeader, start: int, stop: int) -> float:
    """Give max |ours - theirs| / max |theirs| over some sections, a few of which are in memory at a time."""
    ours_all, theirs_all = map_sections(ours), map_sections(theirs)
    step = max(1, _BLOCK_VALUES // (theirs.nx * theirs.ny))
    difference = scale = 0.0
    for first in range(start, stop, step):
        sections = range(first, min(first + step, stop))
        a = np.stack([native_section(ours_all[z], ours) for z in sections]).astype(np.float64)
        b = np.stack([native_section(theirs_all[z], theirs) for z in sections]).astype(np.float64)
        difference = max(difference, largest_difference(a, b))
        finite = b if np.isfinite(b).all() else b[np.isfinite(b)]
        scale = max(scale, float(np.abs(finite).max(initial=0.0)))
    if difference == 0.0:
        return 0.0
    return difference / scale if scale > 0 else np.inf


def largest_difference(ours: Float, theirs: Float) -> float:
    """Give max |ours - theirs|; equal infinities and NaN at the same place are no difference, other ones infinite."""
    with np.errstate(invalid="ignore"):
        gaps: NDArray[Any] = np.abs(ours - theirs)
        largest = float(gaps.max(initial=0.0))
        if np.isfinite(largest):
            return largest
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    rest = gaps[~same]
    if not rest.size:
        return 0.0
    return float(rest.max()) if np.isfinite(rest).all() else np.inf


def compare_words(name: str, ours: Path, theirs: Path) -> FileComparison:
    """Compare text whose numbers may differ by rounding (meshes), against the largest number."""
    a, b = (path.read_text(encoding="utf-8").split() for path in (ours, theirs))
    if len(a) != len(b):
        return FileComparison(name, np.inf, problems=(f"has {len(a)} words, expected {len(b)}",))
    gap = largest = 0.0
    for ours_is, expected in zip(a, b, strict=True):
        value = _number(expected)
        largest = max(largest, abs(value or 0.0))
        if ours_is == expected:
            continue
        other = _number(ours_is)
        if value is None or other is None:
            return FileComparison(name, np.inf, problems=(f"says {ours_is!r}, expected {expected!r}",))
        gap = max(gap, abs(other - value))
    return FileComparison(name, (gap / largest if largest else np.inf) if gap else 0.0)


def _number(word: str) -> float | None:
    """Read a finite number; None for anything else."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def compare_bytes(name: str, ours: Path, theirs: Path) -> FileComparison:
    """Compare two files byte by byte."""
    with open(ours, "rb") as a, open(theirs, "rb") as b:
        while True:
            ours_is, expected = a.read(_BLOCK_VALUES), b.read(_BLOCK_VALUES)
            if ours_is != expected:
                return FileComparison(name, np.inf, problems=("has other contents",))
            if not expected:
                return FileComparison(name, 0.0)
