"""Settings in Python may be words, and numbers of any library; what is neither is refused with the field's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from subtomo.averaging.average import AverageSettings
from subtomo.errors import SettingsError
from subtomo.model.manifold import SamplingSettings
from subtomo.model.settings import (
    CircleCrop,
    Cone,
    DataTerm,
    ExtractionSettings,
    ExtraFile,
    Output,
    OutputSettings,
    Weighting,
)


@pytest.mark.parametrize("word", ["stack_2d", "STACK_2D", "Stack-2D", " stack-2d "])
def test_choices_may_be_words_in_any_case_with_hyphens_or_underscores(word: str) -> None:
    assert ExtractionSettings(24, output=word).output is Output.STACK_2D  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "members"),
    [
        ({"weighting": "whitened"}, {"weighting": Weighting.WHITENED}),
        ({"data_term": "exact"}, {"data_term": DataTerm.EXACT}),
        ({"circle_crop": "slice"}, {"circle_crop": CircleCrop.SLICE}),
        ({"circle_crop": "none"}, {"circle_crop": CircleCrop.NONE}),
        ({"circle_crop": ()}, {"circle_crop": CircleCrop.NONE}),
        ({"circle_crop": ["patch", "slice"]}, {"circle_crop": CircleCrop.PATCH | CircleCrop.SLICE}),
        ({"circle_crop": {"patch", CircleCrop.SLICE}}, {"circle_crop": CircleCrop.PATCH | CircleCrop.SLICE}),
    ],
)
def test_words_make_the_same_settings_as_members(words: dict[str, Any], members: dict[str, Any]) -> None:
    assert ExtractionSettings(24, **words) == ExtractionSettings(24, **members)
    assert hash(ExtractionSettings(24, **words)) == hash(ExtractionSettings(24, **members))


def test_files_may_be_words() -> None:
    files: Any = ("ctf2", "Divided")
    assert OutputSettings(extra_files=files).extra_files == ExtraFile.CTF2 | ExtraFile.DIVIDED


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weighting": "white"}, r"weighting \(weighting\) is 'white', but must be \"relion\" or \"whitened\""),
        ({"weighting": 2}, "weighting .* is 2, but must be"),
        ({"data_term": "exactly"}, 'is \'exactly\', but must be "relion", "corrected" or "exact"$'),
        ({"output": None}, 'is None, but must be "pseudo_subtomogram", "stack_2d" or "projections"'),
        ({"circle_crop": "both"}, 'must be "none", "patch" or "slice", or several of them in a list'),
        ({"circle_crop": ["patch", "round"]}, "is 'round', but must be"),
        ({"circle_crop": 3}, "is 3, but must be"),
    ],
)
def test_what_is_no_choice_is_refused_with_all_choices(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        ExtractionSettings(24, **wrong)
    assert caught.value.fields == tuple(wrong)


WRONG_TYPES: list[tuple[Any, dict[str, Any], str]] = [
    (ExtractionSettings, {"box_size": "96"}, r"box size \(box_size\) is '96', but must be a whole number"),
    (ExtractionSettings, {"box_size": None}, "must be a whole number"),
    (ExtractionSettings, {"box_size": True}, "must be a whole number"),
    (ExtractionSettings, {"box_size": 24.5}, "must be a whole number"),
    (ExtractionSettings, {"box_size": 24, "crop_size": "16"}, "must be a whole number or None"),
    (ExtractionSettings, {"box_size": 24, "binning": None}, r"binning \(binning\) is None, but must be a number"),
    (ExtractionSettings, {"box_size": 24, "binning": "2"}, "must be a number"),
    (ExtractionSettings, {"box_size": 24, "binning": np.ones(2)}, "must be a number"),
    (ExtractionSettings, {"box_size": 24, "apply_ctf": "no"}, r"\(apply_ctf\) is 'no', but must be True or False"),
    (ExtractionSettings, {"box_size": 24, "apply_ctf": 0}, "must be True or False"),
    (ExtractionSettings, {"box_size": 24, "cone": 10.0}, r"cone \(cone\) is 10.0, but must be a Cone or None"),
    (ExtractionSettings, {"box_size": 24, "max_dose_e_per_a2": "60"}, r"max dose \(max_dose_e_per_a2\)"),
    (OutputSettings, {"float16": "yes"}, r"float16 \(float16\) is 'yes', but must be True or False"),
    (OutputSettings, {"snr": "high"}, "must be a number or None"),
    (Cone, {"angle_deg": "10"}, r"\(angle_deg\) is '10', but must be a number"),
    (AverageSettings, {"symmetry": 3}, r"symmetry \(symmetry\) is 3, but must be text"),
    (AverageSettings, {"seed": 0.5}, r"seed \(seed\) is 0.5, but must be a whole number"),
    (
        SamplingSettings,
        {"spacing_angstrom": "5", "depth_angstrom": 0, "max_tilt_deg": 90},
        r"spacing \(spacing_angstrom\) is '5', but must be a number",
    ),
]


@pytest.mark.parametrize(("kind", "wrong", "message"), WRONG_TYPES, ids=[str(row[1]) for row in WRONG_TYPES])
def test_wrong_types_are_refused_with_the_field(kind: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        kind(**wrong)
    assert len(caught.value.fields) == 1
    assert caught.value.fields[0] in wrong


def test_numbers_of_numpy_and_whole_floats_become_those_of_python() -> None:
    ours: Any = {
        "box_size": np.int64(32),
        "crop_size": np.float32(24.0),
        "binning": np.float32(1.5),
        "min_tilts": np.array(3),
        "whiten": np.bool_(True),
        "dose_cutoff": np.int32(0),
    }
    settings = ExtractionSettings(**ours)
    assert settings == ExtractionSettings(32, 24, 1.5, min_tilts=3, whiten=True, dose_cutoff=0.0)
    kinds = {name: type(getattr(settings, name)) for name in ours}
    assert kinds == {
        "box_size": int, "crop_size": int, "binning": float, "min_tilts": int, "whiten": bool, "dose_cutoff": float,
    }  # fmt: skip
