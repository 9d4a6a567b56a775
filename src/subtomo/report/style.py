"""How pictures of a report look: one colour per meaning, type, and bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from subtomo.report.chart import Chart
from subtomo.report.cividis import cividis

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
    image.putpalette(cividis(np.linspace(0, 1, 255)).tobytes() + b"\0\0\0")
    stream = io.BytesIO()
    image.save(stream, format="png", transparency=255)
    return stream.getvalue()


def colour_column() -> bytes:
    """Give the colours of `colour_map` as a column of pixels, the highest value on top, as PNG."""
    return colour_map(np.linspace(1, 0, 64)[:, None], 1.0)


@cache
def label_font(size_px: int) -> ImageFont.FreeTypeFont:
    """Load the font of words in pictures."""
    found = find_spec("matplotlib")  # has the font, but is not needed, and takes long to import
    folders = [] if found is None else list(found.submodule_search_locations or [])
    if not folders:
        raise ImportError("matplotlib is not installed")
    return ImageFont.truetype(f"{folders[0]}/mpl-data/fonts/ttf/DejaVuSans.ttf", size_px)
