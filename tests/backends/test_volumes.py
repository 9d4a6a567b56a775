"""The verbs of volumes: transforms looked up anywhere, rotation, statistics; against slow formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from subtomo.backends.registry import volume_backend
from subtomo.backends.volumes import AnyVolumeBackend, VolumeBackend
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.window import centre_distance, insertion_envelope, soft_disc

SIZE = 16
MATRIX = euler_to_matrix(np.array([25.0, 70.0, -130.0]))
OFFSET = np.array([1.3, -0.6, 0.4])


@pytest.fixture(params=["cpu", "reference", "small"])
def verbs(request: pytest.FixtureRequest, small_backend: None) -> AnyVolumeBackend:
    return volume_backend(request.param)


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
def test_values_are_those_of_the_exact_transform(verbs: AnyVolumeBackend, radius: float, error: float) -> None:
    volume, k = noise(radius), frequencies()
    p = k @ MATRIX.T
    exact = direct_transform(volume, p) * np.exp(-2j * np.pi * (p @ OFFSET) / SIZE)
    exact[(k**2).sum(axis=1) >= SIZE**2 / 4] = 0
    found = verbs.rotated(verbs.spectrum(volume), MATRIX, OFFSET).ravel()
    assert np.abs(found - exact).max() < error * np.abs(exact).max()


def test_no_rotation_gives_the_transform_itself(verbs: AnyVolumeBackend) -> None:
    volume = noise(8.0)
    plain = np.fft.rfftn(np.fft.ifftshift(volume))
    k = frequencies().reshape(*plain.shape, 3)
    plain[(k**2).sum(axis=3) >= SIZE**2 / 4] = 0
    assert np.abs(verbs.rotated(verbs.spectrum(volume), np.eye(3)) - plain).max() < 0.02 * np.abs(plain).max()


def test_a_transform_of_mirrored_frequencies_is_the_conjugate(verbs: AnyVolumeBackend) -> None:
    found = verbs.rotated(verbs.spectrum(noise(6.0)), MATRIX, OFFSET)[:, :, 0]
    mirror = -np.arange(SIZE) % SIZE
    np.testing.assert_allclose(found, found[mirror][:, mirror].conj(), atol=1e-4 * np.abs(found).max())


def test_damping_is_undone_before_turning(verbs: AnyVolumeBackend) -> None:
    volume, damping = noise(6.0), insertion_envelope(SIZE)
    plain, undone = verbs.spectrum(volume), verbs.spectrum(volume * damping, damping)
    np.testing.assert_allclose(verbs.rotated(plain, MATRIX), verbs.rotated(undone, MATRIX), atol=1e-3)


def test_weights_are_interpolated_trilinearly_and_stay_positive(verbs: AnyVolumeBackend) -> None:
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
    found = verbs.rotated_weights(weights, MATRIX)
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    assert (found >= 0).all()


def points() -> NDArray[np.float64]:
    """List points anywhere, the axes and the planes between halves among them."""
    anywhere = np.random.default_rng(4).uniform(-SIZE / 2, SIZE / 2, (300, 3))
    special = np.array([[0.0, 0.0, 0.0], [0.0, 2.3, -1.1], [-0.2, 7.5, 0.0], [7.9, 0.3, 0.1], [-3.0, -2.0, 1.0]])
    return np.concatenate([special, anywhere])


@pytest.mark.parametrize(("radius", "error"), [(4.0, 2e-3), (8.0, 2e-2)])
def test_samples_are_those_of_the_exact_transform_and_zero_beyond_nyquist(
    verbs: AnyVolumeBackend, radius: float, error: float
) -> None:
    volume, p = noise(radius), points()
    exact = direct_transform(volume, p)
    exact[(p**2).sum(axis=1) >= SIZE**2 / 4] = 0
    found = verbs.sample(verbs.spectrum(volume), p)
    assert np.abs(found.values - exact).max() < error * np.abs(exact).max()
    assert found.gradient.shape == (0, 3)


def test_gradients_are_those_of_finite_differences(verbs: AnyVolumeBackend) -> None:
    p = points()
    # steps across Nyquist would say nothing
    p = p[((p**2).sum(axis=1) < 0.9 * SIZE**2 / 4)]
    spectrum, step = verbs.spectrum(noise(5.0)), 1e-3
    plain, found = verbs.sample(spectrum, p), verbs.sample(spectrum, p, gradient=True)
    np.testing.assert_array_equal(found.values, plain.values)
    for axis in range(3):
        off = step * np.eye(3)[axis]
        there, back = verbs.sample(spectrum, p + off).values, verbs.sample(spectrum, p - off).values
        slopes = (there - back) / (2.0 * step)
        assert np.abs(found.gradient[:, axis] - slopes).max() < 1e-4 * np.abs(slopes).max()


def test_gradients_of_interpolation_are_near_those_of_the_exact_transform() -> None:
    p, volume = points(), noise(4.0)
    ours, exact = (
        verbs.sample(verbs.spectrum(volume), p, gradient=True).gradient
        for verbs in (volume_backend("cpu"), volume_backend("reference"))
    )
    assert np.abs(ours - exact).max() < 1e-2 * np.abs(exact).max()


def test_rotating_is_sampling_at_rotated_frequencies() -> None:
    verbs, volume = volume_backend("cpu"), noise(8.0)
    spectrum = verbs.spectrum(volume)
    for offset in (None, OFFSET):
        fused, sampled = verbs.rotated(spectrum, MATRIX, offset), VolumeBackend.rotated(verbs, spectrum, MATRIX, offset)
        np.testing.assert_allclose(fused, sampled, atol=1e-5 * np.abs(sampled).max())


def test_a_sum_of_rotated_volumes_is_that_of_their_waves(verbs: AnyVolumeBackend) -> None:
    """Volumes are periodic here, and the frequencies those of the grid that they have before they are turned."""
    rng, k = np.random.default_rng(5), frequencies()
    volumes = rng.normal(size=(2, SIZE, SIZE, SIZE)).astype(np.float32)
    weights, factor = rng.exponential(size=(2, SIZE, SIZE, SIZE // 2 + 1)).astype(np.float32)
    mirror = -np.arange(SIZE) % SIZE
    factor[:, :, 0] += factor[mirror][:, mirror, 0]
    matrices, offsets = (MATRIX, MATRIX.T @ MATRIX.T), (OFFSET, -2 * OFFSET)
    total, expected = verbs.rotated_sum(SIZE), np.zeros((SIZE,) * 3)
    coordinate = np.arange(SIZE) - SIZE // 2
    shares = np.where((k[:, 0] == 0), 1.0, 2.0) * ((k**2).sum(axis=1) < SIZE**2 / 4)
    for number in range(2):
        total.add(volumes[number], factor if number else None, weights, matrices[number], offsets[number])
        values = direct_transform(volumes[number], k) * (factor.ravel() if number else 1.0)
        values *= shares * np.exp(-2j * np.pi * (k @ offsets[number]) / SIZE)
        waves = [np.exp(2j * np.pi * np.outer((k @ matrices[number])[:, i], coordinate) / SIZE) for i in range(3)]
        expected += np.einsum("n,nx,ny,nz->zyx", values, *waves, optimize=True).real / SIZE**3
    found, found_weights = total.read()
    inside = centre_distance(SIZE, 3) < 0.42 * SIZE
    # what the kernel's grid folds in, most of it near the edge
    assert np.abs(found - expected)[inside].max() < 1e-3 * expected.std()
    assert np.abs(found - expected).max() < 2e-3 * expected.std()
    rotated = sum(verbs.rotated_weights(weights, matrix) for matrix in matrices)
    np.testing.assert_allclose(found_weights, rotated, atol=1e-5)
    assert not total.read()[0].any()


def test_statistics_are_the_same_in_every_backend(verbs: AnyVolumeBackend) -> None:
    values = np.random.default_rng(7).normal(100.0, 3.0, 5001).astype(np.float32)
    found, off = verbs.range_and_sums(values, float(values[0])), values.astype(np.float64) - float(values[0])
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    np.testing.assert_allclose((found.total, found.squares), (off.sum(), (off**2).sum()), rtol=1e-12)
