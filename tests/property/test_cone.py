"""The cone that damps membranes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from subtomo.physics.cone import cone_weight
from subtomo.physics.orientation import euler_to_matrix


def test_weights_follow_the_formula() -> None:
    weight = cone_weight(12, np.eye(3), 10.0, 2.0)
    assert weight.shape == (12, 12, 7)
    t = math.hypot(3, -2) / (4 * math.sin(math.radians(5.0)) + 2.0)
    assert weight[4, -2, 3] == pytest.approx(1 - math.exp(-t * t / 2))


def test_the_axis_is_extinguished_and_the_equator_kept() -> None:
    weight = cone_weight(32, np.eye(3), 10.0, 1.0)
    np.testing.assert_array_equal(weight[:, 0, 0], 0.0)
    assert weight[0, 0, 8] > 0.999


def test_opposite_frequencies_have_the_same_weight() -> None:
    weight = cone_weight(8, euler_to_matrix(np.array([10.0, 50.0, 70.0])), 20.0, 2.0)
    np.testing.assert_allclose(weight[1, 2, 0], weight[-1, -2, 0])


def test_the_cone_turns_with_the_particle() -> None:
    weight = cone_weight(8, euler_to_matrix(np.array([0.0, 90.0, 0.0])), 10.0, 2.0)
    np.testing.assert_allclose(weight[0, 0, :], 0.0, atol=1e-30)
    assert weight[3, 0, 0] > 0.5
