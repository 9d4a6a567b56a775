"""Charts of an average: Fourier shell correlations and the Guinier plot."""

from __future__ import annotations

import numpy as np

from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.report.chart import Chart, even_axis, resolution_axis, span
from subtomo.report.style import Picture, chart
from subtomo.report.verdict import THRESHOLDS, resolution_words

_LINES = (
    ("corrected", "corrected", "first", 2.6, False),
    ("masked", "masked", "kept", 1.3, False),
    ("unmasked", "unmasked", "second", 1.3, False),
    ("randomised", "randomised", "third", 1.3, True),
)
"""Field, words, colour, width, and whether it is dashed."""
_EMPTY = -50.0
"""Logarithms below stand for an amplitude of zero."""
_FITTED_FROM = 1.0 / 10.0**2


def fsc_chart(curves: ResolutionCurves) -> Picture:
    """Draw the Fourier shell correlations with both thresholds and the resolutions they give."""
    stop = len(curves.frequency) - 1  # the last shell holds no data
    lowest = min(float(getattr(curves, name)[1:stop].min()) for name, *_ in _LINES)
    drawn = Chart(
        resolution_axis(float(curves.frequency[stop])),
        even_axis("Fourier shell correlation", min(-0.1, lowest - 0.05), 1.04),
    )
    for threshold in THRESHOLDS:
        found = curves.resolution_angstrom(threshold)
        drawn.level(threshold, f"{threshold:g}: {found:.1f} Å" if np.isfinite(found) else f"{threshold:g}: not reached")
    for name, words, colour, width, dashed in reversed(_LINES):
        drawn.line(curves.frequency[:stop], getattr(curves, name)[:stop], colour, words, dashed=dashed, width=width)
    drawn.legend.reverse()
    words = resolution_words(curves, 0.143)
    return chart(
        "fsc", f"Fourier shell correlation of the half maps over resolution; at 0.143: {words}",
        "Agreement of the half maps over resolution. Corrected: under the mask, without what the mask adds (phases "
        f"randomised beyond {_randomised_from(curves)}; Chen et al. 2013).", drawn,
    )  # fmt: skip


def guinier_chart(guinier: GuinierCurves) -> Picture:
    """Draw logarithmic amplitudes against the squared frequency, with the fitted line if there is one."""
    squared = guinier.frequency_squared
    shown = np.arange(len(squared)) < len(squared) - 1
    original, weighted = (
        np.where(shown & (values > _EMPTY), values, np.nan) for values in (guinier.original, guinier.weighted)
    )
    drawn = Chart(
        even_axis("frequency squared, 1/Å²", 0.0, float(squared[-1])),
        even_axis("ln (mean amplitude)", *span([original, weighted])),
    )
    drawn.line(squared, original, "kept", "merged, masked", width=1.5)
    drawn.line(squared, weighted, "first", "weighted by its FSC", width=2.4)
    caption = "Fall of the merged map's amplitude. No line is fitted: fewer than three shells lie beyond 10 Å."
    if guinier.slope_a2 is not None and guinier.intercept is not None:
        ends = np.array([_FITTED_FROM, float(squared[np.isfinite(weighted)].max())])
        drawn.line(ends, guinier.slope_a2 * ends + guinier.intercept, "third", "fit", dashed=True)
        caption = (
            f"Fall of the merged map's amplitude; the line beyond 10 Å has a B-factor of {guinier.b_factor_a2:.0f} Å²."
        )
    return chart("guinier", "Logarithm of the merged map's amplitude against the frequency squared", caption, drawn)


def _randomised_from(curves: ResolutionCurves) -> str:
    shell = curves.randomised_from
    return f"{1 / curves.frequency[shell]:.0f} Å" if 0 < shell < len(curves.frequency) else "no shell"
