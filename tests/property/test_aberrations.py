"""Zernike polynomials: order, closed forms, orthogonality."""

from __future__ import annotations

import numpy as np
import pytest

from subtomo.physics.aberrations import aberration_phase, even_index, odd_index, zernike

R = np.linspace(0.0, 1.4, 15)
T = np.linspace(-3.0, 3.0, 15)
CLOSED_FORMS = {
    (0, 0): np.ones(15),
    (1, 1): R * np.cos(T),
    (-1, 1): R * np.sin(T),
    (-2, 2): R**2 * np.sin(2 * T),
    (0, 2): 2 * R**2 - 1,
    (2, 2): R**2 * np.cos(2 * T),
    (1, 3): (3 * R**3 - 2 * R) * np.cos(T),
    (-3, 3): R**3 * np.sin(3 * T),
    (0, 4): 6 * R**4 - 6 * R**2 + 1,
    (2, 4): (4 * R**4 - 3 * R**2) * np.cos(2 * T),
    (-1, 5): (10 * R**5 - 12 * R**3 + 3 * R) * np.sin(T),
    (0, 6): 20 * R**6 - 30 * R**4 + 12 * R**2 - 1,
}


def test_coefficients_stand_in_relions_order() -> None:
    assert [even_index(i) for i in range(9)] == [
        (0, 0), (-2, 2), (0, 2), (2, 2), (-4, 4), (-2, 4), (0, 4), (2, 4), (4, 4)
    ]  # fmt: skip
    assert [odd_index(i) for i in range(6)] == [(-1, 1), (1, 1), (-3, 3), (-1, 3), (1, 3), (3, 3)]


def test_every_polynomial_of_a_parity_has_exactly_one_index() -> None:
    even, odd = {even_index(i) for i in range(144)}, {odd_index(i) for i in range(132)}
    assert even == {(m, n) for n in range(0, 24, 2) for m in range(-n, n + 1, 2)}
    assert odd == {(m, n) for n in range(1, 23, 2) for m in range(-n, n + 1, 2)}


@pytest.mark.parametrize(("m", "n"), CLOSED_FORMS)
def test_polynomials_have_their_textbook_form_also_beyond_the_unit_disc(m: int, n: int) -> None:
    np.testing.assert_allclose(zernike(m, n, R, T), CLOSED_FORMS[m, n], atol=1e-12)


def test_polynomials_are_orthogonal_over_the_unit_disc() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(20)
    radius, angle = np.meshgrid((nodes + 1) / 2, np.arange(40) * np.pi / 20, indexing="ij")
    area = (weights[:, None] / 2) * radius * (np.pi / 20)
    indices = [even_index(i) for i in range(16)] + [odd_index(i) for i in range(12)]
    values = np.stack([zernike(m, n, radius, angle) for m, n in indices])
    products = np.einsum("irt,jrt,rt->ij", values, values, area)
    expected = [np.pi * (2 if m == 0 else 1) / (2 * n + 2) for m, n in indices]
    np.testing.assert_allclose(products, np.diag(expected), atol=1e-12)


def test_the_radius_is_the_frequency_in_inverse_angstroms() -> None:
    phase = aberration_phase(np.array([0.0, 0.0, 1.0]), 8, 2.5, even=True)
    assert phase.shape == (8, 5)
    assert phase[0, 0] == pytest.approx(-1.0)
    assert phase[7, 3] == pytest.approx(2 * (9 + 1) / 20.0**2 - 1)


@pytest.mark.parametrize("even", [True, False])
def test_phases_have_the_parity_of_their_series(even: bool) -> None:
    phase = aberration_phase(np.random.default_rng(1).normal(size=12), 10, 0.3, even=even)
    sign = 1.0 if even else -1.0
    np.testing.assert_allclose(phase[1:5, 0], sign * phase[-1:-5:-1, 0], atol=1e-12)


def test_no_coefficients_give_no_phase() -> None:
    assert not aberration_phase(np.zeros(0), 8, 1.0, even=True).any()
