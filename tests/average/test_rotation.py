"""Looking up transforms at rotated frequencies, against slow formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from subtomo.backends.rotation import FineTransform, rotated_weights
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.window import centre_distance, insertion_envelope, soft_disc

SIZE = 16
MATRIX = euler_to_matrix(np.array([25.0, 70.0, -130.0]))
OFFSET = np.array([1.3, -0.6, 0.4])


def frequencies() -> NDArray[np.float64]:
    """List (n, 3) frequencies x, y, z of the half transform."""
    z, y, x = np.meshgrid(wrapped_index(SIZE), wrapped_index(SIZE), half_index(SIZE), indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)


def direct_transform(volume: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Sum volume(s) exp(-2πi p · s / c) over all voxels, for every p."""
    coordinate = np.arange(SIZE) - SIZE // 2
    waves = [np.exp(-2j * np.pi * np.outer(points[:, axis], coordinate) / SIZE) for axis in range(3)]
    result: NDArray[np.complex128] = np.einsum("zyx,nx,ny,nz->n", volume, *waves, optimize=True)
    return result


def noise(radius: float) -> NDArray[np.float64]:
    volume = np.random.default_rng(2).normal(size=(SIZE,) * 3)
    return volume * soft_disc(centre_distance(SIZE, 3), radius, 2.0)


@pytest.mark.parametrize(("radius", "error"), [(4.0, 2e-3), (8.0, 2e-2)])
def test_values_are_those_of_the_exact_transform(radius: float, error: float) -> None:
    volume, k = noise(radius), frequencies()
    p = k @ MATRIX.T
    exact = direct_transform(volume, p) * np.exp(-2j * np.pi * (p @ OFFSET) / SIZE)
    exact[(k**2).sum(axis=1) >= SIZE**2 / 4] = 0
    found = FineTransform(volume).rotated(MATRIX, OFFSET).ravel()
    assert np.abs(found - exact).max() < error * np.abs(exact).max()


def test_no_rotation_gives_the_transform_itself() -> None:
    volume = noise(8.0)
    plain = np.fft.rfftn(np.fft.ifftshift(volume))
    k = frequencies().reshape(*plain.shape, 3)
    plain[(k**2).sum(axis=3) >= SIZE**2 / 4] = 0
    assert np.abs(FineTransform(volume).rotated(np.eye(3)) - plain).max() < 0.02 * np.abs(plain).max()


def test_a_transform_of_mirrored_frequencies_is_the_conjugate() -> None:
    found = FineTransform(noise(6.0)).rotated(MATRIX, OFFSET)[:, :, 0]
    mirror = -np.arange(SIZE) % SIZE
    np.testing.assert_allclose(found, found[mirror][:, mirror].conj(), atol=1e-4 * np.abs(found).max())


def test_damping_is_undone_before_turning() -> None:
    volume, damping = noise(6.0), insertion_envelope(SIZE)
    plain, undone = FineTransform(volume), FineTransform(volume * damping, damping)
    np.testing.assert_allclose(plain.rotated(MATRIX), undone.rotated(MATRIX), atol=1e-3)


def test_weights_are_interpolated_trilinearly_and_stay_positive() -> None:
    weights = np.random.default_rng(3).exponential(size=(SIZE, SIZE, SIZE // 2 + 1)).astype(np.float32)
    mirror = -np.arange(SIZE) % SIZE
    for column in (0, SIZE // 2):
        weights[:, :, column] += weights[mirror][:, mirror][:, :, column]
    full = np.zeros((SIZE + 1,) * 3)  # from -c/2 to c/2
    index = np.arange(-SIZE // 2, SIZE // 2 + 1)
    full[:, :, SIZE // 2 :] = weights[np.ix_(index % SIZE, index % SIZE)]
    full[:, :, : SIZE // 2] = weights[np.ix_(-index % SIZE, -index % SIZE)][:, :, :0:-1]
    k = frequencies()
    place = (k @ MATRIX.T)[:, ::-1].T + SIZE // 2
    expected = np.where((k**2).sum(axis=1) < SIZE**2 / 4, map_coordinates(full, place, order=1, mode="nearest"), 0)
    found = rotated_weights(weights, MATRIX)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    assert (found >= 0).all()
