"""Real spherical harmonics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import sph_harm_y

from subtomo.physics.spherical_harmonics import real_spherical_harmonics

MAX_DEGREE = 8
Float = NDArray[np.float64]


def directions(n: int = 200) -> tuple[Float, Float]:
    rng = np.random.default_rng(3)
    return rng.uniform(-np.pi, np.pi, n), np.arcsin(rng.uniform(-1.0, 1.0, n))


def test_they_are_orthonormal_on_the_sphere() -> None:
    # exact for products of two harmonics: Gauss-Legendre in the sine of latitude, equal steps in longitude
    nodes, weights = np.polynomial.legendre.leggauss(MAX_DEGREE + 1)
    n_longitudes = 2 * MAX_DEGREE + 1
    longitude, sine = np.meshgrid(2 * np.pi * np.arange(n_longitudes) / n_longitudes, nodes)
    weight = np.repeat(weights, n_longitudes) * 2 * np.pi / n_longitudes
    values = real_spherical_harmonics(MAX_DEGREE, longitude.ravel(), np.arcsin(sine.ravel()))
    np.testing.assert_allclose(values.T @ (weight[:, None] * values), np.eye((MAX_DEGREE + 1) ** 2), atol=1e-13)


@pytest.mark.parametrize("degree", range(MAX_DEGREE + 1))
def test_they_are_real_and_imaginary_parts_of_the_complex_ones_with_condon_shortley_sign(degree: int) -> None:
    longitude, latitude = directions()
    values = real_spherical_harmonics(MAX_DEGREE, longitude, latitude)
    middle = degree * degree + degree
    for order in range(degree + 1):
        theirs = sph_harm_y(degree, order, np.pi / 2 - latitude, longitude)
        if order == 0:
            np.testing.assert_allclose(values[:, middle], theirs.real, atol=1e-13)
        else:
            np.testing.assert_allclose(values[:, middle + order], math.sqrt(2) * theirs.real, atol=1e-13)
            np.testing.assert_allclose(values[:, middle - order], math.sqrt(2) * theirs.imag, atol=1e-13)


def test_lower_degrees_do_not_depend_on_how_many_are_asked_for() -> None:
    longitude, latitude = directions()
    all_degrees = real_spherical_harmonics(MAX_DEGREE, longitude, latitude)
    np.testing.assert_array_equal(real_spherical_harmonics(3, longitude, latitude), all_degrees[:, :16])


def test_first_ones_in_closed_form() -> None:
    longitude, latitude = directions()
    y00, y1m1, y10, y11 = real_spherical_harmonics(1, longitude, latitude).T
    x, y, z = np.cos(longitude) * np.cos(latitude), np.sin(longitude) * np.cos(latitude), np.sin(latitude)
    scale = math.sqrt(3 / (4 * math.pi))
    for value, expected in (
        (y00, 1 / (2 * math.sqrt(math.pi))),
        (y1m1, -scale * y),
        (y10, scale * z),
        (y11, -scale * x),
    ):
        np.testing.assert_allclose(value, np.broadcast_to(expected, value.shape), atol=1e-15)
