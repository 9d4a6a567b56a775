"""Picks for other programs: what is written comes back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.foreign.picks_source import picks_source
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.jobs.export_picks import ExportPicksJob, export_picks, unbinned_pixels
from subtomo.jobs.import_picks import ImportPicksJob, import_picks
from subtomo.jobs.import_place import Placing
from subtomo.model.particles import ParticleSet
from subtomo.physics.orientation import euler_to_matrix
from tests.helpers.project import edit, write_project


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    write_project(tmp_path)
    return tmp_path


def whole(particles: ParticleSet) -> np.ndarray:
    return euler_to_matrix(particles.subtomogram_angles_deg) @ euler_to_matrix(particles.angles_deg)


@pytest.mark.parametrize(
    ("style", "name", "exact"),
    [
        ("dynamo", "a.tbl", 1e-5),
        ("stopgap", "a.star", 1e-5),
        ("em", "a.em", 1e-3),
        ("relion4", "a.star", 1e-4),
        ("relion3", "a.star", 1e-4),
    ],
)
def test_exported_particles_come_back_where_they_were(
    project_folder: Path, style: str, name: str, exact: float
) -> None:
    job = ExportPicksJob("particles.star", "tomograms.star", name, style, 2.5, project=project_folder)
    assert export_picks(job)[0] == str(project_folder / name)
    placing = Placing() if style.startswith("relion") else Placing(binning=2.5)
    import_picks(ImportPicksJob(name, "tomograms.star", "out/", placing, project=project_folder))
    tomograms = read_tomograms(project_folder / "tomograms.star", project=project_folder)
    before = read_particles(project_folder / "particles.star")
    after = read_particles(project_folder / "out" / "particles.star")
    assert after.tomogram_names.tolist() == before.tomogram_names.tolist()
    assert np.abs(unbinned_pixels(after, tomograms) - unbinned_pixels(before, tomograms)).max() < exact
    assert np.abs(whole(after) - whole(before)).max() < 1e-5


@pytest.mark.parametrize(("style", "name"), [("dynamo", "a.tbl"), ("stopgap", "a.star"), ("em", "a.em")])
def test_scores_half_sets_and_classes_are_kept_where_the_format_has_them(
    project_folder: Path, style: str, name: str
) -> None:
    marks = {"rlnAutopickFigureOfMerit": ["0.5", "0.25", "1", "0.125"], "rlnClassNumber": ["3", "1", "2", "3"]}
    halves = ["2", "2", "1", "2"]
    edit(project_folder / "particles.star", "particles", rlnRandomSubset=halves, **marks)
    export_picks(ExportPicksJob("particles.star", "tomograms.star", name, style, project=project_folder))
    picks = picks_source(project_folder / name).read(project_folder / name)
    assert picks.score is not None
    assert picks.score.tolist() == [0.5, 0.25, 1.0, 0.125]
    assert picks.class_number is not None
    assert picks.class_number.tolist() == [3, 1, 2, 3]
    if style == "stopgap":
        assert picks.half_set is not None
        assert picks.half_set.tolist() == [2, 2, 1, 2]


def test_imod_gets_one_model_per_tomogram(project_folder: Path) -> None:
    job = ExportPicksJob("particles.star", "tomograms.star", "a.mod", "imod", project=project_folder)
    assert [Path(path).name for path in export_picks(job)] == ["a_TS_1.mod", "a_TS_2.mod"]
    import_picks(ImportPicksJob("a_TS_2.mod", "tomograms.star", "out/", Placing(binning=1.0), project=project_folder))
    after = read_particles(project_folder / "out" / "particles.star")
    assert after.tomogram_names.tolist() == ["TS_2", "TS_2"]
    assert not after.has_angles
    before = read_particles(project_folder / "particles.star")
    places = (before.coordinates - before.origin_angstrom)[before.in_tomogram("TS_2")]
    assert np.abs(after.coordinates - places).max() < 1e-3


def test_the_command_says_what_it_needs(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project_folder)
    command = ["export", "--p", "particles.star", "--o", "a.tbl", "--style", "dynamo"]
    assert subtomo(command) == 1
    assert "--t or --tomograms is missing" in capsys.readouterr().err
    assert subtomo([*command, "--t", "tomograms.star"]) == 0
    assert "a.tbl, a.doc" in capsys.readouterr().out
