"""Compare particles that lie in one common frame with several references, and add them up by shares."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_NEGLIGIBLE = 1e-6


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def add_class_costs(
    data: Float32, weights: Float32, precision: Float32, models: Float32, rows: Int, costs: Float
) -> None:
    """Compute 2 Σ p (W |V|² - 2 Re D* V) of each particle and reference: -2 log of the likelihood, up to a constant.

    Args:
        data: (n, m, 2) D.
        weights: (n, m) W.
        precision: (n_series, m) p, one over the variance of D / √W.
        models: (n_classes, m, 2) V.
        rows: (n,) row of the precision of each particle.
        costs: (n, n_classes) result.
    """
    for particle in range(len(data)):
        row = rows[particle]
        for number in range(len(models)):
            total = 0.0
            for k in range(weights.shape[1]):
                re, im = models[number, k, 0], models[number, k, 1]
                fit = data[particle, k, 0] * re + data[particle, k, 1] * im
                total += precision[row, k] * (weights[particle, k] * (re * re + im * im) - np.float32(2.0) * fit)
            costs[particle, number] = 2.0 * total


@njit(nogil=True, cache=True)
def add_shares(
    data: Float32, weights: Float32, shares: Float, first: int, last: int, data_sums: Float, weight_sums: Float
) -> None:
    """Add particles up, each by its share in every sum, over the voxels from first to last.

    Args:
        data: (n, m, 2) D.
        weights: (n, m) W.
        shares: (n, n_sums)
        first: Voxel.
        last: Voxel after the last one.
        data_sums: (n_sums, m, 2) result.
        weight_sums: (n_sums, m) result.
    """
    for particle in range(len(data)):
        for number in range(shares.shape[1]):
            share = shares[particle, number]
            if share < _NEGLIGIBLE:
                continue
            for k in range(first, last):
                data_sums[number, k, 0] += share * data[particle, k, 0]
                data_sums[number, k, 1] += share * data[particle, k, 1]
                weight_sums[number, k] += share * weights[particle, k]


@njit(nogil=True, cache=True)
def add_shared_residuals(
    data: Float32, weights: Float32, models: Float32, shares: Float, shells: Int, power: Float, weight: Float
) -> None:
    """Add Σ share |D - W V|² and Σ share W by particle and shell, to see the noise.

    Args:
        data: (n, m, 2) D.
        weights: (n, m) W.
        models: (n_classes, m, 2) V.
        shares: (n, n_classes)
        shells: (m,)
        power: (n, n_shells) result.
        weight: (n, n_shells) result.
    """
    for particle in range(len(data)):
        for number in range(len(models)):
            share = shares[particle, number]
            if share < _NEGLIGIBLE:
                continue
            for k in range(weights.shape[1]):
                w = weights[particle, k]
                re = data[particle, k, 0] - w * models[number, k, 0]
                im = data[particle, k, 1] - w * models[number, k, 1]
                power[particle, shells[k]] += share * (re * re + im * im)
                weight[particle, shells[k]] += share * w
