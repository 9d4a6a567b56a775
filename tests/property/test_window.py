"""Soft masks and RELION's pre-correction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from subtomo.physics.window import centre_distance, circle_crop_window, gridding_precorrection, soft_disc


@pytest.mark.parametrize("ndim", [2, 3])
def test_distances_count_from_half_the_size(ndim: int) -> None:
    distance = centre_distance(7, ndim)
    assert distance.shape == (7,) * ndim
    assert distance[(3,) * ndim] == 0.0
    assert distance[(0,) * ndim] == pytest.approx(3 * math.sqrt(ndim))


def test_the_mask_is_a_raised_cosine_over_the_falloff() -> None:
    radii = np.array([0.0, 4.9, 5.0, 7.5, 9.0, 10.0, 11.0])
    expected = [1.0, 1.0, 1.0, 0.5, 0.5 - 0.5 * math.cos(math.pi / 5), 0.0, 0.0]
    np.testing.assert_allclose(soft_disc(radii, 10.0, 5.0), expected, atol=1e-15)


def test_masks_fall_steadily() -> None:
    values = soft_disc(np.linspace(0, 20, 500), 12.0, 5.0)
    assert (np.diff(values) <= 1e-15).all()
    assert values.min() == 0.0
    assert values.max() == 1.0


@pytest.mark.parametrize(("size", "boundary"), [(24, 0), (24, 4), (45, 0)])
def test_the_background_is_what_lies_strictly_outside_the_circle(size: int, boundary: int) -> None:
    mask, background = circle_crop_window(size, boundary)
    radius, middle = size // 2 - boundary, size // 2
    assert not mask[background].any()
    assert background[0, 0]
    assert not background[middle, middle - radius]
    assert mask[middle, middle - radius] == 0.0
    assert mask[middle, middle] == 1.0


def test_pre_correction_follows_relions_formula() -> None:
    factor = gridding_precorrection(20, 2)
    assert factor[10, 10] == 1.0
    assert factor[10, 13] == pytest.approx(3 / math.sin(3 * math.pi / 8))
    assert factor[14, 13] == pytest.approx(5 / math.sin(5 * math.pi / 8))
    assert factor[10, 17] == 0.0, "seven pixels out is not below the radius minus one"
