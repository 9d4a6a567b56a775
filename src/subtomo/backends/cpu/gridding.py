"""The kernel of the non-uniform Fourier transform: values near a point, and what it does to the density.

Points are spread over `TAPS` nodes per axis of a grid that is finer than the volume's by `OVERSAMPLING` or a little
more. The density gets multiplied by the transform of the kernel, which is divided out, and is blurred by what the grid
folds back; the shape parameter makes that least for what lies within `REACH` of the box.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

TAPS = 6
OVERSAMPLING = 1.25
REACH = 0.42
"""Of the side of the box, from its centre: the circle crop leaves little beyond it."""
SHAPE_PER_TAP = 1.84
"""Measured: the best Kaiser-Bessel parameter for these three numbers, see `aliasing`."""
DEGREE = 6
"""Of the polynomials that stand in for the kernel; they are exact to single precision."""


def grid_size(crop_size: int, oversampling: float = OVERSAMPLING) -> int:
    """Give the side of the grid: even, with small prime factors, large enough."""
    size = max(2 * TAPS, 2 * int(np.ceil(oversampling * crop_size / 2)))
    while not _is_smooth(size):
        size += 2
    return size


def kernel(distance: Float) -> Float:
    """Give the Kaiser-Bessel kernel at distances in nodes; zero beyond half of `TAPS`."""
    inside = np.maximum(0.0, 1.0 - (2.0 * distance / TAPS) ** 2)
    beta = SHAPE_PER_TAP * TAPS
    return np.where(np.abs(distance) <= TAPS / 2, np.i0(beta * np.sqrt(inside)) / np.i0(beta), 0.0)


def kernel_transform(frequency: Float) -> Float:
    """Give the Fourier transform of the kernel at frequencies in cycles per node."""
    # the kernel is smooth and ends at TAPS / 2: Gauss-Legendre is exact to rounding
    nodes, weights = np.polynomial.legendre.leggauss(60)
    distance = nodes * TAPS / 2
    return np.cos(2.0 * np.pi * np.multiply.outer(frequency, distance)) @ (weights * kernel(distance)) * (TAPS / 2)


def aliasing(frequency: Float) -> Float:
    """Give the share of the density at |frequency| (cycles per node) that the grid folds in from elsewhere."""
    images = sum(kernel_transform(frequency + image) ** 2 for image in (-3, -2, -1, 1, 2, 3))
    return np.sqrt(images) / kernel_transform(frequency)


@cache
def tap_polynomials() -> Float32:
    """Fit the kernel between nodes: (TAPS, DEGREE + 1), highest power first.

    Node ``j`` lies ``t + j - TAPS / 2`` from the point, with 0 <= t < 1; the polynomial is one in ``t``.
    """
    # Chebyshev points, which keep the error even over the interval
    t = 0.5 - 0.5 * np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    fits = [np.polynomial.Polynomial.fit(t, kernel(t + j - TAPS / 2), DEGREE, domain=[0, 1]) for j in range(TAPS)]
    return np.array([fit.convert().coef[::-1] for fit in fits], dtype=np.float32)


@cache
def deconvolution(crop_size: int, side: int) -> Float:
    """Give the factor (c,) along an axis that undoes the kernel's damping, from -c/2 to c/2 - 1.

    Args:
        crop_size: c.
        side: Of the grid, nodes.
    """
    position = np.arange(crop_size) - crop_size // 2
    return 1.0 / kernel_transform(position / side)


def _is_smooth(size: int) -> bool:
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size == 1
