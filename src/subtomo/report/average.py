"""The page of an average: resolution, surfaces, sections, and what went in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SubtomoError
from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.report.average_charts import fsc_chart, guinier_chart
from subtomo.report.html import PAGE_SCRIPT, SURFACE_SCRIPT, command_lines, write_page, write_pictures
from subtomo.report.sections import section_picture
from subtomo.report.style import Picture
from subtomo.report.surface import automatic_contour
from subtomo.report.surface_pictures import surface_picture, viewer_payload
from subtomo.report.verdict import THRESHOLDS, resolution_notes, resolution_words

PAGE = "average.html"
_OWN = ("surface.png", "sections.png")
_LARGEST_TABLE = 5000
Volume = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class AverageFacts:
    """What the page of an average shows."""

    folder: Path
    title: str
    """The job's name."""
    maps: Mapping[str, Volume]
    """half1, half2, merged and filtered, (c, c, c) each."""
    curves: ResolutionCurves
    guinier: GuinierCurves
    counts: tuple[int, int]
    """Particles in each half set."""
    n_particles: int
    """In the particle set."""
    left_out: Sequence[str] = ()
    """Particles that were left out, with the reason."""
    symmetry: str = "C1"
    mask: str = ""
    """The mask in words."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """Class to the number of its particles that went in; empty if there are none."""
    settings: Sequence[tuple[str, str]] = ()
    command: Sequence[str] = ()
    notes: Sequence[str] = ()
    seconds: float = 0.0


def write_average_page(facts: AverageFacts) -> Path:
    """Write ``average.html`` and its pictures of the map, ``surface.png`` and ``sections.png``, into the folder.

    Raises:
        InputError: The files cannot be written.
    """
    start = time.monotonic()
    pixel = facts.curves.pixel_size_angstrom
    notes = [*facts.notes, *resolution_notes(facts.curves)]
    surfaces: list[Picture] = []
    viewer, contour = None, None
    shown = facts.maps["filtered"]
    try:
        contour = automatic_contour(shown, pixel)
        surfaces.append(surface_picture("surface", shown, pixel, contour))
        viewer = viewer_payload(shown, pixel, contour)
    except SubtomoError as error:
        notes.append(f"The surface is not shown: {error}.")
    sections = [section_picture("sections", _sections(facts), pixel)]
    charts = [fsc_chart(facts.curves), guinier_chart(facts.guinier)]
    context = {
        "facts": facts,
        "pixel_size": pixel,
        "size": len(shown),
        "notes": notes,
        "resolutions": [
            (f"{threshold:g}", resolution_words(facts.curves, threshold, masked=True),
             resolution_words(facts.curves, threshold, masked=False))
            for threshold in THRESHOLDS
        ],
        "resolution": _headline(facts.curves),
        "b_factor": facts.guinier.b_factor_a2,
        "surfaces": surfaces,
        "viewer": viewer,
        "contour": contour,
        "sections": sections,
        "charts": charts,
        "left_out": facts.left_out[:_LARGEST_TABLE],
        "command": command_lines(facts.command),
        "drawn_in": time.monotonic() - start,
    }  # fmt: skip
    write_pictures(facts.folder, [*surfaces, *sections], _OWN)
    page = facts.folder / PAGE
    write_page(page, "average.html.j2", context, (PAGE_SCRIPT, SURFACE_SCRIPT) if viewer else (PAGE_SCRIPT,))
    return page


def _headline(curves: ResolutionCurves) -> str:
    found = curves.resolution_angstrom(0.143)
    return f"{found:.1f} Å" if isfinite(found) else "not reached"


def _sections(facts: AverageFacts) -> dict[str, Volume]:
    first, second = facts.counts
    names = {
        "half1": f"half map 1, {first} particles",
        "half2": f"half map 2, {second} particles",
        "merged": "merged",
        "filtered": "merged, filtered by its FSC, masked",
    }
    return {words: facts.maps[name] for name, words in names.items() if name in facts.maps}
