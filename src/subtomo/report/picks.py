"""Pictures of the lowest-dose tilt images with the particles in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.plan import SeriesPlan
from subtomo.model.tilt_series import TiltSeries
from subtomo.report.chart import Chart, even_axis, span
from subtomo.report.collect import ReportData
from subtomo.report.photo import Panel, photo
from subtomo.report.sampling import even_sample
from subtomo.report.style import (
    KEPT,
    LEFT_OUT,
    Picture,
    chart,
)
from subtomo.report.tilts import tilt_angles_deg

MOST_TOMOGRAMS = 6
_SIDE_PX = 700
_SMALL_SIDE_PX = 480
_CIRCLES_AT_MOST = 1200
_CROSSES_AT_MOST = 500
"""More particles in one image are drawn as dots."""
_DOTS_AT_MOST = 5000

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Places:
    """Where particles of one tomogram are; either part may be missing."""

    tomogram: TiltSeries
    kept: SeriesPlan | None
    out: SeriesPlan | None
    counts: tuple[int, int]
    """Of extracted particles and of those left out, also where only some are shown."""

    def in_image(self, part: SeriesPlan | None, tilt: int) -> Float:
        """Return positions (n, 2) in a tilt image."""
        return np.zeros((0, 2)) if part is None else part.image_positions_px[:, tilt]

    @property
    def told(self) -> str:
        """The counts in words."""
        return f"{self.counts[0]} extracted" + (f", {self.counts[1]} left out" if self.counts[1] else "")


def picks(data: ReportData) -> list[Picture]:
    """Draw an image of each tomogram, or of some spread evenly over the list, and one tomogram from the side."""
    places = [place for place in _places(data) if place.tomogram.images is not None]
    if not places:
        return []
    radius = data.account.settings.crop * data.account.settings.binning / 4
    chosen = [places[i] for i in even_sample(len(places), MOST_TOMOGRAMS)]
    side = _SIDE_PX if len(chosen) == 1 else _SMALL_SIDE_PX
    pictures = [_picture(f"picks-{number}", place, radius, side) for number, place in enumerate(chosen, 1)]
    return [*pictures, _side_view(max(places, key=lambda place: place.counts))]


def _places(data: ReportData) -> list[_Places]:
    """List the tomograms that have particles, or had some, in the order of their file."""
    if data.tomograms is None:
        return []
    kept, out = (
        {} if plan is None else {part.series.name: part for part in plan.series if len(part)}
        for plan in (data.plan, data.left_out_plan)
    )
    left_out = Counter(entry.tomogram for entry in data.account.left_out)
    return [
        _Places(tomogram, kept.get(name), out.get(name), (data.counts[name], left_out[name]))
        for tomogram in data.tomograms
        if (name := tomogram.name) in kept or name in out
    ]


def _picture(name: str, places: _Places, radius_px: float, side_px: int) -> Picture:
    tomogram = places.tomogram
    tilt = int(np.argmin(tomogram.tilts.dose_e_per_a2))
    angle, dose = tilt_angles_deg(tomogram)[tilt], tomogram.tilts.dose_e_per_a2[tilt]
    width, height = tomogram.image_size
    images: Any = tomogram.images
    image = shrunk(images[tilt], max(1, round(max(width, height) / side_px)))

    def draw(panels: list[Panel]) -> None:
        (panel,) = panels
        low, high = np.percentile(image, (0.5, 99.5)).tolist()
        panel.show_grey(image, low, max(high, low + 1e-6), (width, height))
        _mark(panel, places.in_image(places.kept, tilt), places.in_image(places.out, tilt), radius_px)
        panel.write(tomogram.name, top=True, size_pt=14)
        panel.scale_bar(width, tomogram.pixel_size_angstrom, size_pt=14)

    png = photo(1, side_px / 100, draw, shape=float(np.clip(height / width, 0.4, 2.0)))
    alt = f"Tilt image of {tomogram.name} with circles around its particles: {places.told}"
    caption = f"{tomogram.name}, tilt {round(float(angle)):d}°, {dose:g} e/Å² before it: {places.told}"
    return Picture(name, alt, caption, png)


def _mark(panel: Panel, kept: Float, out: Float, radius_px: float) -> None:
    """Draw circles, and crosses where particles were left out; dots where circles would hide the image."""
    if len(kept) > _CIRCLES_AT_MOST:
        _dots(panel, kept, KEPT)
    elif len(kept):
        panel.circles(kept, radius_px, KEPT, line_pt=0.9)
    if len(out) > _CROSSES_AT_MOST:
        _dots(panel, out, LEFT_OUT)
    elif len(out):
        panel.crosses(out, 3.3, LEFT_OUT, line_pt=2.0)


def _dots(panel: Panel, points: Float, colour: str) -> None:
    panel.dots(points[even_sample(len(points), _DOTS_AT_MOST)], 1.0, colour)


def _side_view(places: _Places) -> Picture:
    """Draw x and z of the particles of one tomogram: a slab, and what lies outside of it."""
    tomogram = places.tomogram
    nm = tomogram.pixel_size_angstrom / 10
    points = {}
    for caption, part in (("extracted", places.kept), ("left out", places.out)):
        if part is not None:
            chosen = part.positions_px[even_sample(len(part), _DOTS_AT_MOST)]
            points[caption] = (chosen - tomogram.centre_px)[:, ::2] * nm

    (x_low, x_high), (z_low, z_high) = (span([xz[:, i] for xz in points.values()]) for i in (0, 1))
    drawn = Chart(
        even_axis("x from the tomogram's centre, nm", x_low, x_high),
        even_axis("z from the tomogram's centre, nm", z_low, z_high),
        is_equal=True,
    )
    for caption, xz in points.items():
        if caption == "extracted":
            drawn.dots(xz[:, 0], xz[:, 1], "kept", caption)
        else:
            drawn.crosses(xz[:, 0], xz[:, 1], "out", caption)

    low, high = np.percentile(next(iter(points.values()))[:, 1], (5, 95))
    alt = f"Positions of the particles of {tomogram.name} seen along y, nine in ten within {high - low:.0f} nm of depth"
    caption = f"{tomogram.name} from the side, along y: nine in ten particles within {high - low:.0f} nm of depth."
    return chart("side-view", alt, caption, drawn)


def shrunk(image: NDArray[Any], factor: int) -> Float:
    """Average blocks of (factor, factor) pixels, dropping what fills none; what is not finite counts as 0."""
    height, width = (side // factor for side in image.shape)
    averaged: Float = np.empty((height, width))
    for row in range(height):
        # a row of blocks at a time: tilt images are large, and only one should be in memory
        strip = np.asarray(image[row * factor : (row + 1) * factor, : width * factor], np.float32)
        strip = np.nan_to_num(strip, nan=0.0, posinf=0.0, neginf=0.0).reshape(factor, width, factor)
        averaged[row] = strip.mean(axis=(0, 2), dtype=np.float64)
    return averaged
