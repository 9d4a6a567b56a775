"""Higher-order aberrations as Zernike polynomials (spec/conventions.md §6.4)."""

from __future__ import annotations

from math import factorial, isqrt

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.frequency import half_frequency

Float = NDArray[np.float64]


def even_index(i: int) -> tuple[int, int]:
    """Return azimuthal order m and degree n of the i-th symmetric polynomial."""
    k = isqrt(i)
    return 2 * (i - k * k - k), 2 * k


def odd_index(i: int) -> tuple[int, int]:
    """Return azimuthal order m and degree n of the i-th antisymmetric polynomial."""
    k = (isqrt(1 + 4 * i) - 1) // 2
    degree = 2 * k + 1
    return 2 * (i - k * k - k) - degree, degree


def zernike(m: int, n: int, radius: Float, angle: Float) -> Float:
    """Evaluate the unnormalised Zernike polynomial Z(m, n); the radius may exceed one."""
    order = abs(m)
    radial = np.zeros_like(radius)
    for k in range((n - order) // 2 + 1):
        coefficient = (-1) ** k * factorial(n - k) / factorial(k)
        coefficient /= factorial((n + order) // 2 - k) * factorial((n - order) // 2 - k)
        radial += coefficient * radius ** (n - 2 * k)
    return radial * (np.cos(order * angle) if m >= 0 else np.sin(order * angle))


def aberration_phase(coefficients: NDArray[np.float64], size: int, pixel_size_angstrom: float, *, even: bool) -> Float:
    """Sum Zernike polynomials over the grid of a half transform.

    The radius is the frequency in 1/Å itself: no unit disc, no prefactor.

    Args:
        coefficients: of the symmetric (even) or antisymmetric (odd) polynomials, radians.
        size: box size in pixels.
        pixel_size_angstrom: of the box. RELION uses the first optics group's for all groups (quirk 2).
        even: which of the two series the coefficients belong to.

    Returns:
        (size, size // 2 + 1) phase in radians.
    """
    x, y = np.broadcast_arrays(*half_frequency(size, pixel_size_angstrom))
    radius, angle = np.sqrt(x * x + y * y), np.arctan2(y, x)
    phase = np.zeros(radius.shape)
    for i, coefficient in enumerate(coefficients):
        m, n = even_index(i) if even else odd_index(i)
        phase += coefficient * zernike(m, n, radius, angle)
    return phase
