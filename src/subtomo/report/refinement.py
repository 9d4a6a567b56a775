"""The page of a refinement: resolution and poses by round, the map, errors of poses, and who is far off."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SubtomoError
from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.report.average_charts import fsc_chart, guinier_chart
from subtomo.report.chart import Chart, even_axis, resolution_axis
from subtomo.report.html import PAGE_SCRIPT, SURFACE_SCRIPT, command_lines, write_page, write_pictures
from subtomo.report.orientations import directions_chart
from subtomo.report.sections import section_picture
from subtomo.report.style import Picture, chart
from subtomo.report.surface import automatic_contour
from subtomo.report.surface_pictures import surface_picture, viewer_payload
from subtomo.report.verdict import resolution_notes

PAGE = "report.html"
_OWN = ("surface.png", "sections.png")
_OUTLIERS = 200
_FAR_ANGSTROM, _FAR_DEG = 3.0, 3.0
"""Median changes beyond which, in units of the median, a particle counts as far from where it began."""
Volume = NDArray[np.floating]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RefinedFacts:
    """Of each refined particle, (n,)."""

    names: Sequence[str]
    series: Sequence[str]
    half: NDArray[np.int64]
    axes: Float
    """(n, 3) direction of the particle's z axis in the tomogram."""
    turn_deg: Float
    """From where it began."""
    move_angstrom: Float
    angle_error_deg: Float
    position_error_angstrom: Float
    coordinates: Float
    """(n, 3) as in the particle set."""


@dataclass(frozen=True, eq=False)
class RefinementFacts:
    """What the page of a refinement shows."""

    folder: Path
    title: str
    rounds: Sequence[tuple[int, float, float, float, float]]
    """Number, resolution (Å), mean change of orientations (degrees) and positions (Å), seconds."""
    correlations: Mapping[int, Float]
    """Corrected FSC by round."""
    maps: Mapping[str, Volume]
    """half1, half2, merged and filtered, (c, c, c) each."""
    curves: ResolutionCurves
    guinier: GuinierCurves
    particles: RefinedFacts
    left_out: Sequence[str]
    settings: Sequence[tuple[str, str]]
    command: Sequence[str]
    notes: Sequence[str]
    seconds: float


def write_refinement_page(facts: RefinementFacts) -> Path:
    """Write ``report.html`` and its pictures of the map into the folder.

    Raises:
        InputError: The files cannot be written.
    """
    start, pixel = time.monotonic(), facts.curves.pixel_size_angstrom
    notes = [*facts.notes, *resolution_notes(facts.curves)]
    surfaces, viewer, shown = list[Picture](), None, facts.maps["filtered"]
    try:
        contour = automatic_contour(shown, pixel)
        surfaces.append(surface_picture("surface", shown, pixel, contour))
        viewer = viewer_payload(shown, pixel, contour)
    except SubtomoError as error:
        notes.append(f"The surface is not shown: {error}.")
    names = {"half1": "half map 1", "half2": "half map 2", "filtered": "merged, filtered by its FSC, masked"}
    sections = [section_picture("sections", {words: facts.maps[name] for name, words in names.items()}, pixel)]
    particles = facts.particles
    context = {
        "facts": facts,
        "pixel_size": pixel,
        "size": len(shown),
        "notes": notes,
        "first": facts.rounds[0],
        "last": facts.rounds[-1],
        "surfaces": surfaces,
        "viewer": viewer,
        "sections": sections,
        "progress": [_resolution_chart(facts), _changes_chart(facts), _correlations_chart(facts)],
        "charts": [fsc_chart(facts.curves), guinier_chart(facts.guinier)],
        "poses": [
            directions_chart(particles.axes, "Directions of the particles' z axes in the tomogram, refined."),
            _histogram("angle-errors", particles.angle_error_deg, "standard error of the orientation, °"),
            _histogram("position-errors", particles.position_error_angstrom, "standard error of the position, Å"),
            _change_chart(particles),
        ],
        "outliers": _outliers(particles),
        "mean_errors": (float(particles.angle_error_deg.mean()), float(particles.position_error_angstrom.mean())),
        "halves": [int((particles.half == half).sum()) for half in (1, 2)],
        "left_out": facts.left_out[:5000],
        "command": command_lines(facts.command),
        "drawn_in": time.monotonic() - start,
    }
    write_pictures(facts.folder, [*surfaces, *sections], _OWN)
    page = facts.folder / PAGE
    write_page(page, "refinement.html.j2", context, (PAGE_SCRIPT, SURFACE_SCRIPT) if viewer else (PAGE_SCRIPT,))
    return page


def _resolution_chart(facts: RefinementFacts) -> Picture:
    numbers = np.array([number for number, *_ in facts.rounds], np.float64)
    resolution = np.array([found for _, found, *_ in facts.rounds])
    highest = float(np.nanmax(np.where(np.isfinite(resolution), resolution, np.nan)))
    drawn = Chart(
        even_axis("round", 0.0, max(1.0, float(numbers[-1])), whole=True),
        even_axis("resolution, Å", 0.0, 1.1 * highest),
    )
    drawn.line(numbers, resolution, "first", width=2.4)
    drawn.dots(numbers, resolution, "first", size=7)
    words = f"from {resolution[0]:.1f} to {resolution[-1]:.1f} Å"
    return chart(
        "resolution", f"Resolution by round, {words}", f"Where the half maps' FSC falls below 0.143: {words}.", drawn
    )


