"""Frequency grids, shell averages, and whitening."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtomo.physics.frequency import half_frequency, half_radius, shell_average, wrapped_index
from subtomo.physics.noise import noise_spectrum, whitening_weights

few = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize("size", [2, 8, 10, 9, 15])
def test_indices_are_those_of_numpys_transform(size: int) -> None:
    expected = np.fft.fftfreq(size, 1 / size)
    if size % 2:
        # RELION counts the middle of an odd size as negative, too
        expected[size // 2] = size // 2 - size
    np.testing.assert_array_equal(wrapped_index(size), expected)


def test_frequencies_are_indices_over_the_box_in_angstroms() -> None:
    x, y = half_frequency(10, 2.5)
    np.testing.assert_allclose(x, np.arange(6)[None, :] / 25)
    np.testing.assert_allclose(y, np.array([0, 1, 2, 3, 4, -5, -4, -3, -2, -1])[:, None] / 25)


@few
@given(st.floats(-100.0, 100.0), st.integers(2, 12), st.integers(4, 30))
def test_the_average_of_a_constant_is_that_constant(value: float, n_bins: int, size: int) -> None:
    radius = half_radius(size)
    average = shell_average(np.full(radius.shape, value), radius, n_bins)
    reached = np.arange(n_bins) <= radius.max()
    np.testing.assert_allclose(average[reached], value, rtol=1e-12)


def test_values_are_shared_linearly_by_the_two_nearest_shells() -> None:
    average = shell_average(np.array([10.0, 4.0]), np.array([0.25, 1.0]), 3)
    np.testing.assert_allclose(average, [10.0, (0.25 * 10 + 4) / 1.25, 0.0])


def test_what_lies_beyond_the_last_shell_is_dropped() -> None:
    np.testing.assert_allclose(shell_average(np.array([1.0, 50.0]), np.array([0.5, 2.0]), 2), [1.0, 1.0])


@pytest.fixture(scope="module")
def white_noise() -> np.ndarray:
    return np.random.default_rng(8).normal(0.0, 3.0, (400, 500))


@pytest.mark.parametrize("block", [20, 25])
def test_white_noise_has_a_flat_spectrum_of_its_variance(white_noise: np.ndarray, block: int) -> None:
    spectrum = noise_spectrum(white_noise, block)
    assert spectrum.shape == (block // 2 + 1,)
    np.testing.assert_allclose(spectrum[1:], 9.0, rtol=0.1)
    assert spectrum[0] == pytest.approx(9.0, rel=0.35)


def test_weights_of_white_noise_are_one_over_its_deviation(white_noise: np.ndarray) -> None:
    weights = whitening_weights(noise_spectrum(white_noise, 30), 20, 1.5)
    assert weights.shape == (20, 11)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights[1:, 1:], 1 / 3, rtol=0.1)


def test_weights_interpolate_between_shells_and_end_with_the_last() -> None:
    weights = whitening_weights(np.array([1.0, 1 / 4, 1 / 16]), 8, 1.5)
    assert weights[0, 1] == pytest.approx((2 + 4) / 2)
    assert weights[0, 2] == pytest.approx(4.0)
    assert weights[4, 4] == pytest.approx(4.0)


def test_shells_without_power_get_no_weight() -> None:
    assert not whitening_weights(np.zeros(5), 8, 1.0).any()


def test_integer_images_are_measured_without_overflow() -> None:
    image = np.random.default_rng(9).integers(-128, 127, (60, 60)).astype(np.int8)
    np.testing.assert_allclose(noise_spectrum(image, 20), noise_spectrum(image.astype(np.float64), 20))
