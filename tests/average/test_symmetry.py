"""Point groups: order, closure, and where the axes are."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.averaging.average import AverageSums
from subtomo.backends.registry import volume_backend
from subtomo.errors import SettingsError
from subtomo.physics.fsc import shell_correlation
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.symmetry import rotation_group
from subtomo.physics.window import centre_distance, soft_disc
from tests.average.project import density
from tests.helpers.options import on_the_command_line

GOLDEN = (1 + 5**0.5) / 2
ORDERS = {
    "C1": 1,
    "C2": 2,
    "c7": 7,
    "D1": 2,
    "D2": 4,
    "D7": 14,
    "T": 12,
    "O": 24,
    "I1": 60,
    "I2": 60,
    "I3": 60,
    "I4": 60,
}


def has_axis(group: NDArray[np.float64], fold: int, axis: tuple[float, float, float]) -> bool:
    """Tell whether a group turns by 1/fold of a circle about an axis, and by no smaller part."""
    unit = np.array(axis) / np.linalg.norm(axis)
    about = group[np.isclose(group @ unit, unit, atol=1e-9).all(axis=1)]
    return len(about) == fold


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_groups_are_closed_and_have_their_order(name: str, order: int) -> None:
    group = rotation_group(name)
    assert group.shape == (order, 3, 3)
    np.testing.assert_allclose(group[0], np.eye(3))
    np.testing.assert_allclose(np.linalg.det(group), 1.0)
    products = (group[:, None] @ group).reshape(-1, 1, 3, 3)
    nearest = np.abs(products - group).max(axis=(2, 3)).min(axis=1)
    assert nearest.max() < 1e-9
    distances = np.abs(group[:, None] - group).max(axis=(2, 3)) + np.eye(order)
    assert distances.min() > 1e-3


@pytest.mark.parametrize(
    ("name", "fold", "axis"),
    [
        ("C5", 5, (0, 0, 1)),
        ("D3", 3, (0, 0, 1)),
        ("D3", 2, (1, 0, 0)),
        ("T", 3, (0, 0, 1)),
        ("T", 2, (0, 0.816496, 0.577350)),
        ("O", 4, (1, 0, 0)),
        ("O", 4, (0, 1, 0)),
        ("O", 4, (0, 0, 1)),
        ("I1", 2, (1, 0, 0)),
        ("I1", 2, (0, 0, 1)),
        ("I1", 5, (0, 1, GOLDEN)),
        ("I1", 3, (1, 0, GOLDEN**2)),
        ("I2", 2, (0, 1, 0)),
        ("I2", 5, (1, 0, GOLDEN)),
        ("I2", 3, (0, 1, GOLDEN**2)),
        ("I3", 5, (0, 0, 1)),
        ("I3", 2, (0, 1, 0)),
        ("I3", 5, (-2, 0, 1)),
        ("I4", 5, (0, 0, 1)),
        ("I4", 2, (0, 1, 0)),
        ("I4", 5, (2, 0, 1)),
    ],
)
def test_axes_are_where_relion_puts_them(name: str, fold: int, axis: tuple[float, float, float]) -> None:
    assert has_axis(rotation_group(name), fold, axis)


def test_i_alone_is_i2() -> None:
    np.testing.assert_array_equal(rotation_group("I"), rotation_group("I2"))


@pytest.mark.parametrize("name", ["", "C", "C0", "D0", "C-1", "I5", "Cs", "D3h", "C1.5", "C3 ; ls", "X", "C99999"])
def test_what_is_no_group_of_rotations_is_refused_with_the_names_of_those_that_are(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        rotation_group(name)
    assert re.search(r"--sym.*I1 to I4", on_the_command_line(caught.value, "average"))


@pytest.mark.parametrize("name", ["C3", "D2", "T", "I1"])
def test_a_symmetrised_sum_is_symmetric_and_keeps_what_was(name: str) -> None:
    group = rotation_group(name)
    atoms = np.concatenate([rotation @ np.array([[5.0, 2.0, 4.0]]).T for rotation in group], axis=1).T
    truth = density(atoms)
    noise = np.random.default_rng(1).normal(0.0, 0.3 * truth.std(), truth.shape)
    noise *= soft_disc(centre_distance(len(truth), 3), 11.0, 3.0)
    sums = AverageSums(len(truth))
    ctf2 = np.abs(np.fft.rfftn(truth)).astype(np.float32) + 1.0
    sums.add(np.fft.rfftn(np.fft.ifftshift(truth + noise)), ctf2)
    better = sums.symmetrised(group)
    volume = better.data()
    verbs = volume_backend()
    spectrum = verbs.rotated(verbs.spectrum(volume), group[-1])
    turned = np.fft.irfftn(spectrum, s=volume.shape, axes=(0, 1, 2))
    assert (shell_correlation(np.fft.fftshift(turned), volume)[1:7] > 0.99).all()
    before, after = (shell_correlation(sum_.data(), truth)[1:7] for sum_ in (sums, better))
    assert after.mean() > before.mean()
    assert after.min() > 0.95
    assert (better.ctf2 >= 0).all()


def test_the_wrong_symmetry_smears_the_map() -> None:
    truth = density(
        np.concatenate([euler_to_matrix(np.array([120.0 * i, 0, 0])) @ [[6.0], [1], [3]] for i in range(3)], 1).T
    )
    sums = AverageSums(len(truth))
    sums.add(np.fft.rfftn(np.fft.ifftshift(truth)), np.ones((24, 24, 13), np.float32))
    right, wrong = (shell_correlation(sums.symmetrised(rotation_group(name)).data(), truth) for name in ("C3", "C4"))
    assert right[1:9].min() > 0.99
    assert wrong[1:9].min() < 0.7
