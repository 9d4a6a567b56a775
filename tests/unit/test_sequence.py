"""Pseudo-subtomograms on demand."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram, TiltStack
from tests.helpers.builders import IMAGE_SIZE, PIXEL_SIZE, SETTINGS, particle_set, tilt_images, tomogram, tomogram_set
from tests.helpers.project import read_project, write_project


class CountedImages:
    """Images that remember which were asked for, and can fail; copies share their memory."""

    def __init__(self, n_tilts: int) -> None:
        self._images = tilt_images(n_tilts)
        self.asked_for: list[int] = []
        self.failing: set[int] = set()

    @property
    def shape(self) -> tuple[int, ...]:
        return self._images.shape

    def __getitem__(self, tilt: int, /) -> NDArray[Any]:
        self.asked_for.append(tilt)
        if tilt in self.failing:
            raise InputError(f"tilt {tilt} cannot be read")
        image: NDArray[Any] = self._images[tilt]
        return image


def volumes(sequence: PseudoSubtomograms) -> list[PseudoSubtomogram]:
    return [item for item in sequence if isinstance(item, PseudoSubtomogram)]


def assert_same(first: Extracted, second: Extracted) -> None:
    assert isinstance(first, PseudoSubtomogram)
    assert isinstance(second, PseudoSubtomogram)
    assert first.name == second.name
    np.testing.assert_array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.ctf2, second.ctf2)
    np.testing.assert_array_equal(first.multiplicity, second.multiplicity)


@pytest.fixture
def many() -> PseudoSubtomograms:
    tomograms = tomogram_set(tomogram("TS_1"), tomogram("TS_2"), tomogram("TS_3"))
    return PseudoSubtomograms(tomograms, particle_set(["TS_3", "TS_1", "TS_3", "TS_1", "TS_9"]), SETTINGS)


def test_nothing_is_read_or_written_until_an_item_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = CountedImages(5)
    sequence = PseudoSubtomograms(tomogram_set(tomogram(images=images)), particle_set(["TS_1"] * 3), SETTINGS)
    assert len(sequence) == 3
    assert images.asked_for == []
    visible = sequence[1].visible
    assert images.asked_for == np.flatnonzero(visible).tolist()
    assert list(tmp_path.iterdir()) == []


def test_items_come_in_the_order_of_the_plan(many: PseudoSubtomograms) -> None:
    assert many.plan.indices.tolist() == [1, 3, 0, 2]
    assert [item.particle for item in many] == [1, 3, 0, 2]
    assert [item.name for item in many] == ["TS_1/2", "TS_1/4", "TS_3/1", "TS_3/3"]


def test_what_is_left_out_is_told(many: PseudoSubtomograms) -> None:
    assert [(entry.name, entry.reason) for entry in many.plan.left_out] == [
        ("TS_9/5", "its tomogram is not in tomograms.star")
    ]


def test_it_indexes_like_a_list(many: PseudoSubtomograms) -> None:
    items = list(many)
    assert len(items) == len(many) == 4
    assert_same(many[-1], items[3])
    assert_same(many[-4], items[0])
    chosen = many[1:4:2]
    for item, expected in zip(chosen, [items[1], items[3]], strict=True):
        assert_same(item, expected)
    assert [item.name for item in many[::-1]] == [item.name for item in reversed(items)]
    assert list(many[4:]) == []


def test_slices_lists_masks_and_names_give_lazy_sequences() -> None:
    images = CountedImages(5)
    sequence = PseudoSubtomograms(tomogram_set(tomogram(images=images)), particle_set(["TS_1"] * 4), SETTINGS)
    some = [sequence[:3], sequence[[0, 1, 2]], sequence[np.array([True, True, True, False])], sequence[::-1][:0:-1]]
    some += [sequence[["TS_1/1", "TS_1/2", "TS_1/3"]]]
    assert images.asked_for == []
    for chosen in some:
        assert (len(chosen), list(chosen.item_names())) == (3, ["TS_1/1", "TS_1/2", "TS_1/3"])
        assert_same(chosen[-1], sequence[2])
        assert_same(chosen["TS_1/2"], sequence[1])
    assert [item.name for item in sequence[1:][1:]] == ["TS_1/3", "TS_1/4"]


def test_a_name_that_no_item_has_is_a_key_error_with_the_nearest(many: PseudoSubtomograms) -> None:
    with pytest.raises(KeyError, match=r"no item 'TS_1/22', did you mean TS_1/2\?"):
        many["TS_1/22"]


def test_files_are_taken_where_sets_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    tomograms, particles = read_project(tmp_path)
    by_name = PseudoSubtomograms("tomograms.star", Path("particles.star"), SETTINGS)
    assert_same(by_name[0], PseudoSubtomograms(tomograms, particles, SETTINGS)[0])


@pytest.mark.parametrize("index", [4, -5, 100])
def test_an_index_beyond_the_end_is_an_index_error(many: PseudoSubtomograms, index: int) -> None:
    with pytest.raises(IndexError, match=f"item {index} of 4: numbers run from 0 to 3"):
        many[index]


def test_an_item_keeps_its_values_while_others_are_computed(many: PseudoSubtomograms) -> None:
    first = many[0]
    assert isinstance(first, PseudoSubtomogram)
    kept = replace(first, data=first.data.copy(), ctf2=first.ctf2.copy(), multiplicity=first.multiplicity.copy())
    list(many)
    assert_same(first, kept)


def test_threads_give_the_same_bits_in_any_order(many: PseudoSubtomograms) -> None:
    expected = list(many)
    order = [2, 0, 3, 1] * 6
    with ThreadPoolExecutor(4) as pool:
        for i, item in zip(order, pool.map(many.__getitem__, order), strict=True):
            assert_same(item, expected[i])


def test_items_say_what_they_are(many: PseudoSubtomograms) -> None:
    item = many[0]
    assert isinstance(item, PseudoSubtomogram)
    assert item.data.shape == (16, 16, 16)
    assert item.ctf2.shape == item.multiplicity.shape == (16, 16, 9)
    assert item.data.dtype == item.ctf2.dtype == item.multiplicity.dtype == np.float32
    assert item.pixel_size_angstrom == PIXEL_SIZE
    assert item.visible.tolist() == [True] * 5
    np.testing.assert_allclose(item.orientation @ item.orientation.T, np.eye(3), atol=1e-14)


def test_stacks_hold_the_visible_tilts_in_their_order() -> None:
    settings = replace(SETTINGS, output=Output.STACK_2D, max_dose_e_per_a2=6.0)
    item = PseudoSubtomograms(tomogram_set(), particle_set(["TS_1"]), settings)[0]
    assert isinstance(item, TiltStack)
    assert item.visible.tolist() == (tomogram().tilts.dose_e_per_a2 <= 6.0).tolist()
    assert item.images.shape == (item.visible.sum(), 16, 16)
    everything = PseudoSubtomograms(tomogram_set(), particle_set(["TS_1"]), replace(settings, max_dose_e_per_a2=None))
    full = everything[0]
    assert isinstance(full, TiltStack)
    # the transform of several images together may round otherwise than that of one
    np.testing.assert_allclose(item.images, full.images[item.visible], atol=1e-6)


def test_a_bright_spot_comes_out_in_the_middle_of_the_volume() -> None:
    particles = particle_set(["TS_1"], [[13.0, -7.0, 9.0]])
    settings = ExtractionSettings(24, 16, apply_ctf=False)
    empty = PseudoSubtomograms(tomogram_set(), particles, settings).plan.series[0]
    x, y = np.moveaxis(empty.image_positions_px[0], -1, 0)[..., None, None]
    row, column = np.mgrid[: IMAGE_SIZE[1], : IMAGE_SIZE[0]]
    spots = -np.exp(-((column - x) ** 2 + (row - y) ** 2) / 4.0).astype(np.float32)
    (item,) = volumes(PseudoSubtomograms(tomogram_set(tomogram(images=spots)), particles, settings))
    assert np.unravel_index(item.data.argmax(), item.data.shape) == (8, 8, 8)


def test_a_failed_item_leaves_no_trace_in_the_next() -> None:
    n_tilts = 40
    images, particles = CountedImages(n_tilts), particle_set(["TS_1"] * 2)
    sequence = PseudoSubtomograms(tomogram_set(tomogram(n_tilts=n_tilts, images=images)), particles, SETTINGS)
    expected = sequence[1]
    images.failing.add(n_tilts - 1)
    with pytest.raises(InputError, match="cannot be read"):
        sequence[0]
    images.failing.clear()
    assert_same(sequence[1], expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("output", [Output.PSEUDO_SUBTOMOGRAM, Output.STACK_2D])
def test_a_bad_pixel_is_named_and_other_particles_are_unharmed(bad: float, output: Output) -> None:
    settings = replace(SETTINGS, output=output)
    particles = particle_set(["TS_1"] * 2, [[-100, -80, 0], [100, 80, 0]])
    images = tilt_images(5)
    sequence = PseudoSubtomograms(tomogram_set(tomogram(images=images)), particles, settings)
    x, y = sequence.plan.series[0].image_positions_px[0, 2].astype(int)
    images[2, y, x] = bad
    with pytest.raises(InputError, match=rf"particle TS_1/1: tilt 3 of tomogram TS_1 \(TS_1\.star.* x {x}, y {y} "):
        sequence[0]
    unharmed = sequence[1]
    array = unharmed.images if isinstance(unharmed, TiltStack) else unharmed.data
    assert np.isfinite(array).all()


def test_a_bad_pixel_is_no_reason_to_whiten_a_tilt_away() -> None:
    images = tilt_images(5)
    images[2, 0, 0] = np.nan
    particles = particle_set(["TS_1"], [[60, 30, 0]])
    sequence = PseudoSubtomograms(tomogram_set(tomogram(images=images)), particles, replace(SETTINGS, whiten=True))
    with pytest.raises(InputError, match="tilt 3 of tomogram TS_1"):
        sequence[0]


def test_a_pickled_sequence_gives_the_same_items(many: PseudoSubtomograms) -> None:
    expected = many[0]
    copy = pickle.loads(pickle.dumps(many))
    assert_same(copy[0], expected)


class UncopyableImages(CountedImages):
    """Images like those of an open HDF5 file."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> str:
        raise TypeError("cannot be pickled or copied")


