"""The page of a classification: the classes side by side, what differs, who is in them, and what they may follow."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from subtomo.errors import SubtomoError
from subtomo.report.chart import Chart, even_axis
from subtomo.report.html import PAGE_SCRIPT, command_lines, write_page, write_pictures
from subtomo.report.style import Picture, chart, label_font
from subtomo.report.surface import automatic_contour
from subtomo.report.surface_pictures import surface_rows

PAGE = "report.html"
_OWN = ("surfaces.png", "sections.png", "differences.png")
_COLOURS = ("first", "second", "kept", "third", "out", "muted")
_SIGNIFICANT = 4.0
"""Standard deviations of the noise beyond which a difference is shown."""
_PANEL_PX = 200
_GAP_PX = 4
_PLACES_OF = 6
"""Tomograms whose particles are drawn."""
_ENOUGH = 200
Volume = NDArray[np.floating]
Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassificationFacts:
    """What the page of a classification shows; arrays of particles have a row per particle."""

    folder: Path
    title: str
    names: Sequence[str]
    """Of the classes."""
    maps: NDArray[np.float32]
    """(n_classes, c, c, c)"""
    noise: Float
    """(n_classes,) standard deviation of each map within the mask, from its half maps."""
    pixel_size_angstrom: float
    assigned: Int
    """From 0."""
    probability: Float
    """Of that class."""
    series: Sequence[str]
    coordinates: Float
    """(n, 3) x, y, z as in the particle set."""
    shares: Float
    """(n_iterations, n_classes)"""
    changes: Float
    """(n_iterations,) mean change of the probabilities."""
    resolutions: Sequence[float]
    """Of the classes, Å."""
    compared_angstrom: float
    confounded: Sequence[tuple[str, float, float, float]]
    """What classes might follow, mutual information in bits, by chance, and its probability."""
    held_out: Sequence[tuple[int, float, float]]
    """Number of classes, log-likelihood of held-out particles, and the standard error of its distance to the best."""
    left_out: Sequence[str]
    settings: Sequence[tuple[str, str]]
    command: Sequence[str]
    notes: Sequence[str]
    seconds: float


def write_classification_page(facts: ClassificationFacts) -> Path:
    """Write ``report.html`` and its pictures into the folder.

    Raises:
        InputError: The files cannot be written.
    """
    start = time.monotonic()
    notes, pictures = list(facts.notes), list[Picture]()
    maps = {name: facts.maps[number] for number, name in enumerate(facts.names) if np.any(facts.maps[number])}
    surfaces = list[Picture]()
    try:
        largest = max(maps, key=lambda name: int((facts.assigned == list(facts.names).index(name)).sum()))
        level = automatic_contour(maps[largest], facts.pixel_size_angstrom).level
        shown = {name: density for name, density in maps.items() if float(density.max()) > level}
        surfaces.append(surface_rows("surfaces", shown, facts.pixel_size_angstrom, level))
    except (SubtomoError, ValueError) as error:
        notes.append(f"Surfaces are not shown: {error}.")
    sections = [sections_picture("sections", maps, facts.pixel_size_angstrom)]
    differences = [differences_picture(facts)] if len(maps) > 1 else []
    counts = np.bincount(facts.assigned, minlength=len(facts.names))
    rows = [
        (
            name, f"{counts[number]}", f"{100 * counts[number] / max(len(facts.assigned), 1):.1f} %",
            f"{np.mean(facts.probability[facts.assigned == number]):.3f}" if counts[number] else "–",
            f"{facts.resolutions[number]:.1f} Å" if np.isfinite(facts.resolutions[number]) else "–",
        )
        for number, name in enumerate(facts.names)
    ]  # fmt: skip
    charts = [_shares_chart(facts), _change_chart(facts), _sureness_chart(facts)]
    if facts.held_out:
        charts.insert(0, _held_out_chart(facts))
    context = {
        "facts": facts,
        "size": facts.maps.shape[-1],
        "notes": notes,
        "surfaces": surfaces,
        "sections": sections,
        "differences": differences,
        "rows": rows,
        "charts": charts,
        "series_charts": [_series_chart(facts)],
        "places": _places_charts(facts),
        "confounded": [
            (name, f"{bits:.3f}", f"{chance:.3f}", f"{probability:.3f}")
            for name, bits, chance, probability in facts.confounded
        ],
        "left_out": facts.left_out[:5000],
        "command": command_lines(facts.command),
        "drawn_in": time.monotonic() - start,
    }
    pictures += [*surfaces, *sections, *differences]
    write_pictures(facts.folder, pictures, _OWN)
    page = facts.folder / PAGE
    write_page(page, "classification.html.j2", context, (PAGE_SCRIPT,))
    return page


def sections_picture(name: str, maps: Mapping[str, Volume], pixel_size_angstrom: float) -> Picture:
    """Draw three central sections of each map, all in the same greys."""
    every = np.stack([np.asarray(density) for density in maps.values()])
    low, high = np.percentile(every[np.abs(every) > 0], (1.0, 99.9)) if np.any(every) else (0.0, 1.0)
    grey = [
        [np.repeat(_scaled(image, low, high)[..., None], 3, axis=2) for image in _sections(density)]
        for density in maps.values()
    ]
    caption = f"Rows: {'; '.join(maps)}. Sections along z, y and x through the middle, all in the same greys."
    return Picture(name, caption, caption, png=_sheet(grey, list(maps)))


def differences_picture(facts: ClassificationFacts) -> Picture:
    """Draw where maps differ from the largest class by more than the noise of both."""
    counts = np.bincount(facts.assigned, minlength=len(facts.names))
    base = int(np.argmax(counts))
    low, high = np.percentile(facts.maps[base][np.abs(facts.maps[base]) > 0], (1.0, 99.9))
    rows, words = [], []
    for number, name in enumerate(facts.names):
        if number == base or not np.any(facts.maps[number]):
            continue
        difference = facts.maps[number] - facts.maps[base]
        threshold = _SIGNIFICANT * float(np.hypot(facts.noise[number], facts.noise[base]))
        panels = []
        for image, change in zip(_sections(facts.maps[base]), _sections(difference), strict=True):
            grey = np.repeat(_scaled(image, low, high)[..., None], 3, axis=2) // 2
            grey[change > threshold] = (86, 180, 233)
            grey[change < -threshold] = (240, 160, 75)
            panels.append(grey)
        rows.append(panels)
        volume = pixel_volume(np.abs(difference) > threshold, facts.pixel_size_angstrom)
        words.append(f"{name} ({volume:.0f} nm³ differ)")
    caption = (
        f"Against {facts.names[base]}, whose sections are grey: blue where there is more density, orange where "
        f"there is less, by {_SIGNIFICANT:g} standard deviations of the noise of both maps. Rows: {'; '.join(words)}."
    )
    return Picture("differences", caption, caption, png=_sheet(rows, words))


def pixel_volume(chosen: NDArray[np.bool_], pixel_size_angstrom: float) -> float:
    """Give the volume of chosen voxels, nm³."""
    return float(chosen.sum()) * pixel_size_angstrom**3 / 1000.0


def _sections(density: Volume) -> tuple[Volume, Volume, Volume]:
    middle = len(density) // 2
    return density[middle], density[:, middle], density[:, :, middle]


def _scaled(image: Volume, low: float, high: float) -> NDArray[np.uint8]:
    return np.asarray(255 * np.clip((image - low) / max(high - low, 1e-12), 0, 1), np.uint8)


def _sheet(rows: Sequence[Sequence[NDArray[np.uint8]]], words: Sequence[str]) -> bytes:
    side = max(_PANEL_PX, len(rows[0][0]))
    sheet = Image.new("RGB", (3 * side + 2 * _GAP_PX, len(rows) * (side + _GAP_PX) - _GAP_PX))
    pen, font = ImageDraw.Draw(sheet), label_font(side // 13)
    for row, panels in enumerate(rows):
        for column, panel in enumerate(panels):
            shown = Image.fromarray(panel[::-1]).resize((side, side), Image.Resampling.BICUBIC)
            sheet.paste(shown, (column * (side + _GAP_PX), row * (side + _GAP_PX)))
        place = (5, row * (side + _GAP_PX) + 4)
        left, top, right, bottom = pen.textbbox(place, words[row], font=font)
        pen.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=(20, 20, 20))
        pen.text(place, words[row], fill=(255, 255, 255), font=font)
    stream = io.BytesIO()
    sheet.save(stream, format="png")
    return stream.getvalue()


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _shares_chart(facts: ClassificationFacts) -> Picture:
    n = np.arange(len(facts.shares), dtype=np.float64)
    drawn = Chart(
        even_axis("iteration", 0.0, max(1.0, float(n[-1])), whole=True),
        even_axis("share of the particles, %", 0.0, 100.0),
    )
    for number, name in enumerate(facts.names):
        drawn.line(n, 100.0 * facts.shares[:, number], _colour(number), name)
    return chart("shares", "Shares of the classes by iteration", "Shares of the classes by iteration.", drawn)


def _change_chart(facts: ClassificationFacts) -> Picture:
    n = np.arange(1, len(facts.changes), dtype=np.float64)
    values = 100.0 * facts.changes[1:]
    drawn = Chart(
        even_axis("iteration", 0.0, max(1.0, float(len(facts.changes) - 1)), whole=True),
        even_axis("probability that moved, %", 0.0, 1.05 * max(1.0, float(values.max(initial=1.0)))),
    )
    if len(n):
        drawn.line(n, values, "first")
    caption = "How much of a particle's probability moved to other classes in each iteration; it ends near zero."
    return chart("changes", "Change of the classes by iteration", caption, drawn)


def _sureness_chart(facts: ClassificationFacts) -> Picture:
    edges = np.linspace(0.0, 1.0, 21)
    feet = np.zeros(20)
    stacks = [np.histogram(facts.probability[facts.assigned == number], edges)[0] for number in range(len(facts.names))]
    top = float(np.sum(stacks, axis=0).max())
    drawn = Chart(
        even_axis("probability of the class that is given", 0.0, 1.0),
        even_axis("particles", 0.0, 1.05 * max(1.0, top), whole=True),
    )
    for number, name in enumerate(facts.names):
        drawn.stacked_bars(edges[:-1], edges[1:], feet, feet + stacks[number], _colour(number), name)
        feet = feet + stacks[number]
    caption = "How sure the classes are: each particle's probability of the class that it is given."
    return chart("sureness", "Histogram of the probabilities of the classes that are given", caption, drawn)


def _held_out_chart(facts: ClassificationFacts) -> Picture:
    numbers, means, errors = (np.array(values, np.float64) for values in zip(*facts.held_out, strict=True))
    best = float(means.max())
    low = float((means - errors).min()) - best
    drawn = Chart(
        even_axis("number of classes", float(numbers.min()) - 0.5, float(numbers.max()) + 0.5, whole=True),
        even_axis(
            "log-likelihood of a held-out particle, against the best", 1.1 * low - 1e-6, max(0.1 * abs(low), 1e-3)
        ),
    )
    drawn.line(numbers, means - best, "first")
    drawn.dots(numbers, means - best, "first", size=7)
    for number, mean, error in zip(numbers, means - best, errors, strict=True):
        drawn.line([number, number], [mean - error, mean + error], "first", width=1.2)
    caption = (
        "How likely particles are under classes that were found without them (five-fold); bars are standard errors of "
        "the distance to the best. More classes than there are predict no better."
    )
    return chart("held-out", "Held-out likelihood by number of classes", caption, drawn)


def _series_chart(facts: ClassificationFacts) -> Picture:
    names = list(dict.fromkeys(facts.series))
    order = {name: number for number, name in enumerate(names)}
    series = np.array([order[name] for name in facts.series], np.int64)
    total = np.maximum(np.bincount(series, minlength=len(names)), 1)
    left = np.arange(len(names), dtype=np.float64)
    feet = np.zeros(len(names))
    drawn = Chart(
        even_axis("tilt series, in the order of the particle set", 0.0, float(len(names)), whole=True),
        even_axis("share of its particles, %", 0.0, 100.0),
    )
    for number, name in enumerate(facts.names):
        share = 100.0 * np.bincount(series[facts.assigned == number], minlength=len(names)) / total
        drawn.stacked_bars(left + 0.08, left + 0.92, feet, feet + share, _colour(number), name)
        feet = feet + share
    return chart("series", "Shares of the classes by tilt series", "Shares of the classes in each tilt series.", drawn)


def _places_charts(facts: ClassificationFacts) -> list[Picture]:
    """Draw where the classes sit in the first tomograms, seen from above."""
    made = []
    for at, series in enumerate(dict.fromkeys(facts.series)):
        if at == _PLACES_OF:
            break
        chosen = np.array([name == series for name in facts.series])
        x, y = facts.coordinates[chosen, 0], facts.coordinates[chosen, 1]
        margin = 0.05 * max(float(np.ptp(x)), float(np.ptp(y)), 1.0)
        drawn = Chart(
            even_axis("x", float(x.min()) - margin, float(x.max()) + margin),
            even_axis("y", float(y.min()) - margin, float(y.max()) + margin),
            is_equal=True,
        )
        for number, name in enumerate(facts.names):
            members = facts.assigned[chosen] == number
            if members.any():
                size = 7.0 if members.sum() < _ENOUGH else 4.5
                drawn.dots(x[members], y[members], _colour(number), name, size=size)
        made.append(chart(f"places-{at + 1}", f"Places of the classes in {series}", f"{series}, seen along z.", drawn))
    return made
