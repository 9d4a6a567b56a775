"""Particles and tilt series by name, number, slice, list and mask; and as data frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo.errors import SettingsError
from subtomo.io.relion import read_particles
from subtomo.io.star import read_tables, write_tables
from tests.helpers.builders import PIXEL_SIZE, particle_set, tomogram, tomogram_set
from tests.helpers.project import write_project

PARTICLES = particle_set(["TS_1", "TS_2", "TS_1", "TS_2"], half_set=np.array([1, 2, 2, 1]))
TOMOGRAMS = tomogram_set(tomogram("TS_1"), tomogram("TS_2"), tomogram("TS_3"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("TS_1/3", ["TS_1/3"]),
        (1, ["TS_2/2"]),
        (np.int64(-1), ["TS_2/4"]),
        (slice(1, None, 2), ["TS_2/2", "TS_2/4"]),
        (["TS_2/4", "TS_1/1"], ["TS_2/4", "TS_1/1"]),
        ([3, -4], ["TS_2/4", "TS_1/1"]),
        ([], []),
        (PARTICLES.names[:2], ["TS_1/1", "TS_2/2"]),
        (PARTICLES.half_set == 2, ["TS_2/2", "TS_1/3"]),
        ([True, False, False, False], ["TS_1/1"]),
    ],
)
def test_particles_are_found_by_name_number_slice_list_and_mask(key: Any, expected: list[str]) -> None:
    found = PARTICLES[key]
    assert found.names.tolist() == expected
    rows = [PARTICLES.names.tolist().index(name) for name in expected]
    np.testing.assert_array_equal(found.coordinates, PARTICLES.coordinates[rows])


@pytest.mark.parametrize(
    ("key", "kind", "says"),
    [
        ("TS_1/33", KeyError, r"no particle 'TS_1/33', did you mean TS_1/3\?; there are: TS_1/1, "),
        (["TS_1/1", "x"], KeyError, "no particle 'x'"),
        (4, IndexError, "particle 4 of 4: numbers run from 0 to 3"),
        ([0, -5], IndexError, "particle -5 of 4"),
        ([True], IndexError, r"a mask of the shape \(1,\) for 4 rows"),
        (1.5, TypeError, "1.5 chooses no particles; give a number, a name"),
        ([0.5], TypeError, "chooses no particles"),
        (True, TypeError, "True chooses no particle"),
        (None, TypeError, "None chooses no particles"),
    ],
)
def test_what_finds_no_particle_is_refused_with_what_does(key: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        PARTICLES[key]


def test_a_particle_set_is_walked_through_particle_by_particle() -> None:
    assert [one.names.item() for one in PARTICLES] == PARTICLES.names.tolist()
    assert "TS_1/1" in PARTICLES
    assert "TS_1/2" not in PARTICLES


def test_tilt_series_are_found_alone_or_as_a_set() -> None:
    assert TOMOGRAMS["TS_2"].name == TOMOGRAMS[1].name == TOMOGRAMS[-2].name == "TS_2"
    for key in (slice(1, None), ["TS_2", "TS_3"], [1, 2], np.array([False, True, True])):
        assert TOMOGRAMS[key].names() == ["TS_2", "TS_3"]
    assert TOMOGRAMS[1:].source == TOMOGRAMS.source
    with pytest.raises(KeyError, match=r"no tomogram of tomograms.star 'TS_22', did you mean TS_2\?"):
        TOMOGRAMS["TS_22"]


def test_optics_are_found_in_the_file_of_the_tomogram_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    tables = [table for table in read_tables("particles.star") if table.name != "optics"]
    write_tables("bare.star", [table.without("rlnOpticsGroup") for table in tables])
    particles = read_particles("bare.star", "tomograms.star")
    assert particles.pixel_size_angstrom.tolist() == [PIXEL_SIZE] * 4


def test_columns_of_particles_have_their_units() -> None:
    frame = PARTICLES.to_pandas()
    assert list(frame.columns[:5]) == ["name", "tilt_series", "x_angstrom", "y_angstrom", "z_angstrom"]
    assert {"angle_rot_deg", "origin_x_angstrom", "pixel_size_angstrom", "half_set"} <= set(frame.columns)
    assert frame["half_set"].tolist() == [1, 2, 2, 1]
    np.testing.assert_array_equal(frame[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy(), PARTICLES.coordinates)


def test_tilts_and_tilt_series_become_data_frames() -> None:
    assert TOMOGRAMS.to_pandas()["name"].tolist() == ["TS_1", "TS_2", "TS_3"]
    tilts = TOMOGRAMS[0].tilts
    frame = tilts.to_pandas()
    assert len(frame) == len(tilts)
    np.testing.assert_array_equal(frame["dose_e_per_a2"], tilts.dose_e_per_a2)


def test_polars_gives_the_same_columns() -> None:
    frame = PARTICLES.to_polars()
    assert frame.columns == list(PARTICLES.columns())
    assert frame["name"].to_list() == PARTICLES.names.tolist()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_not_installed_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError, match=f"{library} is not installed; pip install {library}"):
        getattr(PARTICLES, f"to_{library}")()
