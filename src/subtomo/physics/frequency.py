"""Frequency grids of half transforms, and averages over shells (spec/conventions.md, notation, §6.7, §7.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def wrapped_index(size: int) -> Float:
    """List the signed frequency index of every row; for even sizes ``size // 2`` counts as ``-size / 2``."""
    index = np.arange(size)
    return np.where(index < size // 2, index, index - size).astype(np.float64)


def half_index(size: int) -> Float:
    """List the frequency index of every column of a half transform: 0 to ``size // 2``."""
    return np.arange(size // 2 + 1, dtype=np.float64)


def half_radius(size: int) -> Float:
    """Compute the (size, size // 2 + 1) distance from the origin of a 2-D half transform, in Fourier pixels."""
    return np.hypot(wrapped_index(size)[:, None], half_index(size))


def half_frequency(size: int, pixel_size_angstrom: float) -> tuple[Float, Float]:
    """List the frequency in 1/Å along x, (1, size // 2 + 1), and along y, (size, 1), of a 2-D half transform."""
    unit = size * pixel_size_angstrom
    return half_index(size)[None, :] / unit, wrapped_index(size)[:, None] / unit


def shell_values(values: Float, radius: Float) -> Float:
    """Interpolate linearly between the values of shells, (n_bins,), at radii in shells; the last holds beyond it."""
    n_bins = len(values)
    inner = np.minimum(radius.astype(np.int64), n_bins - 1)
    outer = np.minimum(inner + 1, n_bins - 1)
    fraction = np.where(inner + 1 < n_bins, radius - inner, 0.0)
    interpolated: Float = (1.0 - fraction) * values[inner] + fraction * values[outer]
    return interpolated


def shell_average(values: NDArray[np.floating], radius: Float, n_bins: int) -> Float:
    """Average values over shells, each value shared linearly by the two shells it lies between.

    Args:
        values: real array.
        radius: same shape, in shells; contributions beyond the last shell are dropped.
        n_bins: number of shells.

    Returns:
        (n_bins,); zero where a shell is empty.
    """
    inner = radius.astype(np.int64)
    fraction = radius - inner
    total, weight = np.zeros(n_bins), np.zeros(n_bins)
    for shell, share in ((inner, 1.0 - fraction), (inner + 1, fraction)):
        inside = shell < n_bins
        total += np.bincount(shell[inside], (share * values)[inside], n_bins)
        weight += np.bincount(shell[inside], share[inside], n_bins)
    return np.divide(total, weight, out=np.zeros(n_bins), where=weight > 0)
