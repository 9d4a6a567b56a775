"""The tilt axis, its sign, and the wedge."""

from __future__ import annotations

import numpy as np
import pytest

from subtomo.manifolds.sampling import tilt_space
from subtomo.physics.eigen3 import smallest_eigenvector
from subtomo.physics.projection import projection_from_angles

IMAGE, TOMOGRAM = (100, 80), (100, 80, 40)


def projection(angles_deg: np.ndarray, x_tilt_deg: float = 0.0, z_rot_deg: float = 0.0) -> np.ndarray:
    n = len(angles_deg)
    angles = np.stack([np.full(n, x_tilt_deg), angles_deg, np.full(n, z_rot_deg)], axis=1)
    return projection_from_angles(angles, np.zeros((n, 2)), IMAGE, TOMOGRAM)


@pytest.mark.parametrize("seed", range(20))
def test_smallest_eigenvector_solves_the_equation_and_has_unit_length(seed: int) -> None:
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(3, 3)) * 10.0 ** rng.uniform(-2, 2)
    matrix = half @ half.T
    vector = smallest_eigenvector(matrix)
    values, vectors = np.linalg.eigh(matrix)
    assert vector @ vector == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(matrix @ vector, values[0] * vector, atol=1e-9 * values[2])
    assert abs(vector @ vectors[:, 0]) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("matrix", [np.diag([3.0, 1.0, 2.0]), np.diag([1.0, 2.0, 3.0]), np.diag([2.0, 3.0, 1.0])])
def test_smallest_eigenvector_of_a_diagonal_matrix_is_an_axis(matrix: np.ndarray) -> None:
    axis = np.eye(3)[int(np.argmin(np.diag(matrix)))]
    np.testing.assert_allclose(np.abs(smallest_eigenvector(matrix)), axis, atol=1e-12)


def test_for_pure_y_tilts_the_axis_is_y() -> None:
    space = tilt_space(projection(np.linspace(-60, 60, 13), z_rot_deg=84.0))
    np.testing.assert_allclose(np.abs(space.axes[2]), [0.0, 1.0, 0.0], atol=1e-12)


def test_frame_is_a_proper_rotation_and_a_tilted_axis_is_found() -> None:
    series = projection(np.linspace(-50, 40, 10), x_tilt_deg=7.0)
    space = tilt_space(series)
    np.testing.assert_allclose(space.axes @ space.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(space.axes) == pytest.approx(1.0)
    np.testing.assert_allclose(series[:, 2, :3] @ space.axes[2], 0.0, atol=1e-9)


def test_views_at_the_ends_bound_the_wedge_in_any_order_of_tilts() -> None:
    angles = np.array([0.0, 30.0, -60.0, 50.0, -20.0])
    series = projection(angles)
    space = tilt_space(series)
    ends = {tuple(view) for view in space.wedge}
    assert ends == {tuple(series[2, 2, :3]), tuple(series[3, 2, :3])}
