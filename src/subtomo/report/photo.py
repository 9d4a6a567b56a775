"""Images that fill their panels, with marks and writing inside them, for pages of any colour."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from subtomo.report.cividis import cividis
from subtomo.report.style import KEPT, LEFT_OUT, label_font
from subtomo.words import printable

PHOTO_DPI = 100
Float = NDArray[np.float64]

_FINE = 3
"""Marks are drawn so many times as large, and shrunk, which makes their edges smooth."""
_GAP = 0.015
"""Between panels, of their width."""
_MARGIN, _BAR_HEIGHT, _ABOVE_BAR = 0.02, 0.03, 0.055
"""Of writing and bar from the edges of the image, of its sides."""
_PLATE_ALPHA, _PLATE_PAD_PT = 0.55, 2.5
_OUTLINE_ALPHA, _OUTLINE_PT = 0.75, 2.2
_MARK_ALPHA = 0.9

_Pen = Callable[[ImageDraw.ImageDraw, float], None]
"""Draws marks, given the pen and a width that is added to lines, in pixels of the large drawing."""


class Panel:
    """A part of a photo that shows one image."""

    def __init__(self, width_px: int, height_px: int) -> None:
        """Begin with black."""
        self.image = Image.new("RGB", (width_px, height_px))
        self._extent = (1, 1)

    def show_grey(self, values: NDArray[Any], low: float, high: float, extent: tuple[int, int] | None = None) -> None:
        """Show values (rows, columns), the first row at the bottom, from black (low) to white (high), smoothly.

        Args:
            values: Finite.
            low: Black.
            high: White; above low.
            extent: Width and height in the units of marks; by default columns and rows.
        """
        self._extent = extent or (values.shape[1], values.shape[0])
        grey = ((np.asarray(values, np.float64) - low) * (255.0 / (high - low))).astype(np.float32)[::-1]
        large = Image.fromarray(np.ascontiguousarray(grey)).resize(self.image.size, Image.Resampling.BICUBIC)
        self.image.paste(Image.fromarray(np.clip(np.asarray(large), 0, 255).round().astype(np.uint8)))

    def show_weights(self, values: NDArray[Any], highest: float) -> None:
        """Show values (rows, columns), the first row at the bottom, from zero to the highest in colours, as squares."""
        self._extent = (values.shape[1], values.shape[0])
        colours = cividis(np.clip(values / highest, 0, 1)[::-1])
        self.image.paste(Image.fromarray(colours).resize(self.image.size, Image.Resampling.NEAREST))

    def circles(self, points: Float, radius: float, colour: str, *, line_pt: float) -> None:
        """Draw circles around points (n, 2), x and y in the units of the extent, as their radius."""
        wide, high = (radius * side for side in self._scale())
        self._rings(points, (wide, high), colour, line_pt)

    def rings(self, points: Float, radius_pt: float, colour: str, *, line_pt: float) -> None:
        """Draw circles of one size on the page around points (n, 2)."""
        self._rings(points, (_pixels(radius_pt), _pixels(radius_pt)), colour, line_pt)

    def crosses(
        self,
        points: Float,
        half_pt: float,
        colour: str,
        *,
        line_pt: float,
        upright: bool = False,
        outlined: bool = True,
    ) -> None:
        """Draw crosses at points (n, 2): lying ones, as ×, or upright ones, as +."""
        half = _pixels(half_pt) * _FINE
        arms = ((half, 0), (0, half)) if upright else ((half, half), (half, -half))

        def draw(pen: ImageDraw.ImageDraw, more: float) -> None:
            for x, y in self._places(points):
                for right, up in arms:
                    pen.line((x - right, y - up, x + right, y + up), 255, round(_pixels(line_pt) * _FINE + more))

        self._mark(draw, colour, 1.0, outlined=outlined)

    def dots(self, points: Float, radius_pt: float, colour: str) -> None:
        """Draw dots at points (n, 2)."""
        radius = _pixels(radius_pt) * _FINE

        def draw(pen: ImageDraw.ImageDraw, more: float) -> None:
            for x, y in self._places(points):
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

        self._mark(draw, colour, 0.8, outlined=False)

    def write(self, text: str, *, top: bool = False, size_pt: float = 12.0) -> None:
        """Write into a corner on the left, on a dark plate to be read over any grey."""
        width, height = self.image.size
        place = (_MARGIN * width, (_MARGIN if top else 1 - _MARGIN) * height)
        self._write(text, place, "la" if top else "ld", size_pt)

    def scale_bar(self, width_px: float, pixel_size_angstrom: float, *, size_pt: float = 12.0) -> None:
        """Draw a bar of a round length into the lower right corner of an image."""
        extent = width_px * pixel_size_angstrom
        lengths = [step * 10**power for power in range(6) for step in (1, 2, 5)]
        length = max((nice for nice in lengths if nice <= extent / 3.5), default=1)
        share = length / extent
        text = f"{length / 10:g} nm" if length >= 100 else f"{length:g} Å"
        width, height = self.image.size
        right = 1 - _MARGIN
        self._write(text, ((right - share / 2) * width, (1 - _ABOVE_BAR) * height), "md", size_pt)
        y = (1 - _BAR_HEIGHT) * height * _FINE

        def draw(pen: ImageDraw.ImageDraw, more: float) -> None:
            ends = ((right - share) * width * _FINE - more / 2, right * width * _FINE + more / 2)
            pen.line((ends[0], y, ends[1], y), 255, round(_pixels(3.0) * _FINE + more))

        self._mark(draw, "white", 1.0, outlined=True)

    def _write(self, text: str, place: tuple[float, float], anchor: str, size_pt: float) -> None:
        pen, font = ImageDraw.Draw(self.image), label_font(round(_pixels(size_pt)))
        words, pad = printable(text), _pixels(_PLATE_PAD_PT)
        left, top, right, bottom = pen.textbbox(place, words, font=font, anchor=anchor)
        corner, end = (round(left - pad), round(top - pad)), (round(right + pad), round(bottom + pad))
        plate = Image.new("L", (end[0] - corner[0], end[1] - corner[1]), round(255 * _PLATE_ALPHA))
        self.image.paste((0, 0, 0), (*corner, *end), plate)
        pen.text(place, words, fill="white", font=font, anchor=anchor)

    def _rings(self, points: Float, radii_px: Sequence[float], colour: str, line_pt: float) -> None:
        wide, high = (radius * _FINE for radius in radii_px)

        def draw(pen: ImageDraw.ImageDraw, more: float) -> None:
            line = max(1, round(_pixels(line_pt) * _FINE))
            for x, y in self._places(points):
                pen.ellipse((x - wide, y - high, x + wide, y + high), outline=255, width=line)

        self._mark(draw, colour, _MARK_ALPHA, outlined=False)

    def _mark(self, draw: _Pen, colour: str, alpha: float, *, outlined: bool) -> None:
        if outlined:
            self._paste(draw, _pixels(_OUTLINE_PT) * _FINE, "black", _OUTLINE_ALPHA)
        self._paste(draw, 0.0, colour, alpha)

    def _paste(self, draw: _Pen, more: float, colour: str, alpha: float) -> None:
        large = Image.new("L", (self.image.width * _FINE, self.image.height * _FINE))
        draw(ImageDraw.Draw(large), more)
        self.image.paste(ImageColor.getrgb(colour), mask=large.reduce(_FINE).point(lambda value: value * alpha))

    def _scale(self) -> tuple[float, float]:
        """Pixels of the panel per unit of the extent."""
        return self.image.width / self._extent[0], self.image.height / self._extent[1]

    def _places(self, points: Float) -> list[tuple[float, float]]:
        """Turn points (n, 2) into places in the large drawing."""
        right, up = self._scale()
        places = np.stack([(points[:, 0] + 0.5) * right, (self._extent[1] - 0.5 - points[:, 1]) * up], axis=1)
        return [(x, y) for x, y in (places * _FINE).tolist()]


def photo(panels: int, inches: float, draw: Callable[[list[Panel]], None], *, shape: float = 1.0) -> bytes:
    """Draw images that fill their panels, as PNG.

    Args:
        panels: 1, or 4 in two rows.
        inches: Width of a panel.
        draw: Draws into all panels.
        shape: Height against width.
    """
    side = 1 if panels == 1 else 2
    width, height = (round(side * inches * PHOTO_DPI * factor) for factor in (1.0, shape))
    gap = round(_GAP * width / side) if side > 1 else 0
    panel_size = (width - (side - 1) * gap) // side, (height - (side - 1) * gap) // side
    shown = [Panel(*panel_size) for _ in range(side * side)]
    draw(shown)
    sheet = Image.new("RGB", (width, height))
    for place, panel in enumerate(shown):
        row, column = divmod(place, side)
        sheet.paste(panel.image, (column * (panel_size[0] + gap), row * (panel_size[1] + gap)))
    return _png(sheet)


def _pixels(points: float) -> float:
    return points * PHOTO_DPI / 72


def _png(image: Image.Image) -> bytes:
    """Write a PNG with at most 256 colours, which is a third of the bytes."""
    few = image.quantize(256, palette=_palette(), dither=Image.Dither.NONE)
    stream = io.BytesIO()
    few.save(stream, format="png", compress_level=6)
    return stream.getvalue()


@cache
def _palette() -> Image.Image:
    """Share 256 colours among greys, weights and marks: if the image chose them, greys would be tinted."""
    greys = np.repeat(np.linspace(0, 255, 144).round()[:, None], 3, axis=1)
    weights = cividis(np.linspace(0, 1, 64))
    marks = [np.linspace(64, ImageColor.getrgb(colour), 24) for colour in (KEPT, LEFT_OUT)]
    colours = np.concatenate([greys, weights, *marks]).round().astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(colours.tobytes())
    return image
