"""The noise of the images, by tilt series and shell, as the terms at the present poses tell it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_NEIGHBOURS = np.array([0.25, 0.5, 0.25])
"""Shells share what they know: a shell of few voxels knows little."""


def noise_variance(power: Float, weight: Float, response: Float) -> Float:
    """Estimate the variance of the noise of the images, (n_series, n_shells).

    Args:
        power: (n_series, n_shells) sums of W |D' - m|².
        weight: (n_series, n_shells) sums of W.
        response: (n_series, n_shells) what unit noise leaves there, see `extraction.noise_response`.

    Returns:
        Infinite where a series has nothing in a shell.
    """
    above, below = (_smooth(values) for values in (power, weight * response))
    variance: Float = np.divide(above, below, out=np.full(power.shape, np.inf), where=below > 0)
    return variance


def _smooth(values: Float) -> Float:
    return np.stack([np.convolve(row, _NEIGHBOURS, mode="same") for row in values])


def precision(variance: Float, last_shell: int) -> Float:
    """Give one over the standard deviation, zero beyond a shell and at the origin, which cropping spoils."""
    values = np.where(np.isfinite(variance) & (variance > 0), 1.0 / np.sqrt(np.maximum(variance, 1e-30)), 0.0)
    values[:, 0] = 0.0
    values[:, last_shell + 1 :] = 0.0
    return values