def test_images_need_no_more_than_a_shape_and_an_index() -> None:
    particles = particle_set(["TS_1"])
    usual = PseudoSubtomograms(tomogram_set(tomogram(images=tilt_images(5))), particles, SETTINGS)
    unusual = PseudoSubtomograms(tomogram_set(tomogram(images=UncopyableImages(5))), particles, SETTINGS)
    assert_same(unusual[0], usual[0])


def test_a_tomogram_without_images_is_refused_by_name() -> None:
    geometry_only = replace(tomogram(), images=None)
    sequence = PseudoSubtomograms(tomogram_set(geometry_only), particle_set(["TS_1"]), SETTINGS)
    with pytest.raises(InputError, match="tomogram TS_1: its images were not opened"):
        sequence[0]


def test_images_of_another_shape_than_the_tomogram_says_are_refused() -> None:
    turned = np.ascontiguousarray(tilt_images(5).transpose(0, 2, 1))
    sequence = PseudoSubtomograms(tomogram_set(tomogram(images=turned)), particle_set(["TS_1"]), SETTINGS)
    with pytest.raises(InputError, match="tomogram TS_1"):
        sequence[0]


def test_whitening_with_images_smaller_than_the_patch_is_refused() -> None:
    settings = ExtractionSettings(100, 16, whiten=True)
    with pytest.raises(InputError, match=r"tomogram TS_1.*110 x 90 pixels.*blocks of 100"):
        PseudoSubtomograms(tomogram_set(), particle_set(["TS_1"]), settings)[0]


def test_projections_of_reconstructions_are_not_given_as_pseudo_subtomograms() -> None:
    settings = replace(SETTINGS, output=Output.PROJECTIONS)
    with pytest.raises(InputError, match="TS_1 has no reconstruction"):
        PseudoSubtomograms(tomogram_set(), particle_set(["TS_1"]), settings)[0]
