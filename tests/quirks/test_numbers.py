"""Quirks that show in the numbers, and the completeness of these tests; see subtomo.conventions.QUIRKS."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subtomo.backends.protocol import BoxGeometry, TiltFilters
from subtomo.backends.registry import get_backend
from subtomo.conventions import QUIRKS, integer_centre
from subtomo.errors import InputError, SettingsError
from subtomo.extraction.extractor import new_backend
from subtomo.extraction.filters import tilt_filters, with_aberrations
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.optics import OpticsGroup
from subtomo.model.settings import CircleCrop, ExtractionSettings
from subtomo.physics.aberrations import aberration_phase
from subtomo.physics.projection import project, projection_from_angles
from subtomo.physics.window import gridding_precorrection
from tests.helpers.builders import PIXEL_SIZE, SETTINGS, particle_set, tilt_series, tomogram, tomogram_set
from tests.helpers.options import on_the_command_line


def test_every_quirk_has_a_test_of_its_own() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = {int(number) for number in re.findall(r"def test_quirk_(\d+)_", source)}
    assert tested == {quirk.number for quirk in QUIRKS} == set(range(1, 21))


def test_quirk_1_odd_tomograms_are_half_a_pixel_off_centre() -> None:
    odd = (255, 240, 101)
    projection = projection_from_angles(np.zeros((1, 3)), np.zeros((1, 2)), (300, 300), odd)
    at_exact_centre = project(projection, np.array([[127.5, 120.0, 50.5]]))[0]
    np.testing.assert_allclose(at_exact_centre, [150.5, 150.0, 0.5])
    assert integer_centre(-999) == -499


def test_quirk_2_aberrations_use_the_pixel_size_of_the_first_group() -> None:
    zernike = np.array([0.1, -0.2, 3.0, 0.5])
    first, second = OpticsGroup("a", PIXEL_SIZE), OpticsGroup("b", 1.1 * PIXEL_SIZE, even_zernike=zernike)
    particles = replace(particle_set(["TS_1"]), optics_groups=(first, second))
    plan = plan_extraction(tomogram_set(), particles, SETTINGS).series[0]
    filters = with_aberrations(tilt_filters(plan, SETTINGS), second, particles, SETTINGS)
    assert filters.even_phase is not None
    np.testing.assert_array_equal(filters.even_phase, aberration_phase(zernike, 24, PIXEL_SIZE, even=True))


def test_quirk_3_whitening_multiplies_the_weight_once() -> None:
    settings = replace(SETTINGS, circle_crop=CircleCrop.NONE)
    plan = plan_extraction(tomogram_set(), particle_set(["TS_1"]), settings).series[0]
    filters = tilt_filters(plan, settings)
    factor = np.full(filters.dose_weights.shape, 3.0, np.float32)
    backend, tilts = new_backend(settings, "reference"), np.arange(2)
    slices = np.ones((2, 24, 13), complex)
    plain = backend.modulate(slices, tilts, filters, None)
    white = backend.modulate(slices, tilts, filters._replace(whitening=factor), None)
    np.testing.assert_allclose(white.slices, 3.0 * plain.slices)
    np.testing.assert_allclose(white.weights, 3.0 * plain.weights)


def test_quirk_5_gridding_precorrection_jumps_and_is_not_normalised() -> None:
    factor = gridding_precorrection(32, 4)
    assert factor[16, 16] == 1.0
    assert factor[16, 17] == pytest.approx(1.0 / np.sin(np.pi / 12.0))
    assert factor[16, 16 + 11] == 0.0


@pytest.mark.parametrize("name", ["cpu", "reference"])
@pytest.mark.parametrize("row", [0, 6])
def test_quirk_6_voxels_that_are_their_own_mirror_image_receive_everything_twice(name: str, row: int) -> None:
    """One pixel is inserted: at the origin, or where it meets the border of a smaller volume."""
    box, crop = 16, 12
    backend = new_backend(ExtractionSettings(box, crop, circle_crop=CircleCrop.NONE), name)
    ones = np.ones((1, box, box // 2 + 1), np.float32)
    limits = np.zeros((1, box), np.int32)
    limits[0, row] = 1
    patches = backend.crop([np.ones((box, box), np.float32)], np.zeros((1, 2), np.int64))
    slices = backend.transform(patches, np.full((1, 2), box / 2))
    modulated = backend.modulate(slices, np.arange(1), TiltFilters(1.0, ones, limits, 1.0), None)
    sums = backend.trilinear()
    sums.insert(modulated, np.array([[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]]), limits)
    ctf2, multiplicity = np.split(backend.to_volume(sums.spectra()).weights, 2)
    for half in (ctf2, multiplicity):
        assert half[0, row, 0] == pytest.approx(2.0)
        assert half.sum() == pytest.approx(2.0)


def test_quirk_7_odd_patches_lack_a_column_and_shift_with_another_width() -> None:
    odd, even = BoxGeometry(45, 30, 22, 1.5), BoxGeometry(48, 32, 24, 1.5)
    assert (odd.n_columns, odd.half_box) == (15, 16)
    assert (even.n_columns, even.half_box) == (17, 17)
    patch = np.zeros((1, 45, 45))
    patch[0, 0, 0] = 45.0
    # one binned pixel from the centre of a box that is taken to be 28 pixels wide and 30 high
    slices = get_backend("reference")(odd).transform(patch, np.array([[14.0 + 1.0, 15.0]]))
    expected = np.exp(2j * np.pi * np.arange(15) / 28) / 1.5
    np.testing.assert_allclose(slices[0], np.tile([*expected, 0.0], (30, 1)), atol=1e-12)


def test_quirk_10_any_visible_tilts_count() -> None:
    dose = np.array([50.0, 60.0, 0.0, 70.0, 80.0])
    tilts = tilt_series(5, dose_e_per_a2=dose)
    particles = particle_set(["TS_1"], [[0.0, 0.0, 0.0]])
    settings = replace(SETTINGS, min_tilts=5)
    assert len(plan_extraction(tomogram_set(tomogram(tilts=tilts)), particles, settings)) == 1


def test_quirk_13_whitening_images_smaller_than_a_patch_is_refused() -> None:
    settings = ExtractionSettings(96, 16, whiten=True)
    particles = particle_set(["TS_1"], [[0.0, 0.0, 0.0]])
    plan = plan_extraction(tomogram_set(), particles, settings).series[0]
    with pytest.raises(InputError) as caught:
        tilt_filters(plan, settings)
    assert re.search(r"blocks of 96.*--whiten", on_the_command_line(caught.value))


def test_quirk_13_a_series_of_one_tilt_is_extracted() -> None:
    particles = particle_set(["TS_1"], [[0.0, 0.0, 0.0]])
    sequence = PseudoSubtomograms(tomogram_set(tomogram(n_tilts=1)), particles, SETTINGS)
    assert sequence[0].visible.tolist() == [True]
    assert sequence[0].multiplicity.any()


@pytest.mark.parametrize(("box", "crop"), [(31, 24), (32, 23), (24, 32)])
def test_quirk_14_odd_sizes_and_crops_beyond_the_box_are_refused(box: int, crop: int) -> None:
    with pytest.raises(SettingsError) as caught:
        ExtractionSettings(box, crop)
    assert re.search(r"--crop|--b", on_the_command_line(caught.value))
