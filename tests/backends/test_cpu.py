"""The fast backend, and the small one, compute what the reference computes, whatever the settings."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from subtomo.extraction.extractor import new_backend
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.optics import OpticsGroup
from subtomo.model.settings import CircleCrop, Cone, ExtractionSettings, Output
from subtomo.model.subtomogram import PseudoSubtomogram
from tests.backends.agreement import assert_backends_agree
from tests.helpers.builders import PIXEL_SIZE, SETTINGS, particle_set, tilt_images, tilt_series, tomogram, tomogram_set

CHANGES: dict[str, dict[str, Any]] = {
    "plain": {},
    "crop equals box": {"crop_size": 24},
    "binning 1.3": {"binning": 1.3, "box_size": 20},
    "binning 1.5, odd patch": {"binning": 1.5, "box_size": 30, "crop_size": 22},
    "binning 1.5, even patch": {"binning": 1.5, "box_size": 24},
    "binning 2": {"binning": 2.0},
    "binning 4": {"binning": 4.0, "box_size": 16, "crop_size": 10},
    "no CTF": {"apply_ctf": False},
    "contrast kept": {"invert_contrast": False},
    "no circle crop": {"circle_crop": CircleCrop.NONE},
    "no circle crop, crop equals box": {"circle_crop": CircleCrop.NONE, "crop_size": 24},
    "circle crop of patches": {"circle_crop": CircleCrop.PATCH},
    "both circle crops": {"circle_crop": CircleCrop.PATCH | CircleCrop.SLICE, "binning": 1.5},
    "pre-correction": {"gridding_precorrection": True},
    "pre-correction alone": {"gridding_precorrection": True, "circle_crop": CircleCrop.NONE},
    "whitening": {"whiten": True, "binning": 1.3},
    "orientations applied": {"apply_orientations": True},
    "cone": {"cone": Cone(20.0, 2.0)},
    "high cutoff": {"dose_cutoff": 0.6},
    "no cutoff": {"dose_cutoff": 0.0},
    "little dose": {"max_dose_e_per_a2": 6.0},
    "large box": {"box_size": 80, "crop_size": 32},
}
PARTICLES = particle_set(["TS_1"] * 2)
others = pytest.mark.parametrize("name", ["cpu", "small"])


@others
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_volumes_agree(change: dict[str, Any], name: str) -> None:
    assert_backends_agree(tomogram(), PARTICLES, replace(SETTINGS, **change), name)


@others
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_stacks_agree(change: dict[str, Any], name: str) -> None:
    assert_backends_agree(tomogram(), PARTICLES, replace(SETTINGS, output=Output.STACK_2D, **change), name)


@pytest.mark.parametrize(
    "name", ["plain", "binning 1.5, odd patch", "both circle crops", "no circle crop", "binning 4"]
)
@pytest.mark.parametrize("output", [Output.PSEUDO_SUBTOMOGRAM, Output.STACK_2D])
def test_the_stand_in_for_ducc0_agrees(stand_in: ModuleType, name: str, output: Output) -> None:
    assert stand_in.NAME == "scipy"
    assert_backends_agree(tomogram(), PARTICLES, replace(SETTINGS, output=output, **CHANGES[name]))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_images_of_every_type_agree(dtype: type) -> None:
    assert_backends_agree(tomogram(images=tilt_images(5, dtype)), PARTICLES, SETTINGS)


def test_images_that_are_read_only_or_strided_agree() -> None:
    images = np.repeat(tilt_images(5), 2, axis=2)[:, :, ::2]
    images.flags.writeable = False
    assert_backends_agree(tomogram(images=images), PARTICLES, SETTINGS)


@pytest.mark.parametrize("binning", [1.0, 1.5, 2.0])
def test_patches_that_stick_out_of_the_image_agree(binning: float) -> None:
    settings = ExtractionSettings(box_size=40, crop_size=8, binning=binning)
    corners = [[x, y, 0.0] for x in (-230.0, 230.0) for y in (-180.0, 180.0)]
    particles = particle_set(["TS_1"] * 4, corners)
    upright = tilt_series(3, projection=np.tile(np.eye(4), (3, 1, 1)))
    assert_backends_agree(tomogram(n_tilts=3, tilts=upright), particles, settings)


@pytest.mark.parametrize("n_tilts", [1, 16, 17, 37])
def test_any_number_of_tilts_agrees_whatever_the_batches(n_tilts: int) -> None:
    assert new_backend(SETTINGS).tilts_at_once == 16
    assert_backends_agree(tomogram(n_tilts=n_tilts), PARTICLES, SETTINGS)


CTFS: dict[str, dict[str, Any]] = {
    "strong astigmatism": {"defocus_u_angstrom": np.full(5, 30_000.0), "defocus_v_angstrom": np.full(5, 9_000.0)},
    "overfocus": {"defocus_u_angstrom": np.full(5, -8_000.0)},
    "very large defocus": {"defocus_u_angstrom": np.full(5, 150_000.0), "defocus_v_angstrom": np.full(5, 149_000.0)},
    "B factor": {"b_factor_a2": np.array([0.0, 50.0, 200.0, 800.0, 3000.0])},
    "negative B factor": {"b_factor_a2": np.full(5, -30.0)},
    "scale": {"scale": np.array([1.0, 0.5, 0.1, 2.0, 0.9])},
    "phase shift": {"phase_shift_deg": np.array([0.0, 30.0, 90.0, -60.0, 400.0])},
}


@pytest.mark.parametrize("change", CTFS.values(), ids=CTFS.keys())
@pytest.mark.parametrize("dose_b_factor", [0.0, 3.0])
def test_any_ctf_agrees(change: dict[str, Any], dose_b_factor: float) -> None:
    assert_backends_agree(tomogram(tilts=tilt_series(5, **change), dose_b_factor_a2=dose_b_factor), PARTICLES, SETTINGS)


@pytest.mark.parametrize("apply_ctf", [True, False])
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("odd", [True, False])
@others
def test_aberrations_agree(name: str, apply_ctf: bool, even: bool, odd: bool) -> None:
    rng = np.random.default_rng(3)
    group = OpticsGroup(
        "aberrated",
        PIXEL_SIZE,
        even_zernike=rng.normal(size=9) if even else None,
        odd_zernike=rng.normal(size=6) * 5 if odd else None,
    )
    particles = replace(PARTICLES, optics_groups=(group,))
    assert_backends_agree(tomogram(), particles, replace(SETTINGS, apply_ctf=apply_ctf, whiten=True), name)


@pytest.mark.parametrize("backend", ["cpu", "reference", "small"])
def test_a_cutoff_that_lets_nothing_through_gives_empty_volumes(backend: str) -> None:
    settings = replace(SETTINGS, dose_cutoff=1.0)
    for item in PseudoSubtomograms(tomogram_set(tomogram()), PARTICLES, settings, backend=backend):
        assert isinstance(item, PseudoSubtomogram)
        assert not item.data.any()
        assert not item.ctf2.any()
        assert not item.multiplicity.any()
