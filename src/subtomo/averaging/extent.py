"""How far a particle reaches from the middle of its average, found from the two half maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from subtomo.physics.window import centre_distance

Float = NDArray[np.float64]
Real = NDArray[np.floating]

LARGEST_SHARE = 0.9
"""Of the box: the diameter of a mask where nothing else is known."""
_SMOOTHING_PX = 1.0
_THRESHOLD = 0.01
"""Share of the largest covariance at which the particle ends."""
_CLEARLY = 8.0
"""The largest covariance must be so many times that far out, or there is no particle to be seen."""
_FIRST_SHELL = 4
"""Shells within have too few voxels to be sure of."""
_ALIKE = 0.35
"""The half maps, smoothed, must correlate so well within the diameter that is found."""
_OUTER_FROM = 0.8
"""Share of the largest radius beyond which there should be no particle."""


def particle_diameter_angstrom(first: Real, second: Real, pixel_size_angstrom: float) -> float | None:
    """Estimate the diameter of the sphere that holds the particle.

    Both half maps vary over a spherical shell where there is a particle, and they vary alike; outside of it what varies
    is noise, which they do not share. So the covariance of the half maps over each shell, their means taken off, falls
    to what it is near the box's edge where the particle ends: at a hundredth of the largest value.

    Args:
        first: (c, c, c) half map with its centre at ``c // 2``.
        second: (c, c, c) the other.
        pixel_size_angstrom: Å per voxel.

    Returns:
        Å; None if no end is seen: the particle fills the box, or the half maps share nothing but noise.
    """
    size, n_shells = len(first), len(first) // 2
    if n_shells < 2 * _FIRST_SHELL:
        return None
    one, two = (ndimage.gaussian_filter(half, _SMOOTHING_PX) for half in (first, second))
    covariance = shell_covariance(one, two)
    outer = covariance[round(_OUTER_FROM * n_shells) :]
    background = float(np.median(outer))
    peak = _FIRST_SHELL + int(np.argmax(covariance[_FIRST_SHELL:]))
    height = float(covariance[peak]) - background
    if height < _CLEARLY * float(np.abs(outer).max()):
        return None
    below = np.flatnonzero(covariance[peak:] - background < _THRESHOLD * height)
    if not below.size:
        return None
    radius_px = peak + int(below[0])
    inside = centre_distance(size, 3) <= radius_px
    is_alike = float(np.corrcoef(one[inside], two[inside])[0, 1]) >= _ALIKE
    return 2.0 * radius_px * pixel_size_angstrom if is_alike and 2 * radius_px <= LARGEST_SHARE * size else None


def shell_covariance(first: Real, second: Real) -> Float:
    """Compute the covariance of two maps (c, c, c) over spherical shells a voxel thick: (c // 2,)."""
    n_shells = len(first) // 2
    shell = np.floor(centre_distance(len(first), 3) + 0.5).astype(np.int64).ravel()
    count = np.bincount(shell)[:n_shells]
    one, two, both = (
        np.bincount(shell, values.ravel().astype(np.float64))[:n_shells] / count
        for values in (first, second, np.asarray(first, np.float64) * second)
    )
    return np.asarray(both - one * two)
