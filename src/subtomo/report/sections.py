"""Pictures of volumes: central sections and maximum projections with a scale bar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Volume = NDArray[np.floating]

_VIEWS = ("section x y", "section x z", "section y z", "maximum along z")
_NICE_LENGTHS_ANGSTROM = (10, 20, 50, 100, 200, 500, 1000, 2000)
_PANEL_INCHES = 2.3


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
