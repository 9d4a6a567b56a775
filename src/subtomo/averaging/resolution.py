"""Measure what two half maps tell: resolution curves, Guinier curves, and the merged map as it should be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.model.resolution import GuinierCurves, ResolutionCurves
from subtomo.physics.fsc import (
    filter_shells,
    first_shell_below,
    merged_weight,
    randomise_phases,
    shell_correlation,
    true_correlation,
)
from subtomo.physics.guinier import fit_line, log_amplitude, log_or_empty

Real = NDArray[np.floating]

RANDOMISE_BELOW = 0.8
"""Phases are randomised from where the unmasked curve first falls below this."""
GUINIER_FROM_ANGSTROM = 10.0
"""Lines are fitted beyond this resolution."""
_THRESHOLD = 0.143


def compare_halves(first: Real, second: Real, mask: Real, pixel_size_angstrom: float, seed: int) -> ResolutionCurves:
    """Compute the curves of two half maps (c, c, c) under a mask (c, c, c)."""
    size = len(first)
    unmasked = shell_correlation(first, second)
    masked = shell_correlation(first * mask, second * mask)
    start = first_shell_below(unmasked, RANDOMISE_BELOW)
    random = np.random.default_rng(seed)
    one, two = (randomise_phases(half, start, random) for half in (first, second))
    randomised = shell_correlation(one * mask, two * mask)
    return ResolutionCurves(
        pixel_size_angstrom=pixel_size_angstrom,
        frequency=np.arange(size // 2 + 1) / (size * pixel_size_angstrom),
        unmasked=unmasked,
        masked=masked,
        randomised=randomised,
        corrected=true_correlation(masked, randomised, start),
        randomised_from=start,
    )


def guinier_curves(merged: Real, mask: Real, curves: ResolutionCurves) -> GuinierCurves:
    """Compute the logarithmic amplitudes of a merged map under a mask, with and without the weight of its FSC."""
    original = log_amplitude(merged * mask)
    weight = merged_weight(curves.corrected)
    weighted = np.where(weight > 0, original + log_or_empty(weight), log_or_empty(weight))
    resolution = curves.resolution_angstrom(_THRESHOLD)
    fit = fit_line(curves.frequency, weighted, 1.0 / GUINIER_FROM_ANGSTROM, 1.0 / resolution)
    squared = curves.frequency**2
    return (
        GuinierCurves(squared, original, weighted) if fit is None else GuinierCurves(squared, original, weighted, *fit)
    )


def filtered_map(merged: Real, mask: Real, curves: ResolutionCurves) -> NDArray[np.float32]:
    """Weight a merged map by its FSC, zero from 0.143 on, and mask it."""
    return (filter_shells(merged, merged_weight(curves.corrected)) * mask).astype(np.float32)
