"""In-plane deformations: closed forms, continuity, and a direct sum."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtomo.physics.deformation import coefficient_count, deformation_shift

SIZE = (100, 80)
few = settings(max_examples=40, deadline=None)
inside_x, inside_y = st.floats(0.0, 100.0), st.floats(0.0, 80.0)


def shift(kind: str, coefficients: np.ndarray, grid: tuple[int, int], *point: float) -> np.ndarray:
    return deformation_shift(kind, coefficients, grid, SIZE, np.array(point))


@few
@given(st.tuples(*[st.floats(-0.1, 0.1)] * 3), inside_x, inside_y)
def test_linear_is_a_shear_about_the_exact_centre(abc: tuple[float, float, float], x: float, y: float) -> None:
    a, b, c = abc
    expected = [a * (x - 50.0), b * (x - 50.0) + c * (y - 40.0)]
    np.testing.assert_allclose(shift("linear", np.array(abc), (0, 0), x, y), expected, atol=1e-12)


@pytest.fixture(scope="module")
def spline() -> np.ndarray:
    return np.random.default_rng(2).normal(size=8 * 4 * 3)


def test_splines_have_the_given_value_at_every_node(spline: np.ndarray) -> None:
    nodes = spline.reshape(2, 3, 4, 4)
    for iy in range(3):
        for ix in range(4):
            found = shift("spline", spline, (4, 3), ix * 100 / 3, iy * 40.0)
            np.testing.assert_allclose(found, nodes[:, iy, ix, 0], atol=1e-8)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("border", [1, 2])
def test_spline_values_and_slopes_go_on_smoothly_across_cell_borders(
    spline: np.ndarray, axis: int, border: int
) -> None:
    grid, spacing = (4, 4), np.array([100 / 3, 80 / 3])
    coefficients = np.concatenate([spline, spline[:32]])
    at = np.array([41.7, 33.3])
    at[axis] = border * spacing[axis]
    step = 1e-4 * np.eye(2)[axis]
    values = [shift("spline", coefficients, grid, *(at + k * step)) for k in (-2, -1, 1, 2)]
    assert np.abs(values[1] - values[2]).max() < 1e-3
    slope_before, slope_after = (values[1] - values[0]) / 1e-4, (values[3] - values[2]) / 1e-4
    np.testing.assert_allclose(slope_before, slope_after, atol=1e-4)


def test_spline_slopes_at_nodes_are_the_given_ones(spline: np.ndarray) -> None:
    nodes, h = spline.reshape(2, 3, 4, 4), 1e-6
    at = np.array([1 * 100 / 3, 40.0])
    for axis, spacing in enumerate((100 / 3, 40.0)):
        step = h * np.eye(2)[axis]
        slope = (shift("spline", spline, (4, 3), *(at + step)) - shift("spline", spline, (4, 3), *(at - step))) / (
            2 * h
        )
        np.testing.assert_allclose(slope * spacing, nodes[:, 1, 1, 1 + axis], atol=1e-5)


@few
@given(st.floats(-500.0, 500.0), st.floats(-500.0, 500.0))
def test_splines_beyond_the_image_keep_the_value_of_its_edge(x: float, y: float) -> None:
    coefficients = np.random.default_rng(4).normal(size=8 * 9)
    edge = min(max(x, 0.0), 100.0), min(max(y, 0.0), 80.0)
    found, expected = (shift("spline", coefficients, (3, 3), *point) for point in ((x, y), edge))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("grid", [(2, 2), (3, 3), (4, 3), (5, 4), (4, 5)])
@settings(max_examples=10, deadline=None)
@given(x=inside_x, y=inside_y)
def test_fourier_deformations_equal_the_sum_over_their_frequencies(grid: tuple[int, int], x: float, y: float) -> None:
    grid_x, grid_y = grid
    frequencies = []
    for row in range(grid_y):
        if row < grid_y // 2:
            frequencies += [(column, row) for column in range(1 if row == 0 else 0, grid_x // 2 + 1)]
        else:
            frequencies += [(column, row - grid_y) for column in range(1, grid_x // 2 + 1)]
    n = len(frequencies)
    assert coefficient_count("Fourier", grid) == 4 * n
    coefficients = np.random.default_rng(5).normal(size=4 * n + 3)
    expected = [0.0, 0.0]
    for dim in range(2):
        for i, (kx, ky) in enumerate(frequencies):
            re, im = coefficients[2 * (dim * n + i)], coefficients[2 * (dim * n + i) + 1]
            wave = cmath.exp(1j * math.pi * (kx * x / 100 + ky * y / 80))
            expected[dim] += re * wave.real + im * wave.imag
    np.testing.assert_allclose(shift("Fourier", coefficients, grid, x, y), expected, atol=1e-10)


@pytest.mark.parametrize(("kind", "grid"), [("linear", (0, 0)), ("spline", (3, 4)), ("Fourier", (4, 4))])
def test_many_points_at_once_are_the_same_as_one_by_one(kind: str, grid: tuple[int, int]) -> None:
    rng = np.random.default_rng(6)
    coefficients = rng.normal(size=coefficient_count(kind, grid))
    points = rng.uniform(0, 80, (3, 2, 2))
    many = deformation_shift(kind, coefficients, grid, SIZE, points)
    np.testing.assert_allclose(many[1, 0], shift(kind, coefficients, grid, *points[1, 0]), atol=1e-13)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'cubic'"):
        shift("cubic", np.zeros(3), (2, 2), 1.0, 1.0)
