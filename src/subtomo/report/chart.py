"""Charts as SVG: drawn once, coloured by the page's variables, so that light and dark pages share them."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.words import visible

Float = NDArray[np.float64]

WIDTH, HEIGHT = 520, 350
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 32, 50
_LETTER = 7.8
"""Width of a letter of a legend, about."""
_MINUS = "\u2212"


@dataclass(frozen=True)
class Axis:
    """A range of numbers, its words, and where it has ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()


def even_axis(label: str, low: float, high: float, *, whole: bool = False) -> Axis:
    """Make an axis with ticks at round numbers; `whole` for what is counted."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= raw * 0.999)
    if whole:
        step = max(1.0, float(round(step)))
    values = step * np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return Axis(label, low, high, tuple((float(value), _number(float(value))) for value in values))


def resolution_axis(highest: float) -> Axis:
    """Make an axis of frequencies up to one (1/Å), with resolutions in Å at even steps."""
    ticks = np.linspace(0.0, highest, 6)
    words = ["∞", *(f"{1 / tick:.3g}" for tick in ticks[1:])]
    return Axis("resolution, Å (even steps of 1/Å)", 0.0, highest, tuple(zip(ticks.tolist(), words, strict=True)))


@dataclass
class Chart:
    """Marks over two axes. Colours are names of the page's variables, see `subtomo.report.style.COLOURS`."""

    x: Axis
    y: Axis
    is_equal: bool = False
    """Whether a unit is as long on both axes; then one of the ranges is widened."""
    marks: list[str] = field(default_factory=list)
    legend: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind of mark, colour, words."""
    margin_right: float = _RIGHT

    def __post_init__(self) -> None:
        if self.is_equal:
            self._make_equal()

    def line(
        self, x: ArrayLike, y: ArrayLike, colour: str, label: str = "", *, dashed: bool = False, width: float = 2.0
    ) -> None:
        """Draw a line through points (n,); it is broken where a value is not finite."""
        self.marks.append(_path(self._broken(x, y), colour, width, dashed=dashed))
        self._explain("dashed" if dashed else "line", colour, label)

    def dots(self, x: ArrayLike, y: ArrayLike, colour: str, label: str = "", *, size: float = 4.5) -> None:
        """Draw a dot at every point (n,)."""
        places = "".join(f"M{px} {py}h0" for px, py in self._places(x, y))
        style = f"stroke:var(--{colour});stroke-width:{size:g};stroke-linecap:round;opacity:.75"
        self.marks.append(f'<path d="{places}" style="{style}"/>')
        self._explain("dot", colour, label)

    def crosses(self, x: ArrayLike, y: ArrayLike, colour: str, label: str = "") -> None:
        """Draw a cross at every point (n,)."""
        places = "".join(f"M{px} {py}m-3-3 6 6m-6 0 6-6" for px, py in self._places(x, y))
        self.marks.append(_path(places, colour, 1.6))
        self._explain("cross", colour, label)

    def area(self, x: ArrayLike, y: ArrayLike, colour: str) -> None:
        """Fill what lies between a curve (n,) and zero."""
        along, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
        outline = self._broken(np.r_[along[0], along, along[-1]], np.r_[0.0, up, 0.0])
        self.marks.append(f'<path d="{outline}z" style="fill:var(--{colour});opacity:.2"/>')

    def bars(self, left: ArrayLike, right: ArrayLike, tops: ArrayLike, colour: str, label: str = "") -> None:
        """Draw bars (n,) that stand on zero."""
        self.stacked_bars(left, right, np.zeros(np.shape(tops)), tops, colour, label)

    def stacked_bars(
        self, left: ArrayLike, right: ArrayLike, feet: ArrayLike, tops: ArrayLike, colour: str, label: str = ""
    ) -> None:
        """Draw bars (n,) between two heights."""
        corners = zip(self._places(left, tops), self._places(right, feet), strict=True)
        shapes = "".join(f"M{x0} {y0}H{x1}V{y1}H{x0}z" for (x0, y0), (x1, y1) in corners if y0 != y1)
        self.marks.append(f'<path d="{shapes}" style="fill:var(--{colour})"/>')
        self._explain("bar", colour, label)

    def level(self, y: float, words: str) -> None:
        """Draw a dotted line at a height, with words at its right end."""
        (_, py), _ = self._places([self.x.low, self.x.high], [y, y])
        right = WIDTH - self.margin_right
        self.marks.append(_path(f"M{_LEFT} {py}H{right}", "muted", 1.0, dashed=True))
        self.marks.append(f'<text class="s" x="{right - 5}" y="{py - 5:g}" text-anchor="end">{escape(words)}</text>')

    def words(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """Write into the chart."""
        px, py = self._places([x], [y])[0]
        self.marks.append(f'<text class="s" x="{px}" y="{py}" text-anchor="{anchor}">{escape(text)}</text>')

    def image(self, png: bytes, extent: tuple[float, float, float, float]) -> None:
        """Lay an image over left, right, bottom and top in units of the axes."""
        (x0, y1), (x1, y0) = self._places(extent[:2], extent[2:])
        data = base64.b64encode(png).decode("ascii")
        self.marks.append(
            f'<image x="{x0}" y="{y0}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
        )

    def colour_bar(self, png: bytes, label: str, ends: tuple[str, str]) -> None:
        """Put a column of colours (rows of an image, the highest value on top) beside the chart."""
        self.margin_right = max(self.margin_right, 74)
        x, data = WIDTH - 56, base64.b64encode(png).decode("ascii")
        middle = (_TOP + HEIGHT - _BOTTOM) / 2
        self.legend.append(
            ("raw", "", (
                f'<image x="{x}" y="{_TOP}" width="13" height="{HEIGHT - _TOP - _BOTTOM}" preserveAspectRatio="none" '
                f'href="data:image/png;base64,{data}"/><text class="s" x="{x + 18}" y="{_TOP + 9}">{escape(ends[1])}'
                f'</text><text class="s" x="{x + 18}" y="{HEIGHT - _BOTTOM}">{escape(ends[0])}</text>'
                f'<text x="{x + 32}" y="{middle}" text-anchor="middle" transform="rotate(-90 {x + 32} {middle})">'
                f'{escape(label)}</text>'
            ))
        )  # fmt: skip

    def svg(self, alt: str, *, framed: bool = True) -> str:
        """Write the chart; `framed` with axes."""
        marks = "".join(self.marks)
        if framed:  # an inner picture cuts off what leaves the axes
            wide, tall = WIDTH - _LEFT - self.margin_right, HEIGHT - _TOP - _BOTTOM
            place = f'x="{_LEFT}" y="{_TOP}" width="{wide}" height="{tall}" viewBox="{_LEFT} {_TOP} {wide} {tall}"'
            marks = f"<svg {place}>{marks}</svg>"
        parts = [*(self._axes() if framed else ()), marks, *self._legend()]
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        return f'{head} aria-label="{escape(alt)}">{"".join(parts)}</svg>'

    def _explain(self, kind: str, colour: str, label: str) -> None:
        if label:
            self.legend.append((kind, colour, label))

    def _places(self, x: ArrayLike, y: ArrayLike) -> list[tuple[float, float]]:
        """Turn numbers of the axes into places in the picture, to a tenth of a pixel."""
        across = (np.asarray(x, np.float64) - self.x.low) / (self.x.high - self.x.low)
        up = (np.asarray(y, np.float64) - self.y.low) / (self.y.high - self.y.low)
        px = _LEFT + np.clip(across, -1, 2) * (WIDTH - _LEFT - self.margin_right)
        py = HEIGHT - _BOTTOM - np.clip(up, -1, 2) * (HEIGHT - _TOP - _BOTTOM)
        return list(zip(px.round(1).tolist(), py.round(1).tolist(), strict=True))

    def _broken(self, x: ArrayLike, y: ArrayLike) -> str:
        places, whole = self._places(x, y), np.isfinite(np.asarray(y, np.float64))
        words, is_down = [], False
        for (px, py), good in zip(places, whole, strict=True):
            if good:
                words.append(f"{'L' if is_down else 'M'}{px} {py}")
            is_down = bool(good)
        return "".join(words)

    def _axes(self) -> list[str]:
        left, right, bottom = _LEFT, WIDTH - self.margin_right, HEIGHT - _BOTTOM
        parts = []
        for value, words in self.x.ticks:
            px = self._places([value], [self.y.low])[0][0]
            parts.append(f'<path class="g" d="M{px} {_TOP}V{bottom}"/>')
            side = "end" if px + 3.2 * len(words) > WIDTH - 2 else "middle"
            place = WIDTH - 2 if side == "end" else px
            parts.append(f'<text class="s" x="{place}" y="{bottom + 17}" text-anchor="{side}">{escape(words)}</text>')
        for value, words in self.y.ticks:
            py = self._places([self.x.low], [value])[0][1]
            parts.append(f'<path class="g" d="M{left} {py}H{right}"/>')
            parts.append(f'<text class="s" x="{left - 7}" y="{py + 4:g}" text-anchor="end">{escape(words)}</text>')
        parts.append(f'<path class="a" d="M{left} {_TOP}V{bottom}H{right}"/>')
        middle, height = (left + right) / 2, (_TOP + bottom) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(self.x.label)}</text>')
        turned = f'text-anchor="middle" transform="rotate(-90 14 {height})"'
        return [*parts, f'<text x="14" y="{height}" {turned}>{escape(self.y.label)}</text>']

    def _legend(self) -> list[str]:
        """Explain the marks in a row above the chart."""
        parts, x = [], float(_LEFT)
        for kind, colour, label in self.legend:
            if kind == "raw":
                parts.append(label)
                continue
            parts.append(_sample(kind, colour, x))
            parts.append(f'<text class="s" x="{x + 22:g}" y="17">{escape(label)}</text>')
            x += 34 + _LETTER * len(label)
        return parts

    def _make_equal(self) -> None:
        wide, tall = WIDTH - _LEFT - self.margin_right, HEIGHT - _TOP - _BOTTOM
        unit = max((self.x.high - self.x.low) / wide, (self.y.high - self.y.low) / tall)
        for name, length in (("x", wide), ("y", tall)):
            axis: Axis = getattr(self, name)
            middle, half = (axis.low + axis.high) / 2, unit * length / 2
            setattr(self, name, even_axis(axis.label, middle - half, middle + half))


def span(values: Sequence[ArrayLike], *, margin: float = 0.05) -> tuple[float, float]:
    """Give lowest and highest of several arrays, a little widened."""
    joined = np.concatenate([np.asarray(part, np.float64).ravel() for part in values])
    joined = joined[np.isfinite(joined)]
    low, high = (float(joined.min()), float(joined.max())) if joined.size else (0.0, 1.0)
    wider = margin * ((high - low) or abs(high) or 1.0)
    return low - wider, high + wider


def _path(shape: str, colour: str, width: float, *, dashed: bool = False) -> str:
    dash = ";stroke-dasharray:6 4" if dashed else ""
    style = f"fill:none;stroke:var(--{colour});stroke-width:{width:g};stroke-linejoin:round{dash}"
    return f'<path d="{shape}" style="{style}"/>'


def _sample(kind: str, colour: str, x: float) -> str:
    """Draw a mark for the legend."""
    if kind == "bar":
        return f'<rect x="{x + 4:g}" y="8" width="11" height="11" style="fill:var(--{colour})"/>'
    if kind == "dot":
        return f'<circle cx="{x + 9:g}" cy="13" r="3.5" style="fill:var(--{colour})"/>'
    if kind == "cross":
        return _path(f"M{x + 5:g} 9l8 8m-8 0 8-8", colour, 1.8)
    return _path(f"M{x:g} 13h18", colour, 2.2, dashed=kind == "dashed")


def _number(value: float) -> str:
    text = f"{value:,.10g}".replace(",", "\u202f")
    return text.replace("-", _MINUS)


def escape(text: str) -> str:
    """Give a text as it stands in SVG, with what is invisible by its codes."""
    return html.escape(visible(text))
