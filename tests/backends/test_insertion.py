"""Insertion as a linear operator: its adjoint is interpolation, and its result is Hermitian."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.backends.protocol import AnyBackend, BoxGeometry, TiltFilters
from subtomo.backends.registry import get_backend
from subtomo.backends.spectra import FourierVolume, Scaled
from subtomo.errors import SettingsError
from subtomo.physics.dose import insertion_limits
from subtomo.physics.frequency import wrapped_index
from subtomo.physics.orientation import euler_to_matrix

Float = NDArray[np.float64]

N_TILTS = 3
BOX = 16
each = pytest.mark.parametrize("name", ["cpu", "reference", "small"])
crops = pytest.mark.parametrize("crop", [16, 10])


def make_backend(name: str, crop: int = BOX) -> AnyBackend:
    return get_backend(name)(BoxGeometry(BOX, BOX, crop, 1.0))


def random_axes(crop: int = BOX, *, stretch: float = 1.0) -> Float:
    angles = np.random.default_rng(5).uniform(-180, 180, (N_TILTS, 3))
    return euler_to_matrix(angles)[:, :2] * (stretch * crop / BOX)


def random_images(seed: int) -> Float:
    return np.random.default_rng(seed).normal(size=(N_TILTS, BOX, BOX))


def filters() -> TiltFilters:
    ones = np.ones((N_TILTS, BOX, BOX // 2 + 1), np.float32)
    return TiltFilters(1.0, ones, insertion_limits(ones, 0.01), 1.0)


def modulated(backend: AnyBackend, images: Float) -> Any:
    """Bring images of the box's size through the verbs; their centre is the particle."""
    patches = backend.crop(list(images.astype(np.float32)), np.zeros((N_TILTS, 2), np.int64))
    slices = backend.transform(patches, np.full((N_TILTS, 2), BOX / 2))
    return backend.modulate(slices, np.arange(N_TILTS), filters(), None)


def inserted(name: str, images: Float, axes: Float, crop: int = BOX) -> FourierVolume:
    backend = make_backend(name, crop)
    backend.trilinear().insert(modulated(backend, images), axes, filters().limits)
    return finished(backend)


def finished(backend: AnyBackend) -> FourierVolume:
    return backend.to_volume(backend.trilinear().spectra())


def pixels() -> tuple[Float, Float]:
    """List x and y of all pixels that are inserted, straight from §7.1."""
    found = [
        (float(x), float(y))
        for row, y in enumerate(wrapped_index(BOX))
        for x in range(0 if row < BOX // 2 else 1, BOX // 2 + 1)
        if x * x + y * y <= BOX * BOX // 4
    ]
    x, y = np.array(found).T
    return x, y


def interpolated(volume: Float, u: Float, v: Float) -> NDArray[np.complex128]:
    """Gather what insertion spreads: trilinear interpolation of the volume's transform at the inserted pixels."""
    c = len(volume)
    spectrum = np.fft.fftn(np.fft.ifftshift(volume)) / np.sqrt(c**3)
    x, y = pixels()
    points = x[:, None] * u + y[:, None] * v
    mirrored = points[:, 0] < 0
    points[mirrored] *= -1
    values = np.zeros(len(points), np.complex128)
    for corner in product((0, 1), repeat=3):
        node = np.floor(points) + corner
        share = np.linalg.norm(u) * np.linalg.norm(v) * np.prod(1 - np.abs(points - node), axis=1)
        inside = (node[:, 0] <= c // 2) & (node[:, 1:] >= -c / 2).all(axis=1) & (node[:, 1:] < c / 2).all(axis=1)
        # the half transform stands for two voxels, except at Nyquist
        share = share * np.where(node[:, 0] == c // 2, 1.0, 2.0)
        at = node.astype(int) % c
        values += np.where(inside, share * spectrum[at[:, 2], at[:, 1], at[:, 0]], 0.0)
    return np.where(mirrored, values.conj(), values)


@each
@crops
@pytest.mark.parametrize("stretch", [1.0, 0.8, 1.2])
def test_the_adjoint_of_insertion_is_interpolation(name: str, crop: int, stretch: float) -> None:
    images, axes = random_images(1), random_axes(crop, stretch=stretch)
    other = np.random.default_rng(2).normal(size=(crop,) * 3)
    left = float((inserted(name, images, axes, crop).data.astype(np.float64) * other).sum())
    spectra = np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))) / BOX
    x, y = (values.astype(int) for values in pixels())
    gathered = [interpolated(other, u, v) for u, v in axes]
    right = sum(
        float((spectrum[y, x].conj() * values).sum().real) for spectrum, values in zip(spectra, gathered, strict=True)
    )
    assert left == pytest.approx(right, rel=1e-4, abs=1e-4)


@each
@crops
def test_insertion_is_linear(name: str, crop: int) -> None:
    first, second, axes = random_images(3), random_images(4), random_axes(crop)
    both_at_once = inserted(name, 2.0 * first - 0.5 * second, axes, crop).data
    apart = 2.0 * inserted(name, first, axes, crop).data - 0.5 * inserted(name, second, axes, crop).data
    np.testing.assert_allclose(both_at_once, apart, atol=3e-6 * np.abs(apart).max())


