"""Pictures of volumes: central sections and maximum projections with a scale bar."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from subtomo.report.style import Picture, label_font

Volume = NDArray[np.floating]

_VIEWS = ("section x y", "section x z", "section y z", "maximum along z")
_NICE_LENGTHS_ANGSTROM = (10, 20, 50, 100, 200, 500, 1000, 2000)
_PANEL_INCHES = 2.3
_PANEL_PX, _GAP_PX = 240, 3


def draw_volumes(path: str | Path, volumes: Mapping[str, Volume], pixel_size_angstrom: float, title: str) -> None:
    """Draw three central sections and a maximum projection of each volume, one row per volume, as PNG.

    Args:
        path: The PNG file.
        volumes: Caption to (c, c, c) volume with its centre at ``c // 2``; density is drawn white on black.
        pixel_size_angstrom: Of all volumes.
        title: Above all rows.
    """
    n_rows = len(volumes)
    figure = Figure(figsize=(4 * _PANEL_INCHES + 0.5, n_rows * _PANEL_INCHES + 0.7), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(n_rows, 4, squeeze=False)
    for row, (caption, volume) in enumerate(volumes.items()):
        for column, (view, image) in enumerate(zip(_VIEWS, _views(volume), strict=True)):
            panel = axes[row, column]
            _draw(panel, image, of_maxima=column == 3)
            if row == 0:
                panel.set_title(view, fontsize=9)
            if column == 0:
                panel.set_ylabel(caption, fontsize=9)
        _scale_bar(axes[row, 3], volume.shape[-1], pixel_size_angstrom)
    figure.savefig(path, metadata={"Software": None})


def section_picture(name: str, volumes: Mapping[str, Volume], pixel_size_angstrom: float) -> Picture:
    """Draw three central sections and a maximum projection of each volume (c, c, c), one row per volume, for a page."""
    columns = [[_grey(image, of_maxima=column == 3) for column, image in enumerate(_views(volume))]
               for volume in volumes.values()]  # fmt: skip
    side = max(_PANEL_PX, len(next(iter(volumes.values()))))
    sheet = Image.new("L", (4 * side + 3 * _GAP_PX, len(columns) * (side + _GAP_PX) - _GAP_PX))
    pen, font = ImageDraw.Draw(sheet), label_font(side // 15)
    for row, images in enumerate(columns):
        for column, image in enumerate(images):
            corner = column * (side + _GAP_PX), row * (side + _GAP_PX)
            panel = Image.fromarray(image[::-1]).resize((side, side), Image.Resampling.BICUBIC)
            sheet.paste(panel, corner)
            if row == 0:
                _write(pen, font, (corner[0] + 5, corner[1] + side - 6), _VIEWS[column], "lb")
        _write(pen, font, (5, row * (side + _GAP_PX) + 5), list(volumes)[row], "lt")
    extent = len(next(iter(volumes.values()))) * pixel_size_angstrom
    length = max((nice for nice in _NICE_LENGTHS_ANGSTROM if nice <= extent / 3), default=extent / 3)
    right, bottom = sheet.width - 10, sheet.height - 10
    pen.line((right - length / extent * side, bottom, right, bottom), fill=255, width=4)
    _write(pen, font, (right, bottom - 6), f"{length:g} Å", "rb")
    stream = io.BytesIO()
    sheet.save(stream, format="png")
    alt = f"Central sections and maximum along z of {', '.join(volumes)}; the bar is {length:g} Å long"
    caption = f"Rows: {'; '.join(volumes)}. Columns: {', '.join(_VIEWS)}. The bar is {length:g} Å long."
    return Picture(name, alt, caption, png=stream.getvalue())


def _grey(image: Volume, *, of_maxima: bool) -> NDArray[np.uint8]:
    """Turn an image (rows, columns) into greys with its own contrast."""
    low, high = np.percentile(image, (20.0 if of_maxima else 1.0, 99.8))
    return np.asarray(255 * np.clip((image - low) / max(high - low, 1e-12), 0, 1), np.uint8)


def _write(pen: ImageDraw.ImageDraw, font: Any, place: tuple[float, float], words: str, anchor: str) -> None:
    """Write on a dark plate, to be read over any grey."""
    left, top, right, bottom = pen.textbbox(place, words, font=font, anchor=anchor)
    pen.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=20)
    pen.text(place, words, fill=255, font=font, anchor=anchor)


def _views(volume: Volume) -> tuple[Volume, Volume, Volume, Volume]:
    middle = volume.shape[0] // 2
    return volume[middle], volume[:, middle], volume[:, :, middle], volume.max(axis=0)


def _draw(panel: Any, image: Volume, *, of_maxima: bool) -> None:
    """Show an image with its own contrast; sections keep negative values, projections only what is bright."""
    low, high = np.percentile(image, (20.0 if of_maxima else 1.0, 99.8))
    panel.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), origin="lower", interpolation="bicubic")
    panel.set_xticks([])
    panel.set_yticks([])


def _scale_bar(panel: Any, size_px: int, pixel_size_angstrom: float) -> None:
    extent = size_px * pixel_size_angstrom
    length = max((nice for nice in _NICE_LENGTHS_ANGSTROM if nice <= extent / 3), default=extent / 3)
    right, bottom = 0.94 * size_px, 0.08 * size_px
    panel.plot([right - length / pixel_size_angstrom, right], [bottom, bottom], color="white", linewidth=3)
    panel.text(right, bottom + 0.03 * size_px, f"{length:g} Å", color="white", ha="right", va="bottom", fontsize=9)
