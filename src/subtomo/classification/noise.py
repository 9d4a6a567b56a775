"""The noise of a tilt series, of which a few particles that are none must not decide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_LEAST_WEIGHT = 1e-3
"""Of the series' mean: particles that count for less in a shell are not asked."""


def robust_power(power: Float, weight: Float, series: Int, response: Float, shells: Int) -> tuple[Float, Float]:
    """Add residuals up by tilt series as if every particle had the median one of its series.

    One bright spot in ten particles leaves more in the low shells than all noise does, and would hide itself in it.

    Args:
        power: (n, n_shells) residual of each particle.
        weight: (n, n_shells) its weight; zero for particles that tell nothing.
        series: (n,) tilt series of each.
        response: (n_series, n_shells) what unit noise leaves in a voxel, which is how much a voxel counts.
        shells: (m,) of the voxels.

    Returns:
        (n_series, n_shells) each, as `noise_variance` takes them.
    """
    n_series = len(response)
    found, total = np.zeros((n_series, power.shape[1])), np.zeros((n_series, power.shape[1]))
    voxels = np.bincount(shells, minlength=power.shape[1])[: power.shape[1]]
    for number in range(n_series):
        members = series == number
        if not members.any():
            continue
        total[number] = weight[members].sum(axis=0)
        asked = weight[members] > _LEAST_WEIGHT * weight[members].mean(axis=0)
        ratio = np.divide(power[members], weight[members], out=np.full(asked.shape, np.nan), where=asked)
        known = asked.any(axis=0)
        median = np.zeros(power.shape[1])
        median[known] = np.nanmedian(ratio[:, known], axis=0)
        # the median of χ² is below its mean
        freedom = np.maximum(2.0 * voxels * response[number], 1.0)
        found[number] = median * total[number] / (1.0 - 2.0 / (9.0 * freedom)) ** 3
    return found, total
