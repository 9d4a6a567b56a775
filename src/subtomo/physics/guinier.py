"""Guinier plots: the logarithm of a map's amplitude against the square of the frequency."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.fsc import shell_sums

Float = NDArray[np.float64]
Real = NDArray[np.floating]

EMPTY = -99.0
"""Logarithm of an amplitude that is zero, as RELION writes it."""
_FEWEST_SHELLS = 3


class GuinierFit(NamedTuple):
    """A straight line through a Guinier plot."""

    slope_a2: float
    """Å²; a quarter of the B-factor."""
    intercept: float
    correlation: float


def log_amplitude(volume: Real) -> Float:
    """Compute the logarithm of the mean amplitude of every shell of a map (c, c, c): (c // 2 + 1,).

    Amplitudes are those of a transform divided by the number of voxels.
    """
    size = len(volume)
    amplitude = np.abs(np.fft.rfftn(volume)) / volume.size
    mean = shell_sums(amplitude, size) / shell_sums(np.ones(amplitude.shape), size)
    return log_or_empty(mean)


def log_or_empty(values: Float) -> Float:
    """Take logarithms, `EMPTY` where there is none."""
    return np.log(values, out=np.full(values.shape, EMPTY), where=values > 0)


def fit_line(frequency: Float, log_amplitudes: Float, low: float, high: float) -> GuinierFit | None:
    """Fit a line between two frequencies (1/Å); None if fewer than three shells lie there.

    Rosenthal & Henderson (2003) fit beyond 1/10 Å, where the shape of the molecule no longer shows.
    """
    inside = (frequency >= low) & (frequency <= high) & (log_amplitudes > EMPTY)
    if inside.sum() < _FEWEST_SHELLS:
        return None
    x, y = frequency[inside] ** 2, log_amplitudes[inside]
    slope, intercept = np.polyfit(x, y, 1)
    return GuinierFit(float(slope), float(intercept), float(np.corrcoef(x, y)[0, 1]))
