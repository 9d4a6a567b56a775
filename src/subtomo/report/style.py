"""How pictures of a report look: colours for light and dark pages, type, and PNG bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from PIL import Image

CHART_INCHES = (5.2, 3.5)
CHART_DPI = 120
PHOTO_DPI = 100
KEPT, LEFT_OUT = "#ffc20a", "#4fc3ff"
"""Of particles on tilt images: told apart by colour-blind readers, and by their shapes."""
_MARGINS = (0.125, 0.155, 0.975, 0.965)
"""Left, bottom, right and top of charts; searching for tight ones would take half of the time."""
# Names of tomograms and particles may hold a dollar sign, which is no formula.
_TYPE: Any = {"text.parse_math": False, "font.size": 9.5, "axes.titlesize": 10, "font.family": "DejaVu Sans"}


@dataclass(frozen=True)
class Theme:
    """The colours of charts on a page; first to third are told apart by colour-blind readers (Okabe and Ito)."""

    face: str
    ink: str
    muted: str
    grid: str
    first: str
    second: str
    third: str


LIGHT = Theme("#ffffff", "#1c2530", "#5b6673", "#e3e7ec", "#0072b2", "#d55e00", "#009e73")
DARK = Theme("#171c23", "#e6eaef", "#9aa5b1", "#2d3540", "#56b4e9", "#f0a04b", "#2cc29a")
_PLATE = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 2.5}
OUTLINE = [withStroke(linewidth=2.2, foreground="black", alpha=0.75)]


@dataclass(frozen=True)
class Picture:
    """A picture of the page, with all that is said of it."""

    name: str
    """Of the PNG file, without suffix."""
    alt: str
    caption: str
    light: bytes
    dark: bytes | None = None
    """PNG for dark pages; None if the light one serves both."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return int.from_bytes(self.light[16:20], "big"), int.from_bytes(self.light[20:24], "big")


def chart(name: str, alt: str, caption: str, draw: Callable[[Any, Theme], None]) -> Picture:
    """Draw a chart for light and dark pages: `draw` gets axes and theme."""
    return Picture(name, alt, caption, _chart(draw, LIGHT), _chart(draw, DARK))


def _chart(draw: Callable[[Any, Theme], None], theme: Theme) -> bytes:
    with _drawing():
        figure = Figure(figsize=CHART_INCHES, dpi=CHART_DPI, facecolor=theme.face)
        canvas = FigureCanvasAgg(figure)
        axes: Any = figure.subplots()
        figure.subplots_adjust(*_MARGINS)
        axes.set_facecolor(theme.face)
        axes.set_axisbelow(True)
        draw(axes, theme)
        for each in figure.axes:
            _colour_axes(each, theme)
        return _png(canvas)


@contextmanager
def _drawing() -> Iterator[None]:
    """Set the fonts; glyphs that they lack show as boxes, without a warning."""
    with matplotlib.rc_context(_TYPE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _colour_axes(axes: Any, theme: Theme) -> None:
    """Put ink on whatever text and lines the axes have."""
    axes.tick_params(colors=theme.muted, labelcolor=theme.ink, labelsize=8.5, length=3)
    for spine in axes.spines.values():
        spine.set_color(theme.muted)
        spine.set_linewidth(0.7)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts):
        text.set_color(theme.ink)
    legend = axes.get_legend()
    if legend is not None:
        legend.get_frame().set(facecolor=theme.face, edgecolor="none", alpha=0.85)
        for text in legend.get_texts():
            text.set_color(theme.ink)


def quiet_frame(axes: Any, theme: Theme) -> None:
    """Keep only the sides of the frame that carry numbers, over a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color=theme.grid, linewidth=0.8)


def whole_numbers(*axis: Any) -> None:
    """Put ticks at whole numbers only, for what is counted."""
    for each in axis:
        each.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def photo(panels: int, inches: float, draw: Callable[[list[Any]], None], *, shape: float = 1.0) -> bytes:
    """Draw images that fill their panels, with writing inside them, for pages of any colour.

    Args:
        panels: 1, or 4 in two rows.
        inches: Width of a panel.
        draw: Gets the axes of all panels.
        shape: Height against width.
    """
    side = 1 if panels == 1 else 2
    with _drawing():
        figure = Figure(figsize=(side * inches, side * inches * shape), dpi=PHOTO_DPI, facecolor="black")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots(side, side, squeeze=False, gridspec_kw={"wspace": 0.015, "hspace": 0.015})
        figure.subplots_adjust(0, 0, 1, 1)
        shown = [panel for row in axes for panel in row]
        for panel in shown:
            panel.set_axis_off()
        draw(shown)
        return _png(canvas, _photo_palette())


def write_inside(axes: Any, text: str, *, top: bool = False, size: float = 12.0) -> None:
    """Write into a corner of an image, on a dark plate to be read over any grey."""
    place, align = ((0.02, 0.98), "top") if top else ((0.02, 0.02), "bottom")
    axes.text(*place, text, transform=axes.transAxes, va=align, ha="left", color="white", size=size, bbox=_PLATE)


def scale_bar(axes: Any, width_px: float, pixel_size_angstrom: float, *, size: float = 12.0) -> None:
    """Draw a bar of a round length into the lower right corner of an image."""
    extent = width_px * pixel_size_angstrom
    lengths = [step * 10**power for power in range(6) for step in (1, 2, 5)]
    length = max((nice for nice in lengths if nice <= extent / 3.5), default=1)
    share = length / extent
    text = f"{length / 10:g} nm" if length >= 100 else f"{length:g} Å"
    axes.text(
        0.98 - share / 2, 0.055, text, transform=axes.transAxes, va="bottom", ha="center", color="white", size=size,
        bbox=_PLATE,
    )  # fmt: skip
    axes.plot([0.98 - share, 0.98], [0.03, 0.03], transform=axes.transAxes, color="white", lw=3.0, path_effects=OUTLINE)


def _png(canvas: Any, palette: Image.Image | None = None) -> bytes:
    """Render a figure as PNG with at most 256 colours, which is a third of the bytes."""
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = image.quantize(256, palette=palette, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    few.save(stream, format="png", compress_level=6)
    return stream.getvalue()


@cache
def _photo_palette() -> Image.Image:
    """Share 256 colours among greys, weights and marks: if the image chose them, greys would be tinted."""
    greys = np.repeat(np.linspace(0, 255, 144).round()[:, None], 3, axis=1)
    weights = 255 * matplotlib.colormaps["cividis"](np.linspace(0, 1, 64))[:, :3]
    marks = [np.linspace(dark, to_rgb(colour), 24) * 255 for colour in (KEPT, LEFT_OUT) for dark in (0.25,)]
    colours = np.concatenate([greys, weights, *marks]).round().astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(colours.tobytes())
    return image
