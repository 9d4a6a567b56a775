"""Transforms of planes against NumPy's in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.backends.cache import compiled_here

with compiled_here():
    from subtomo.backends.cpu.cubes import CubeToHalf, CubeToReal
    from subtomo.backends.cpu.lanes import RADICES
    from subtomo.backends.cpu.passes import column_plan, is_planned, row_plan
    from subtomo.backends.cpu.planes import ToHalf, ToReal, half_planes, pitch_of

FAST = (8, 16, 24, 32, 40, 56, 64, 72, 80, 96, 112, 120, 128, 144, 160, 192, 200, 224, 256, 360, 512, 1152)
SLOW = (6, 22, 90, 100, 104, 250)
MOST = 4e-7
"""Of the error, in units of the largest value; rounding of single precision gives a quarter of it."""


def planes(n: int, height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(height + width).standard_normal((n, height, width)).astype(np.float32)


def true_half(images: NDArray[np.float32]) -> NDArray[np.complex128]:
    return np.fft.rfft2(images.astype(np.float64), norm="ortho")


@pytest.mark.parametrize("size", FAST + SLOW)
def test_there_and_back(size: int) -> None:
    images, all_rows, half = planes(3, size, size), slice(0, size), size // 2 + 1
    there, back = ToHalf(size, size, all_rows, half), ToReal(size, size, all_rows, half)
    assert there.is_fast == back.is_fast == (size in FAST)
    spectra, found = there.half(3), np.empty_like(images)
    there.transform(images, spectra, half)
    expected = true_half(images)
    assert np.abs(spectra[..., :half] - expected).max() < MOST * np.abs(expected).max()
    spectra[..., :half] = expected
    back.transform(spectra, found)
    assert np.abs(found - images).max() < MOST * np.abs(images).max()


@pytest.mark.parametrize(("height", "width"), [(64, 96), (256, 40), (56, 128), (30, 64)])
def test_only_what_is_wanted(height: int, width: int) -> None:
    """Images that are black outside some rows, of whose transforms low frequencies are kept."""
    rows, n_columns = slice(height // 4, height // 4 + height // 2 + 1), width // 4 + 1
    wanted = np.r_[0 : height // 4, height - height // 4 : height]
    images = planes(2, height, width)
    images[:, : rows.start] = images[:, rows.stop :] = 0.0
    transform = ToHalf(height, width, rows, n_columns, wanted)
    spectra = transform.half(2)
    transform.transform(images[:, rows].copy(), spectra, n_columns)
    expected = true_half(images)[:, wanted, :n_columns]
    assert np.abs(spectra[:, : len(wanted), :n_columns] - expected).max() < MOST * np.abs(expected).max()
    # as many images, and fewer columns, than there is room for
    transform.transform(2.0 * images[:1, rows], spectra, 3)
    assert np.abs(spectra[0, : len(wanted), :3] - 2.0 * expected[0, :, :3]).max() < 2.0 * MOST * np.abs(expected).max()


@pytest.mark.parametrize("size", [64, 100, 256])
def test_only_some_rows_come_back(size: int) -> None:
    rows, half = slice(size // 4, size // 4 + size // 2 + 1), size // 2 + 1
    images = planes(2, size, size)
    spectra = half_planes(2, size, pitch_of(half))
    spectra[..., :half] = true_half(images)
    found = np.empty((2, rows.stop - rows.start, size), np.float32)
    ToReal(size, size, rows, half).transform(spectra, found)
    assert np.abs(found - images[:, rows]).max() < MOST * np.abs(images).max()


@pytest.mark.parametrize("size", [18, 48, 64, 80, 112])
def test_cubes(size: int) -> None:
    cube, half = planes(size, size, size), size // 2 + 1
    expected = np.fft.rfftn(cube.astype(np.float64), norm="ortho")
    there = CubeToHalf(size).transform(cube)
    assert np.abs(there[..., :half] - expected).max() < 2 * MOST * np.abs(expected).max()

    def fill(first: int, sections: NDArray[np.complex64]) -> None:
        sections[..., :half] = expected[first : first + len(sections)]

    found = np.empty_like(cube)
    CubeToReal(size).transform(fill, found)
    assert np.abs(found - cube).max() < 2 * MOST * np.abs(cube).max()


def test_parts_of_images_where_they_are() -> None:
    size, half = 64, 33
    image = planes(1, 150, 211)[0]
    image.flags.writeable = False
    corners = np.array([(3, 5), (211 - size, 150 - size)])
    transform = ToHalf(size, size, slice(0, size), half)
    spectra = transform.half(2)
    transform.transform_parts([image, image], corners, spectra)
    expected = true_half(np.stack([image[y : y + size, x : x + size] for x, y in corners]))
    assert np.abs(spectra[..., :half] - expected).max() < MOST * np.abs(expected).max()


def test_rows_in_blocks() -> None:
    size, half = 96, 49
    (image,) = planes(1, size, size)
    transform = ToHalf(size, size, slice(0, size), half)
    (spectrum,) = transform.half(1)
    for first in range(0, size, 40):
        transform.transform_rows(first, image[first : first + 40])
    transform.finish(spectrum)
    expected = true_half(image[None])[0]
    assert np.abs(spectrum[:, :half] - expected).max() < MOST * np.abs(expected).max()


def test_plans() -> None:
    for length in range(8, 2049, 8):
        rest = length
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        assert is_planned(length) == (rest == 1)
        if rest > 1:
            continue
        for (radices, *_), n in ((column_plan(length), length), (row_plan(length), length // 2)):
            assert np.prod(radices) == n
            assert set(radices.tolist()) <= set(RADICES)
        assert sorted(row_plan(length)[2].tolist()) == list(range(0, 8 * length, 16))
    assert not any(map(is_planned, (0, 4, 12, 88, 250)))
    # rows of half transforms do not lie a power of two apart
    assert [pitch_of(n) for n in (1, 9, 65, 129, 136, 137)] == [8, 24, 72, 136, 136, 152]