@each
def test_inserting_twice_doubles_everything(name: str) -> None:
    backend, images, axes = make_backend(name), random_images(5), random_axes()
    for _ in range(2):
        backend.trilinear().insert(modulated(backend, images), axes, filters().limits)
    twice, once = finished(backend), inserted(name, images, axes)
    np.testing.assert_allclose(twice.data, 2 * once.data, atol=3e-6 * np.abs(twice.data).max())
    np.testing.assert_allclose(twice.weights, 2 * once.weights, atol=3e-6 * twice.weights.max())


@each
@crops
def test_the_plane_that_holds_both_halves_is_symmetric(name: str, crop: int) -> None:
    weights = inserted(name, random_images(6), random_axes(crop), crop).weights
    mirror = -np.arange(crop) % crop
    for half in (weights[:crop], weights[crop:]):
        plane = half[:, :, 0]
        np.testing.assert_allclose(plane, plane[mirror][:, mirror], rtol=1e-6)


@each
def test_a_slice_on_the_grid_touches_each_voxel_once_and_the_origin_twice(name: str) -> None:
    axes = np.tile(np.eye(3)[:2], (N_TILTS, 1, 1))
    multiplicity = inserted(name, random_images(7), axes).weights[BOX:] / N_TILTS
    x, y = np.arange(BOX // 2 + 1), wrapped_index(BOX)[:, None]
    expected = (x**2 + y**2 <= BOX**2 / 4).astype(float)
    # the row at minus Nyquist is out, and with it its only pixel
    expected[BOX // 2, 0] = 0.0
    expected[0, 0] = 2.0
    np.testing.assert_allclose(multiplicity[0], expected, atol=1e-6)
    assert not multiplicity[1:].any()


@each
@crops
def test_shares_of_all_voxels_add_up_to_the_number_of_pixels(name: str, crop: int) -> None:
    low_pass = filters()
    limits = np.minimum(low_pass.limits, 5)
    limits[:, 5:-4] = 0
    backend, axes = make_backend(name, crop), random_axes(crop)
    backend.trilinear().insert(modulated(backend, random_images(8)), axes, limits)
    weights = finished(backend).weights.astype(np.float64)
    row, column = np.arange(BOX)[:, None], np.arange(BOX // 2 + 1)
    visited = (column < limits[0][:, None]) & ((column > 0) | (row < BOX // 2))
    expected = N_TILTS * visited.sum() * (crop / BOX) ** 2
    for half in (weights[:crop], weights[crop:]):
        assert half[:, :, 1:].sum() + half[:, :, 0].sum() / 2 == pytest.approx(expected, rel=1e-5)


@each
def test_the_data_scale_multiplies_data_only(name: str) -> None:
    backend, images, axes = make_backend(name), random_images(9), random_axes()
    backend.trilinear().insert(modulated(backend, images), axes, filters().limits)
    scaled = backend.to_volume(backend.apply(backend.trilinear().spectra(), Scaled(2.5)))
    plain = inserted(name, images, axes)
    np.testing.assert_allclose(scaled.data, 2.5 * plain.data, atol=3e-6 * np.abs(scaled.data).max())
    np.testing.assert_allclose(scaled.weights, plain.weights)


@each
def test_finishing_starts_a_new_volume_and_gives_the_old_one_away(name: str) -> None:
    backend, axes = make_backend(name), random_axes()
    backend.trilinear().insert(modulated(backend, random_images(10)), axes, filters().limits)
    first = finished(backend)
    kept = first.data.copy(), first.weights.copy()
    backend.trilinear().insert(modulated(backend, random_images(11)), axes, filters().limits)
    second = finished(backend)
    np.testing.assert_array_equal(first.data, kept[0])
    np.testing.assert_array_equal(first.weights, kept[1])
    np.testing.assert_array_equal(second.data, inserted(name, random_images(11), axes).data)
    assert not finished(backend).data.any()


def test_both_backends_agree_where_a_stretched_slice_leaves_the_volume() -> None:
    for stretch in (1.01, 1.1, 1.5, 3.0):
        axes = random_axes(stretch=stretch)
        fast, slow = (inserted(name, random_images(12), axes) for name in ("cpu", "reference"))
        np.testing.assert_allclose(fast.weights, slow.weights, atol=2e-6 * slow.weights.max())
        np.testing.assert_allclose(fast.data, slow.data, atol=3e-6 * np.abs(slow.data).max())


def test_pixels_just_short_of_a_whole_voxel_beyond_the_volume_are_not_lost() -> None:
    axes = np.tile(np.eye(3)[:2], (N_TILTS, 1, 1)) * ((BOX / 2 + 0.9995) / (BOX / 2))
    fast, slow = (inserted(name, random_images(13), axes) for name in ("cpu", "reference"))
    np.testing.assert_allclose(fast.weights, slow.weights, atol=2e-6 * slow.weights.max())


def test_an_unknown_backend_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'gpu'.*cpu, reference"):
        get_backend("gpu")
