"""Input that is missing, damaged or inconsistent is refused with file, table and label."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from subtomo.errors import InputError
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.jobs.extract import extract
from tests.helpers.builders import SETTINGS
from tests.helpers.project import edit, read_project, write_motion

MISSING = [
    ("tomograms.star", "global", label)
    for label in (
        "rlnTomoName",
        "rlnTomoHand",
        "rlnVoltage",
        "rlnSphericalAberration",
        "rlnAmplitudeContrast",
        "rlnTomoTiltSeriesPixelSize",
    )
]
MISSING += [
    ("TS_2.star", "TS_2", label)
    for label in (
        "rlnMicrographName",
        "rlnMicrographPreExposure",
        "rlnDefocusU",
        "rlnDefocusV",
        "rlnDefocusAngle",
        "rlnTomoYTilt",
        "rlnTomoZRot",
        "rlnTomoXShiftAngst",
        "rlnTomoYShiftAngst",
    )
]
MISSING += [("particles.star", "particles", label) for label in ("rlnTomoName", "rlnOpticsGroup")]
MISSING += [("particles.star", "particles", "rlnCenteredCoordinateYAngst")]
MISSING += [("particles.star", "optics", "rlnTomoTiltSeriesPixelSize")]


@pytest.mark.parametrize(("file", "table", "label"), MISSING)
def test_a_missing_column_is_named_with_file_and_table(project: Path, file: str, table: str, label: str) -> None:
    edit(project / file, table, without=label)
    with pytest.raises(InputError, match=rf"{re.escape(file)}.*data_{table}.*{label}"):
        read_project(project)


@pytest.mark.parametrize(
    ("file", "table", "label", "row"),
    [
        ("tomograms.star", "global", "rlnVoltage", 2),
        ("tomograms.star", "global", "rlnTomoHand", 2),
        ("tomograms.star", "global", "rlnTomoSizeX", 2),
        ("TS_2.star", "TS_2", "rlnDefocusU", 4),
        ("particles.star", "particles", "rlnCenteredCoordinateXAngst", 3),
        ("particles.star", "particles", "rlnTomoSubtomogramTilt", 4),
    ],
)
@pytest.mark.parametrize("value", ["abc", "nan"])
def test_a_value_that_is_no_number_is_named_with_its_row(
    project: Path, file: str, table: str, label: str, row: int, value: str
) -> None:
    n_rows = {"global": 2, "TS_2": 5, "particles": 4}[table]
    edit(project / file, table, **{label: ["1"] * (row - 1) + [value] + ["1"] * (n_rows - row)})
    with pytest.raises(InputError, match=rf"{re.escape(file)}: table data_{table}, row {row}: {label} is '{value}'"):
        read_project(project)


def test_a_series_that_is_not_aligned_is_refused_where_relion_takes_identity_matrices(project: Path) -> None:
    edit(project / "TS_1.star", "TS_1", without="rlnTomoZRot")
    with pytest.raises(InputError, match="rlnTomoZRot, so the tilt series is not aligned"):
        read_tomograms("tomograms.star")


def test_a_missing_stack_is_named(project: Path) -> None:
    (project / "TS_2.mrcs").unlink()
    with pytest.raises(InputError, match=r"TS_2\.mrcs"):
        read_project(project)


def test_a_missing_tilt_table_file_is_named(project: Path) -> None:
    (project / "TS_2.star").unlink()
    with pytest.raises(InputError, match=r"TS_2\.star"):
        read_project(project)


def test_a_tilt_table_of_another_name_is_refused_with_both_names(project: Path) -> None:
    edit(project / "tomograms.star", "global", rlnTomoName=["TS_1", "TS_7"])
    with pytest.raises(InputError, match=r"TS_2\.star: no table data_TS_7.*found: data_TS_2"):
        read_project(project)


def test_a_section_beyond_the_stack_is_named_before_extraction(project: Path) -> None:
    edit(project / "TS_2.star", "TS_2", rlnMicrographName=[f"{i}@TS_2.mrcs" for i in (1, 2, 3, 4, 9)])
    tomograms, particles = read_project(project)
    with pytest.raises(InputError, match=r"TS_2\.mrcs: section 9.*TS_2"):
        extract(tomograms, particles, SETTINGS, "out")
    assert not (project / "out").exists()


@pytest.mark.parametrize("group", ["0", "2", "-1"])
def test_an_optics_group_that_does_not_exist_is_refused_with_its_row(project: Path, group: str) -> None:
    edit(project / "particles.star", "particles", rlnOpticsGroup=["1", "1", group, "1"])
    with pytest.raises(
        InputError, match=rf"particles\.star.*row 3: rlnOpticsGroup is {group}, but the optics table has 1 only"
    ):
        read_project(project)


def test_optics_that_contradict_the_tomogram_are_refused_before_anything_is_written(project: Path) -> None:
    edit(project / "particles.star", "optics", rlnVoltage=["200"])
    tomograms, particles = read_project(project)
    with pytest.raises(InputError, match=r"particles\.star: inconsistent.*voltage.*200.*300"):
        extract(tomograms, particles, SETTINGS, "out")
    assert not (project / "out").exists()


def test_particles_of_one_name_are_refused(project: Path) -> None:
    edit(project / "particles.star", "particles", rlnTomoParticleName=["a/1", "a/2", "a/1", "a/3"])
    with pytest.raises(InputError, match=r"particles\.star: 2 particles are called 'a/1' \(first in row 1\)"):
        read_project(project)


@pytest.mark.parametrize("value", ["0", "-5"])
@pytest.mark.parametrize("label", ["rlnVoltage", "rlnTomoTiltSeriesPixelSize"])
def test_microscope_values_that_cannot_be_are_refused_by_tomogram(project: Path, label: str, value: str) -> None:
    edit(project / "tomograms.star", "global", **{label: ["1", value]})
    with pytest.raises(InputError, match=rf"tomograms\.star: {label} of tomogram TS_2 is {value}"):
        read_project(project)


def test_an_amplitude_contrast_above_one_is_refused(project: Path) -> None:
    edit(project / "tomograms.star", "global", rlnAmplitudeContrast=["0.1", "1.5"])
    with pytest.raises(InputError, match=r"rlnAmplitudeContrast of tomogram TS_2 is 1.5"):
        read_project(project)


def test_a_negative_dose_is_refused_with_its_row(project: Path) -> None:
    edit(project / "TS_1.star", "TS_1", rlnMicrographPreExposure=["0", "3", "-1", "6", "9"])
    with pytest.raises(InputError, match=r"TS_1\.star: table data_TS_1, row 3: rlnMicrographPreExposure is -1"):
        read_project(project)


def _missing(path: Path) -> None:
    path.unlink()


def _one_short(path: Path) -> None:
    write_motion(path, ["TS_1/1", "TS_1/2", "TS_2/3", "TS_2/9"], n_tilts=5)


def _too_few(path: Path) -> None:
    write_motion(path, ["TS_1/1", "TS_1/2"], n_tilts=5)


def _no_column(path: Path) -> None:
    edit(path, "TS_2/4", without="rlnOriginZAngst")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_missing, r"motion\.star: no such trajectory file"),
        (_one_short, r"motion\.star: no trajectory found for particle 'TS_2/4' \(1 missing"),
        (_too_few, r"motion\.star: holds 2 particles, but the particle set has 4"),
        (_no_column, r"motion\.star: table data_TS_2/4: no column rlnOriginZAngst"),
    ],
)
def test_incomplete_trajectories_are_refused(project: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(project / "motion.star")
    with pytest.raises(InputError, match=message):
        read_project(project, motion=True)


def test_trajectories_of_another_length_are_refused_by_particle(project: Path) -> None:
    write_motion(project / "motion.star", ["TS_1/1", "TS_1/2", "TS_2/3", "TS_2/4"], n_tilts=4)
    tomograms, particles = read_project(project, motion=True)
    with pytest.raises(InputError, match=r"particle TS_1/1: bad length; expected 5 tilts.*found 4"):
        extract(tomograms, particles, SETTINGS, "out")


def test_trajectories_numbered_from_zero_go_by_position(project: Path) -> None:
    write_motion(project / "motion.star", ["0", "1", "2", "3"], n_tilts=5)
    _, particles = read_project(project, motion=True)
    assert particles.trajectories is not None
    assert len(particles.trajectories) == 4


def test_a_particle_file_without_particles_is_refused(project: Path) -> None:
    (project / "particles.star").write_text("\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n1\n\n")
    with pytest.raises(InputError, match=r"particles\.star: there are no particles"):
        read_particles("particles.star")
