"""Euler angles and matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtomo.physics.orientation import compose, euler_to_matrix, matrix_to_euler, rotate

turn = st.floats(-180.0, 180.0)
angles = st.tuples(turn, st.floats(0.0, 180.0), turn)
few = settings(max_examples=80, deadline=None)


@few
@given(angles)
def test_matrices_are_proper_rotations(a: tuple[float, float, float]) -> None:
    matrix = euler_to_matrix(np.array(a))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


@few
@given(angles)
def test_matrix_to_angles_and_back_gives_the_same_matrix(a: tuple[float, float, float]) -> None:
    matrix = euler_to_matrix(np.array(a))
    np.testing.assert_allclose(euler_to_matrix(matrix_to_euler(matrix)), matrix, atol=1e-7)


@few
@given(st.tuples(turn, st.floats(1.0, 179.0), turn))
def test_away_from_the_poles_angles_come_back_as_they_were(a: tuple[float, float, float]) -> None:
    difference = matrix_to_euler(euler_to_matrix(np.array(a))) - np.array(a)
    np.testing.assert_allclose((difference + 180.0) % 360.0 - 180.0, 0.0, atol=1e-9)


@few
@given(angles)
def test_the_last_column_points_where_tilt_and_psi_say(a: tuple[float, float, float]) -> None:
    _, tilt, psi = np.radians(a)
    axis = euler_to_matrix(np.array(a))[:, 2]
    expected = [-np.cos(psi) * np.sin(tilt), np.sin(psi) * np.sin(tilt), np.cos(tilt)]
    np.testing.assert_allclose(axis, expected, atol=1e-14)


@pytest.mark.parametrize("psi", [-170.0, -90.0, 0.0, 33.0, 90.0])
def test_upright_and_upside_down_matrices_put_the_whole_turn_into_psi(psi: float) -> None:
    about_z = euler_to_matrix(np.array([0.0, 0.0, psi]))
    np.testing.assert_allclose(matrix_to_euler(about_z), [0.0, 0.0, psi], atol=1e-12)
    flipped = about_z @ np.diag([-1.0, 1.0, -1.0])
    rot, tilt, _ = matrix_to_euler(flipped)
    assert (rot, tilt) == (0.0, 180.0)
    np.testing.assert_allclose(euler_to_matrix(matrix_to_euler(flipped)), flipped, atol=1e-12)


@few
@given(angles, angles, st.tuples(turn, turn, turn))
def test_compose_and_rotate_are_matrix_products(
    a: tuple[float, float, float], b: tuple[float, float, float], vector: tuple[float, float, float]
) -> None:
    first, second = euler_to_matrix(np.array([a, b]))
    np.testing.assert_allclose(compose(first, second), first @ second, atol=1e-14)
    np.testing.assert_allclose(rotate(first, np.array(vector)), first @ np.array(vector), atol=1e-11)


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    a = np.random.default_rng(1).uniform(-180, 180, (4, 5, 3))
    matrices = euler_to_matrix(a)
    assert matrices.shape == (4, 5, 3, 3)
    np.testing.assert_array_equal(matrices[2, 3], euler_to_matrix(a[2, 3]))
    np.testing.assert_array_equal(matrix_to_euler(matrices)[2, 3], matrix_to_euler(matrices[2, 3]))
