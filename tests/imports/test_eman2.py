"""Tilt series of EMAN2: positions against its matrices as they are documented, and files that are no good."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo.errors import InputError
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.jobs.import_complete import Completion
from subtomo.jobs.import_series import ImportJob, import_series
from subtomo.model.foreign import ForeignSeries, Frame
from tests.helpers.importing import write_stack

FRAME = Frame(2.0, (800.0, 800.0), (800.0, 800.0, 400.0))
ROWS = [[3.0, -4.0, -85.0, -40.0, 0.5], [1.5, 2.0, -85.2, 0.1, 0.5], [-6.0, 0.0, -84.9, 40.0, 0.5]]


def write(path: Path, rows: object = ROWS, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"tlt_params": rows, "apix_unbin": 2.0, "tlt_file": "tiltseries/TS_1.hdf", **more}))
    return path


def read(path: Path, **options: Any) -> ForeignSeries:
    return tilt_series_source("eman2").read(path, SourceOptions(**options))


def documented(row: list[float]) -> np.ndarray:
    """Multiply EMAN2's matrices for a tilt about x, then y, then the image's alpha, as its manual has them."""
    alpha, y, x = np.deg2rad(row[2:])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    in_image = np.array([[np.cos(alpha), np.sin(alpha), 0], [-np.sin(alpha), np.cos(alpha), 0], [0, 0, 1]])
    return in_image @ about_y @ about_x


def test_positions_are_those_of_its_matrices(tmp_path: Path) -> None:
    series = read(write(tmp_path / "TS_1_info.json"))
    points = np.random.default_rng(2).uniform(-400, 400, (30, 3))
    seen = series.model.project(points, FRAME)
    for row, here in zip(ROWS, seen, strict=True):
        assert np.abs(here - ((documented(row) @ points.T).T[:, :2] + 2.0 * np.array(row[:2]))).max() < 1e-9
    rigid = series.alignment
    turned = np.einsum("vij,mj->vmi", rigid.rotations, points)[..., :2] + 2.0 * rigid.shift[:, None]
    assert np.abs(turned - seen).max() < 1e-9


def test_the_image_of_one_point_is_where_a_hand_computes_it(tmp_path: Path) -> None:
    series = read(write(tmp_path / "TS_1_info.json", [[10.0, 0.0, -90.0, 30.0, 0.0], [0.0, 5.0, 0.0, 0.0, 30.0]]))
    seen = series.model.project(np.array([[0.0, 0.0, 100.0]]), FRAME)
    # tilted by 30° the point is 50 Å to the left, which a quarter turn moves down; the shift is 10 pixels of 2 Å
    assert seen[0, 0] == pytest.approx([20.0, -50.0])
    assert seen[1, 0] == pytest.approx([0.0, 50.0 + 10.0])


def test_a_folder_of_eman2_becomes_a_project(tmp_path: Path) -> None:
    more = {"defocus": [3.0, 3.1, 3.2], "phase": [10.0] * 3, "voltage": 200, "cs": 2.0}
    write(tmp_path / "info" / "TS_1_info.json", **more)
    write(tmp_path / "info" / "TS_2__bin4_info.json", None)
    for name in ("TS_1", "TS_2"):
        write_stack(tmp_path / "images" / f"{name}.mrc", 3, (40, 40), pixel_size=2.0)
    known = Completion((str(tmp_path / "images"),), dose_per_tilt_e_per_a2=3.0)
    summary = import_series(ImportJob("eman2", (str(tmp_path),), "o/", known, project=tmp_path))
    [one] = summary.imported
    [message] = summary.failures.values()
    assert "has no tlt_params, so the tilt series is not aligned" in message
    assert one.series.ctf is not None
    assert one.series.ctf.defocus_u_angstrom.tolist() == pytest.approx([30000.0, 31000.0, 32000.0])
    assert (one.microscope.voltage_kv, one.microscope.spherical_aberration_mm) == (200.0, 2.0)
    assert summary.residuals[0].worst_px < 1e-4
    assert summary.assumed_hand
    assert any("EMAN2's phase" in note for note in summary.notes)


def test_views_are_left_out_as_asked(tmp_path: Path) -> None:
    series = read(write(tmp_path / "TS_1_info.json", defocus=[3, 4, 5]), exclude_views=frozenset({2}))
    assert series.section.tolist() == [0, 2]
    assert series.ctf is not None
    assert series.ctf.defocus_v_angstrom.tolist() == [30000.0, 50000.0]


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        ([], {}, "not aligned"),
        ([[0, 0, 0, -3, 0], [0, 0, 0, 3, 0]], {}, "zero in all views"),
        ([[1, 2, 3]], {}, "view 1 is no list of 5 numbers"),
        ([[1, 2, 3, 4, None]], {}, "found 'None', expected a finite number"),
        ([*ROWS, ROWS[0]], {}, "views 1 and 4 both have a tilt angle"),
        (ROWS, {"defocus": [3.0]}, "defocus has 1 values, but tlt_params 3 views"),
        (ROWS, {"apix_unbin": "x"}, "apix_unbin: found 'x'"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(
    tmp_path: Path, rows: object, more: dict[str, object], message: str
) -> None:
    path = write(tmp_path / "TS_1_info.json", rows, **more)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
