"""Real spherical harmonics, orthonormal, with the Condon-Shortley sign (spec/conventions.md §11)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def real_spherical_harmonics(max_degree: int, longitude: Float, latitude: Float) -> Float:
    """Evaluate all harmonics up to a degree.

    Args:
        max_degree: Largest l.
        longitude: Radians.
        latitude: Radians, zero at the equator; same shape.

    Returns:
        (..., (max_degree + 1)²) values, index l² + l + m.
    """
    legendre = _legendre(max_degree, np.sin(latitude))
    values = np.empty((*np.shape(longitude), (max_degree + 1) ** 2))
    for degree in range(max_degree + 1):
        values[..., degree * degree + degree] = legendre[degree, 0] / math.sqrt(2.0)
        for order in range(1, degree + 1):
            middle = degree * degree + degree
            values[..., middle + order] = legendre[degree, order] * np.cos(order * longitude)
            values[..., middle - order] = legendre[degree, order] * np.sin(order * longitude)
    return values


def _legendre(max_degree: int, x: Float) -> dict[tuple[int, int], Float]:
    """Compute associated Legendre functions, normalised for `real_spherical_harmonics`, by recurrence."""
    sine = np.sqrt(1.0 - x * x)
    p = {(0, 0): np.full(np.shape(x), math.sqrt(1.0 / (2.0 * math.pi)))}
    for degree in range(1, max_degree + 1):
        below = p[degree - 1, degree - 1]
        p[degree, degree] = -math.sqrt(1.0 + 1.0 / (2.0 * degree)) * sine * below
        p[degree, degree - 1] = x * math.sqrt(2.0 * degree + 1.0) * below
        for order in range(degree - 1):
            a = math.sqrt((4.0 * degree**2 - 1.0) / (degree**2 - order**2))
            b = -math.sqrt(((degree - 1.0) ** 2 - order**2) / (4.0 * (degree - 1.0) ** 2 - 1.0))
            p[degree, order] = a * (x * p[degree - 1, order] + b * p[degree - 2, order])
    return p