def _changes_chart(facts: RefinementFacts) -> Picture:
    rounds = [found for found in facts.rounds if found[0] > 0]
    numbers = np.array([found[0] for found in rounds], np.float64)
    turns, moves = (np.array([found[at] for found in rounds]) for at in (2, 3))
    highest = float(max(turns.max(initial=0.1), moves.max(initial=0.1)))
    drawn = Chart(
        even_axis("round", 0.0, max(1.0, float(numbers.max(initial=1.0))), whole=True),
        even_axis("mean change of poses, ° and Å", 0.0, 1.1 * highest),
    )
    for values, colour, words in ((turns, "first", "orientation, °"), (moves, "second", "position, Å")):
        drawn.line(numbers, values, colour, words)
        drawn.dots(numbers, values, colour, size=6)
    caption = "How far poses moved in each round; a refinement that has converged moves them no more."
    return chart("changes", "Mean change of orientations and positions by round", caption, drawn)


def _correlations_chart(facts: RefinementFacts) -> Picture:
    frequency = facts.curves.frequency
    stop = len(frequency) - 1
    drawn = Chart(resolution_axis(float(frequency[stop])), even_axis("Fourier shell correlation", -0.1, 1.04))
    drawn.level(0.143, "0.143")
    numbers = sorted(facts.correlations)
    for number in numbers[1:-1]:
        drawn.line(frequency[:stop], facts.correlations[number][:stop], "muted", width=1.0)
    drawn.line(frequency[:stop], facts.correlations[numbers[0]][:stop], "second", "at the start", width=1.8)
    drawn.line(frequency[:stop], facts.correlations[numbers[-1]][:stop], "first", "at the end", width=2.4)
    return chart("fsc-by-round", "Fourier shell correlation of the half maps, round by round",
                 "Agreement of the half maps before and after; thin lines are the rounds between.", drawn)  # fmt: skip


def _histogram(name: str, values: Float, label: str) -> Picture:
    finite = values[np.isfinite(values)]
    top = float(np.quantile(finite, 0.99)) * 1.15 + 1e-9 if finite.size else 1.0
    edges = np.linspace(0.0, top, 31)
    count = np.histogram(np.minimum(finite, top), edges)[0]
    drawn = Chart(
        even_axis(label, 0.0, top), even_axis("particles", 0.0, 1.06 * max(1.0, float(count.max())), whole=True)
    )
    drawn.bars(edges[:-1], edges[1:], count, "kept", "particles")
    mean = float(finite.mean()) if finite.size else 0.0
    return chart(
        name,
        f"Histogram: {label}, mean {mean:.2f}",
        f"From the normal matrix of each particle; mean {mean:.2f}.",
        drawn,
    )


def _change_chart(particles: RefinedFacts) -> Picture:
    far = _far(particles)
    drawn = Chart(
        even_axis("change of the orientation, °", 0.0, 1.05 * float(particles.turn_deg.max(initial=1.0))),
        even_axis("change of the position, Å", 0.0, 1.05 * float(particles.move_angstrom.max(initial=1.0))),
    )
    drawn.dots(particles.turn_deg[~far], particles.move_angstrom[~far], "kept", "particles")
    drawn.crosses(particles.turn_deg[far], particles.move_angstrom[far], "second", "far from where they began")
    return chart("from-start", "Change of orientation and position of every particle since the start",
                 f"Each particle against where it began; {int(far.sum())} moved unusually far.", drawn)  # fmt: skip


def _far(particles: RefinedFacts) -> NDArray[np.bool_]:
    """Find particles that moved far more than most."""
    turn, move = particles.turn_deg, particles.move_angstrom
    far = (turn > _FAR_DEG * np.median(turn)) | (move > _FAR_ANGSTROM * np.median(move))
    return np.asarray(far, np.bool_)


def _outliers(particles: RefinedFacts) -> list[tuple[str, ...]]:
    """List particles that moved far, or whose pose is badly determined, the worst first."""
    badly = particles.angle_error_deg > 3.0 * np.median(particles.angle_error_deg)
    chosen = np.flatnonzero(_far(particles) | badly)
    order = chosen[np.argsort(-particles.turn_deg[chosen])][:_OUTLIERS]
    return [
        (
            particles.names[at], f"{particles.turn_deg[at]:.1f}", f"{particles.move_angstrom[at]:.1f}",
            f"{particles.angle_error_deg[at]:.2f}", f"{particles.position_error_angstrom[at]:.2f}",
            ", ".join(f"{value:.0f}" for value in particles.coordinates[at]),
        )
        for at in order.tolist()
    ]  # fmt: skip
