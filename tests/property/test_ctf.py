"""The contrast transfer function against closed forms and its symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtomo.conventions import CTF_FLOOR
from subtomo.physics.ctf import CtfTerms, ctf_terms, ctf_values, wavelength_angstrom

defocus = st.floats(-5e4, 5e4)
angle = st.floats(-360.0, 360.0)
frequency = st.floats(-0.2, 0.2)
few = settings(max_examples=60, deadline=None)


def terms(u: float, v: float, angle_deg: float, *, phase_shift: float = 0.0, b_factor: float = 0.0) -> CtfTerms:
    one = np.ones(1)
    return ctf_terms([[u, v, angle_deg]], phase_shift * one, one, b_factor * one, (300.0, 2.7, 0.07))


def value(of: CtfTerms, x: float, y: float) -> float:
    return float(ctf_values(of, np.array([[x]]), np.array([[y]]))[0, 0, 0])


@pytest.mark.parametrize(("voltage_kv", "expected"), [(100.0, 0.037014), (200.0, 0.025079), (300.0, 0.019687)])
def test_wavelengths_are_those_of_the_textbooks(voltage_kv: float, expected: float) -> None:
    assert wavelength_angstrom(voltage_kv) == pytest.approx(expected, abs=2e-6)


@few
@given(defocus, defocus, angle, frequency, frequency)
def test_opposite_frequencies_have_the_same_ctf(u: float, v: float, a: float, x: float, y: float) -> None:
    assert value(terms(u, v, a), x, y) == pytest.approx(value(terms(u, v, a), -x, -y), abs=1e-12)


@few
@given(defocus, defocus, angle, frequency, frequency)
def test_half_a_turn_of_the_astigmatism_changes_nothing(u: float, v: float, a: float, x: float, y: float) -> None:
    assert value(terms(u, v, a), x, y) == pytest.approx(value(terms(u, v, a + 180.0), x, y), abs=1e-8)


@few
@given(defocus, defocus, angle, frequency, frequency)
def test_a_quarter_turn_swaps_the_two_defocus_values(u: float, v: float, a: float, x: float, y: float) -> None:
    assert value(terms(u, v, a), x, y) == pytest.approx(value(terms(v, u, a + 90.0), x, y), abs=1e-8)


@few
@given(defocus, defocus, angle, st.floats(0.0, 0.2))
def test_along_the_angle_of_astigmatism_only_defocus_u_counts(u: float, v: float, a: float, k: float) -> None:
    x, y = k * math.cos(math.radians(a)), k * math.sin(math.radians(a))
    assert value(terms(u, v, a), x, y) == pytest.approx(value(terms(u, u, 0.0), k, 0.0), abs=1e-7)


@few
@given(defocus, angle, frequency, frequency, st.floats(-180.0, 180.0), st.floats(0.0, 200.0))
def test_without_astigmatism_it_is_the_textbook_formula(
    z: float, a: float, x: float, y: float, phase_shift: float, b_factor: float
) -> None:
    k2, wavelength = x * x + y * y, wavelength_angstrom(300.0)
    gamma = -math.pi * wavelength * z * k2 + math.pi / 2 * 2.7e7 * wavelength**3 * k2**2
    expected = -math.sin(gamma - math.radians(phase_shift) - math.asin(0.07)) * math.exp(-b_factor * k2 / 4)
    found = value(terms(z, z, a, phase_shift=phase_shift, b_factor=b_factor), x, y)
    assert found == pytest.approx(expected, abs=2e-8)


def test_at_zero_frequency_it_is_the_amplitude_contrast() -> None:
    assert value(terms(2e4, 1e4, 12.0), 0.0, 0.0) == pytest.approx(0.07, abs=1e-15)


def test_pure_amplitude_contrast_is_a_quarter_turn_of_phase() -> None:
    pure = ctf_terms([[2e4, 2e4, 0.0]], np.zeros(1), np.ones(1), np.zeros(1), (300.0, 2.7, 1.0))
    assert value(pure, 0.0, 0.0) == pytest.approx(1.0)


def test_values_never_come_nearer_to_zero_than_the_floor() -> None:
    nothing = terms(1e4, 1e4, 0.0)._replace(scale=np.array([0.0]))
    assert abs(value(nothing, 0.1, 0.0)) == CTF_FLOOR
    vanishing = terms(1e4, 1e4, 0.0)._replace(scale=np.array([-1e-12]))
    assert value(vanishing, 0.0, 0.0) == -CTF_FLOOR


def test_even_aberrations_add_to_the_phase() -> None:
    plain = terms(2e4, 1e4, 12.0)
    phase = np.full((1, 1), 0.4)
    shifted = ctf_values(plain, np.array([[0.05]]), np.array([[0.02]]), phase)
    expected = ctf_values(plain._replace(offset=plain.offset + 0.4), np.array([[0.05]]), np.array([[0.02]]))
    np.testing.assert_allclose(shifted, expected, atol=1e-14)
