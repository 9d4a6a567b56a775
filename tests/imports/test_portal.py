"""Tilt series of the CryoET Data Portal, and files that are no good."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo.errors import InputError
from subtomo.foreign.picks_source import picks_source
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.model.foreign import Frame

FRAME = Frame(2.0, (8192.0, 8192.0), (8192.0, 8192.0, 4000.0))


def section(z: int, tilt: float, rot: float, x: float, y: float) -> dict[str, Any]:
    cosine, sine = np.cos(np.deg2rad(rot)), np.sin(np.deg2rad(rot))
    return {
        "z_index": z,
        "tilt_angle": tilt,
        "volume_x_rotation": 0,
        "in_plane_rotation": [[cosine, -sine], [sine, cosine]],
        "x_offset": x,
        "y_offset": y,
    }


def write(path: Path, sections: list[dict[str, Any]], **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"per_section_alignment_parameters": sections, **more}))
    return path


def test_the_alignment_is_that_of_the_aretomo_file_it_was_made_of(alignments: Path, tmp_path: Path) -> None:
    aretomo = tilt_series_source("aretomo").read(alignments / "aretomo" / "global_no_local.aln", SourceOptions())
    rows = zip(
        aretomo.section.tolist(),
        aretomo.alignment.y_tilt_deg.tolist(),
        aretomo.alignment.z_rot_deg.tolist(),
        *aretomo.alignment.shift.T.tolist(),
        strict=True,
    )
    path = write(tmp_path / "TS_7" / "Alignments" / "100" / "alignment_metadata.json", [section(*row) for row in rows])
    source = tilt_series_source("portal")
    assert source.find([str(tmp_path)]) == [path]
    series = source.read(path, SourceOptions())
    assert series.name == "TS_7"
    points = np.random.default_rng(3).uniform(-4000, 4000, (50, 3))
    assert np.abs(series.model.project(points, FRAME) - aretomo.model.project(points, FRAME)).max() < 1e-6
    assert series.alignment.z_rot_deg == pytest.approx(aretomo.alignment.z_rot_deg)


def test_sections_without_alignment_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "TS_1.json", [section(3, 10.0, 85, 0, 0), section(0, -10.0, 85, 1, 2)])
    series = tilt_series_source("portal").read(path, SourceOptions())
    assert series.section.tolist() == [0, 3]
    assert series.alignment.y_tilt_deg.tolist() == [-10.0, 10.0]
    assert series.left_out == ("section 1: not in the alignment", "section 2: not in the alignment")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{", "is no whole JSON file"),
        ("[" * 100_000, "is no whole JSON file"),
        ("[1]", "holds no JSON object"),
        ("{}", "not aligned"),
        (json.dumps({"per_section_alignment_parameters": [{"z_index": 0}]}), "section 0: lacks"),
        (
            json.dumps({"per_section_alignment_parameters": [section(0, 0, 85, 0, 0) | {"x_offset": "a"}]}),
            "found 'a', expected a finite number",
        ),
        (
            json.dumps({"per_section_alignment_parameters": [section(0, 0, 85, 0, 0)] * 2}),
            "two sections have one z_index",
        ),
        (
            json.dumps({"per_section_alignment_parameters": [section(0, 0, 85, 0, 0)], "volume_offset": {"x": 3}}),
            "moves the volume",
        ),
    ],
)
def test_bad_alignments_are_named_with_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        tilt_series_source("portal").read(path, SourceOptions())
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"location": {"x": 1, "y": 2}}', "is no point with a location"),
        ('{"location": {"x": 1, "y": 2, "z": null}}', "found 'None'"),
        ('{"location": {"x": 1, "y": 2, "z": 3}, "xyz_rotation_matrix": [[1, 2]]}', "is no rotation"),
        ("x", "is no point with a location"),
    ],
)
def test_bad_points_are_named_with_what_is_wrong(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=re.escape(message)):
        picks_source(path).read(path)
