"""Projection of points against matrix products written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtomo.conventions import MISSING_TOMOGRAM_SIZE
from subtomo.physics.projection import project, projection_from_angles, slice_axes

few = settings(max_examples=60, deadline=None)
angle = st.floats(-90.0, 90.0)
size = st.integers(2, 5000)


def by_hand(angles: tuple[float, float, float], point: np.ndarray) -> np.ndarray:
    """Rotate about x, then y, then z, each formula written out."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    x, y, z = point
    y, z = cx * y - sx * z, sx * y + cx * z
    x, z = cy * x + sy * z, -sy * x + cy * z
    x, y = cz * x - sz * y, sz * x + cz * y
    return np.array([x, y, z])


@few
@given(st.tuples(angle, angle, angle), st.tuples(size, size, size), st.tuples(size, size))
def test_the_rotation_centre_goes_to_the_image_centre_plus_shift(
    angles: tuple[float, float, float], tomogram_size: tuple[int, int, int], image_size: tuple[int, int]
) -> None:
    matrices = projection_from_angles([angles], [[3.25, -1.5]], image_size, tomogram_size)
    centre = np.array([[s // 2 for s in tomogram_size]], dtype=float)
    expected = [image_size[0] // 2 + 3.25, image_size[1] // 2 - 1.5, 0.0]
    np.testing.assert_allclose(project(matrices, centre), [expected], atol=1e-9)


@few
@given(st.tuples(angle, angle, angle), st.tuples(*[st.floats(-2000.0, 2000.0)] * 3))
def test_points_are_rotated_about_x_then_y_then_z(
    angles: tuple[float, float, float], point: tuple[float, float, float]
) -> None:
    matrices = projection_from_angles([angles], [[0.0, 0.0]], (100, 81), (60, 51, 40))
    found = project(matrices, np.array([point]))[0]
    expected = by_hand(angles, np.array(point) - np.array([30, 25, 20])) + np.array([50, 40, 0])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_an_unknown_tomogram_size_puts_the_centre_at_minus_499() -> None:
    matrices = projection_from_angles([[1.0, 2.0, 3.0]], [[0.0, 0.0]], (100, 80), [MISSING_TOMOGRAM_SIZE] * 3)
    np.testing.assert_allclose(project(matrices, np.full((1, 3), -499.0)), [[50.0, 40.0, 0.0]], atol=1e-9)


def test_each_tilt_can_have_a_position_of_its_own() -> None:
    rng = np.random.default_rng(3)
    matrices = rng.normal(size=(4, 4, 4))
    points = rng.normal(size=(6, 4, 3))
    found = project(matrices, points)
    assert found.shape == (6, 4, 3)
    expected = matrices[2] @ np.append(points[5, 2], 1.0)
    np.testing.assert_allclose(found[5, 2], expected[:3])


@few
@given(st.tuples(angle, angle, angle), st.floats(0.25, 1.0))
def test_slices_are_spanned_by_orthogonal_axes_as_long_as_the_crop_is_to_the_box(
    angles: tuple[float, float, float], relative_box: float
) -> None:
    matrices = projection_from_angles([angles], [[0.0, 0.0]], (10, 10), (10, 10, 10))
    ((u, v),) = slice_axes(matrices, matrices[0, :3, :3].T, relative_box)
    np.testing.assert_allclose(u, [relative_box, 0, 0], atol=1e-14)
    np.testing.assert_allclose(v, [0, relative_box, 0], atol=1e-14)
    assert np.dot(u, v) == pytest.approx(0.0, abs=1e-14)
