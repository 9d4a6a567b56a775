"""Dose weights, and how far slices are inserted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtomo.physics.dose import dose_weights, insertion_limits
from subtomo.physics.frequency import half_radius, wrapped_index

few = settings(max_examples=30, deadline=None)
models = pytest.mark.parametrize("b_factor", [0.0, 4.0])


@models
def test_weights_start_at_one_and_fall_with_frequency_and_dose(b_factor: float) -> None:
    weights = dose_weights(np.array([0.0, 10.0, 60.0]), b_factor, 20, 4.0)
    assert weights.shape == (3, 20, 11)
    assert weights.dtype == np.float32
    assert (weights[:, 0, 0] == 1.0).all()
    assert (weights[0] == 1.0).all()
    assert (np.diff(weights, axis=0) <= 0).all()
    order = np.argsort(half_radius(20), axis=None)
    assert (np.diff(weights.reshape(3, -1)[:, order], axis=1) <= 1e-7).all()


def test_the_models_are_those_of_the_literature() -> None:
    dose, k = 30.0, 3 / (20 * 4.0)
    critical = dose_weights(np.array([dose]), 0.0, 20, 4.0)[0, 0, 3]
    assert critical == pytest.approx(math.exp(-0.5 * dose / (0.245 * k**-1.665 + 2.81)), rel=1e-6)
    exponential = dose_weights(np.array([dose]), 4.0, 20, 4.0)[0, 0, 3]
    assert exponential == pytest.approx(math.exp(-4.0 * dose * k * k / 4), rel=1e-6)


@models
def test_weights_do_not_depend_on_the_sign_of_the_frequency(b_factor: float) -> None:
    weights = dose_weights(np.array([25.0]), b_factor, 16, 3.0)[0]
    np.testing.assert_array_equal(weights[1:8], weights[-1:-8:-1])


def test_without_damage_the_whole_nyquist_circle_is_inserted() -> None:
    limits = insertion_limits(np.ones((1, 16, 9), np.float32), 0.01)[0]
    expected = [1 + math.isqrt(64 - int(y) ** 2) for y in wrapped_index(16)]
    assert limits.tolist() == expected
    assert limits.dtype == np.int32


def test_the_farthest_column_above_the_cutoff_decides_whatever_lies_before() -> None:
    weights = np.zeros((1, 16, 9), np.float32)
    weights[0, 3, 4] = 0.5
    weights[0, 5, 0] = 0.01
    limits = insertion_limits(weights, 0.01)[0]
    assert limits[3] == 5
    assert limits[5] == 0, "equal to the cutoff in single precision is not above it"


@few
@given(st.floats(0.0, 0.9), st.floats(0.0, 0.9), st.sampled_from([2, 6, 16, 30]))
def test_a_higher_cutoff_never_inserts_more(first: float, second: float, size: int) -> None:
    weights = dose_weights(np.array([40.0]), 0.0, size, 3.0)
    low, high = (insertion_limits(weights, cutoff) for cutoff in sorted((first, second)))
    assert (high <= low).all()
    assert (low <= size // 2 + 1).all()


def test_a_cutoff_of_one_inserts_nothing() -> None:
    assert not insertion_limits(np.ones((2, 8, 5), np.float32), 1.0).any()
