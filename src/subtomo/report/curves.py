"""Pictures of resolution curves and Guinier plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from subtomo.io.atomic import atomic_write
from subtomo.model.resolution import GuinierCurves, ResolutionCurves

Float = NDArray[np.float64]

THRESHOLDS = (0.5, 0.143)
_FIGURE_INCHES = (6.4, 4.2)
_LINES = (
    ("corrected", "masked, corrected", "#0b3c7d", "-", 2.2),
    ("masked", "masked", "#3d8fd1", "-", 1.1),
    ("unmasked", "without mask", "#2e8b57", "-", 1.1),
    ("randomised", "masked, phases randomised", "#c0392b", "--", 1.1),
)
"""Field, caption, colour, style and width of each curve."""


def draw_fsc(path: str | Path, curves: ResolutionCurves, title: str) -> None:
    """Draw the Fourier shell correlations with both thresholds and the resolutions they give, as PNG."""
    figure, axes = _figure(title)
    stop = len(curves.frequency) - 1  # the last shell holds no data
    for name, caption, colour, style, width in _LINES:
        values = getattr(curves, name)[:stop]
        axes.plot(curves.frequency[:stop], values, style, color=colour, linewidth=width, label=caption)
    right = float(curves.frequency[stop])
    for threshold in THRESHOLDS:
        axes.axhline(threshold, color="0.55", linewidth=0.8, linestyle=":")
        found = curves.resolution_angstrom(threshold)
        text = f"{threshold:g}: {found:.1f} Å" if np.isfinite(found) else f"{threshold:g}: below at once"
        axes.annotate(text, (right, threshold), (-3, 3), textcoords="offset points", ha="right", fontsize=8)
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    axes.set_xlim(0.0, right)
    lowest = min(float(getattr(curves, name)[1:stop].min()) for name, *_ in _LINES)
    axes.set_ylim(min(-0.1, lowest - 0.05), 1.05)
    _label_resolutions(axes, right)
    axes.set_ylabel("Fourier shell correlation")
    axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    _save(figure, path)


def draw_guinier(path: str | Path, guinier: GuinierCurves, title: str) -> None:
    """Draw logarithmic amplitudes against the squared frequency, with the fitted line if there is one, as PNG."""
    figure, axes = _figure(title)
    squared = guinier.frequency_squared
    shown = np.arange(len(squared)) < len(squared) - 1
    lines = (
        (guinier.original, "merged map, masked", "#3d8fd1"),
        (guinier.weighted, "the same, weighted by its FSC", "#0b3c7d"),
    )
    for values, caption, colour in lines:
        chosen = shown & (values > -50.0)
        axes.plot(squared[chosen], values[chosen], "o-", color=colour, markersize=3, linewidth=1.1, label=caption)
    if guinier.slope_a2 is not None and guinier.intercept is not None:
        ends = np.array([1.0 / 10.0**2, squared[shown & (guinier.weighted > -50.0)].max()])
        caption = f"line beyond 10 Å: B-factor {guinier.b_factor_a2:.0f} Å²"
        axes.plot(ends, guinier.slope_a2 * ends + guinier.intercept, "--", color="#c0392b", label=caption)
    axes.set_xlim(0.0, float(squared[-1]))
    axes.set_xlabel("frequency squared, 1/Å²")
    axes.set_ylabel("ln (mean amplitude)")
    axes.legend(loc="best", fontsize=8, framealpha=0.9)
    _save(figure, path)


def _figure(title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=_FIGURE_INCHES, layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    axes.grid(visible=True, color="0.92")
    return figure, axes


def _label_resolutions(axes: Any, right: float) -> None:
    """Write resolutions in Å at the ticks of the frequency axis."""
    ticks = np.linspace(0.0, right, 7)
    axes.set_xticks(ticks, ["∞", *(f"{1.0 / tick:.3g}" for tick in ticks[1:])])
    axes.set_xlabel("resolution, Å (even steps of 1/Å)")


def _save(figure: Figure, path: str | Path) -> None:
    with atomic_write(path) as stream:
        figure.savefig(stream, format="png", metadata={"Software": None})
