"""How pictures of a report look: one colour per meaning, type, and bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image, ImageFont

from subtomo.report.chart import Chart
from subtomo.words import printable

PHOTO_DPI = 100
COLOURS = {
    "kept": ("#0072b2", "#56b4e9"),
    "out": ("#d55e00", "#f0a04b"),
    "first": ("#007f6e", "#3ccfb4"),
    "second": ("#8a4fc4", "#c39bf0"),
    "third": ("#b0446e", "#f08fb0"),
    "ink": ("#1c2530", "#e6eaef"),
    "muted": ("#5b6673", "#9aa5b1"),
    "line": ("#dde2e8", "#2d3540"),
}
"""Of charts, on light and on dark pages. Blue is a particle that was extracted, orange one that was left out, on tilt
images, too; the others are curves of something else. Told apart by colour-blind readers (after Okabe and Ito)."""
KEPT, LEFT_OUT = (dark for _, dark in (COLOURS["kept"], COLOURS["out"]))
"""Of particles on tilt images, which are grey."""
CHART_STYLE = "chart.css"
_SCALE = "cividis"
# Names of tomograms and particles may hold a dollar sign, which is no formula.
_TYPE: Any = {"text.parse_math": False, "font.size": 9.5, "axes.titlesize": 10, "font.family": "DejaVu Sans"}

_PLATE = {"facecolor": "black", "alpha": 0.55, "edgecolor": "none", "pad": 2.5}
OUTLINE = [withStroke(linewidth=2.2, foreground="black", alpha=0.75)]


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture of the page, with all that is said of it: pixels as PNG, or a chart as SVG."""

    name: str
    """Of the file, without suffix."""
    alt: str
    caption: str
    png: bytes = b""
    svg: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a PNG, pixels."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")

    @property
    def file_name(self) -> str:
        """The name with its suffix."""
        return self.name + (".svg" if self.svg else ".png")

    @property
    def content(self) -> bytes:
        """Of the file; charts get the colours with them that the page would give them."""
        return self.svg.replace(">", f">{chart_style()}", 1).encode() if self.svg else self.png

    def __repr__(self) -> str:
        """Name it, without its bytes."""
        return f"<Picture: {self.file_name}; {self.caption or self.alt}>"

    def _repr_svg_(self) -> str | None:
        """Show a chart in a notebook."""
        return self.content.decode() if self.svg else None

    def _repr_png_(self) -> bytes | None:
        """Show pixels in a notebook."""
        return self.png or None


def colour_variables(dark: int) -> str:
    """Give the colours of charts as CSS, for light (0) or dark (1) pages."""
    return "".join(f"--{name}:{pair[dark]};" for name, pair in COLOURS.items())


def chart_style() -> str:
    """Give the style of a chart that stands alone."""
    return (
        f"<style>svg{{{colour_variables(0)}font:13px system-ui,sans-serif}}"
        f"@media(prefers-color-scheme:dark){{svg{{{colour_variables(1)}}}}}{static_text(CHART_STYLE)}</style>"
    )


@cache
def static_text(name: str) -> str:
    """Read a style sheet or a script of the pages."""
    return (files("subtomo.report") / "static" / name).read_text(encoding="utf-8")


def chart(name: str, alt: str, caption: str, drawn: Chart, *, framed: bool = True) -> Picture:
    """Make a picture of a chart."""
    return Picture(name, alt, caption, svg=drawn.svg(alt, framed=framed))


def colour_map(values: NDArray[np.floating], highest: float) -> bytes:
    """Turn values (rows, columns) from zero to the highest into colours, as PNG; what is not finite is transparent."""
    finite = np.isfinite(values)
    index = np.clip(np.where(finite, values, 0) / max(highest, 1e-30) * 254, 0, 254).round().astype(np.uint8)
    image = Image.fromarray(np.where(finite, index, 255).astype(np.uint8), "P")
    palette = (255 * matplotlib.colormaps[_SCALE](np.linspace(0, 1, 255))[:, :3]).round().astype(np.uint8)
    image.putpalette(palette.tobytes() + b"\0\0\0")
    stream = io.BytesIO()
    image.save(stream, format="png", transparency=255)
    return stream.getvalue()


def colour_column() -> bytes:
    """Give the colours of `colour_map` as a column of pixels, the highest value on top, as PNG."""
    return colour_map(np.linspace(1, 0, 64)[:, None], 1.0)


@contextmanager
def _drawing() -> Iterator[None]:
    """Set the type, and be silent on names in a script that the font lacks, which show as boxes."""
    with matplotlib.rc_context(_TYPE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
    axes.text(
        *place, printable(text), transform=axes.transAxes, va=align, ha="left", color="white", size=size, bbox=_PLATE
    )


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


@cache
def label_font(size_px: int) -> ImageFont.FreeTypeFont:
    """Load the font of words in pictures."""
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size_px)


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
    weights = 255 * matplotlib.colormaps[_SCALE](np.linspace(0, 1, 64))[:, :3]
    marks = [np.linspace(dark, to_rgb(colour), 24) * 255 for colour in (KEPT, LEFT_OUT) for dark in (0.25,)]
    colours = np.concatenate([greys, weights, *marks]).round().astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(colours.tobytes())
    return image
