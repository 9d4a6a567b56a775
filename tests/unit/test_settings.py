"""Settings that make no sense are refused when they are made."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from subtomo.errors import SettingsError
from subtomo.model.settings import CircleCrop, Cone, ExtractionSettings, OutputSettings
from tests.helpers.options import on_the_command_line

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"box_size": 25}, r"box size \(--b\) is 25.*even"),
    ({"box_size": 0}, "box size"),
    ({"box_size": -8}, "box size"),
    ({"box_size": math.nan}, "box size"),
    ({"crop_size": 15}, r"crop size \(--crop\) is 15.*even"),
    ({"crop_size": 0}, "crop size"),
    ({"crop_size": 26}, "crop size .*26 is larger than box size .*24"),
    ({"binning": 0.99}, r"binning \(--bin\) is 0.99"),
    ({"binning": -2.0}, "binning"),
    ({"binning": math.nan}, "binning"),
    ({"binning": math.inf}, "binning"),
    ({"min_tilts": -1}, r"--min_frames\) is -1"),
    ({"dose_cutoff": math.nan}, "--cutoff_fract"),
    ({"max_dose_e_per_a2": 0.0}, "maximum dose is 0"),
    ({"max_dose_e_per_a2": -5.0}, "maximum dose is -5"),
    ({"max_dose_e_per_a2": math.nan}, "maximum dose is nan"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[str(wrong) for wrong, _ in WRONG])
def test_values_that_make_no_sense_are_refused_with_value_and_option(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ExtractionSettings(**{"box_size": 24, **wrong})
    assert re.search(message, on_the_command_line(caught.value))
    assert set(wrong) <= set(caught.value.fields)
    assert "--" not in str(caught.value)


def test_the_crop_is_the_box_unless_it_is_given() -> None:
    assert ExtractionSettings(24).crop == 24
    assert ExtractionSettings(24, 16).crop == 16


def test_sizes_follow_from_box_crop_and_binning() -> None:
    settings = ExtractionSettings(30, 22, 1.5)
    assert (settings.patch_size, settings.boundary) == (45, 4)
    assert settings.relative_box == pytest.approx(22 / 30)
    assert ExtractionSettings(30, binning=1.35).patch_size == 41


def test_applying_orientations_moves_coordinates_even_if_offsets_are_not_wanted() -> None:
    assert ExtractionSettings(24, apply_offsets=False, apply_orientations=True).moves_coordinates
    assert not ExtractionSettings(24, apply_offsets=False).moves_coordinates


def test_defaults_are_those_of_relion() -> None:
    settings, output = ExtractionSettings(24), OutputSettings()
    assert settings.apply_ctf
    assert settings.invert_contrast
    assert settings.circle_crop == CircleCrop.SLICE
    assert (settings.min_tilts, settings.dose_cutoff, settings.max_dose_e_per_a2) == (1, 0.01, None)
    assert (output.taper_px, output.snr, output.float16, output.write_weights) == (5.0, None, False, True)
    assert Cone() == Cone(10.0, 2.0)
