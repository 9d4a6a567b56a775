"""Commands take the folder of a run, or a STAR file by its tables, and find its files wherever the user stands."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.io.mrc_read import read_volume
from subtomo.io.relion import OptimisationSet
from subtomo.io.star import find_table, read_tables
from subtomo.jobs.sources import find_sources
from tests.helpers.project import edit, write_project

Capture = pytest.CaptureFixture[str]
QUICK = ("--half-maps-only", "--j", "1")
SIZES = ("--b", "32", "--crop", "24", "--j", "1")
INPUT = ("--t", "tomograms.star", "--p", "particles.star")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a project in it, whose particles are extracted into the home, as the example's are."""
    home = tmp_path_factory.mktemp("home")
    project = home / "examples" / "project"
    project.mkdir(parents=True)
    write_project(project)
    for angle in ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"):
        edit(project / "particles.star", "particles", **{angle: ["0", "10", "20", "30"]})
    edit(project / "particles.star", "particles", rlnClassNumber=["1", "2", "2", "2"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert main(("extract", *INPUT, *SIZES, "--o", "../../demo-output/")) == 0
        assert main(("report", "../../demo-output/")) == 0
        assert main(("extract", *INPUT, *SIZES, "--o", "inside/", "--weighting", "whitened", "--no-report")) == 0
        assert main(("average", "inside/", "--o", "average/")) == 0
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the current folder."""
    copy = tmp_path / "home"
    shutil.copytree(made, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.mark.parametrize(
    "words",
    [
        ("demo-output",), ("demo-output/",), ("demo-output/particles.star",), ("demo-output/optimisation_set.star",),
        ("--p", "demo-output/particles.star"), ("--i", "demo-output/optimisation_set.star"),
        ("examples/project/inside",), ("--p", "examples/project/inside/particles.star"),
    ],
)  # fmt: skip
def test_an_average_finds_the_particles_from_outside_the_project(home: Path, words: tuple[str, ...]) -> None:
    assert main(("average", *words, "--o", "here/", *QUICK)) == 0
    assert Path("here/half1.mrc").exists()


def test_an_average_from_outside_equals_the_one_from_the_project(home: Path) -> None:
    assert main(("average", "examples/project/inside", *QUICK)) == 0
    ours, _ = read_volume("examples/project/inside/average/half1.mrc")
    theirs, _ = read_volume("examples/project/average/half1.mrc")
    assert (ours == theirs).all()


def test_a_folder_is_averaged_into_a_folder_of_its_own(home: Path, capsys: Capture) -> None:
    assert main(("average", "demo-output", "--j", "1")) == 0
    assert Path("demo-output/average/merged.mrc").exists()
    assert main(("average", "--p", "demo-output/particles.star")) == 1
    assert "--o or --output is missing" in capsys.readouterr().err


def test_an_output_folder_that_was_renamed_is_still_averaged(home: Path) -> None:
    Path("examples/project/inside").rename("elsewhere")
    assert main(("average", "elsewhere", *QUICK)) == 0
    assert Path("elsewhere/average/half1.mrc").exists()


def test_files_beside_the_star_file_are_found_without_an_account(home: Path) -> None:
    Path("examples/project/inside/extraction_summary.json").unlink()
    assert main(("average", "--p", "examples/project/inside/particles.star", "--o", "here/", *QUICK)) == 0


def test_an_average_from_tilts_finds_the_tilt_images(home: Path) -> None:
    tilts = ("--from-tilts", "--b", "32", "--crop", "24", *QUICK)
    assert main(("average", "demo-output", *tilts)) == 0
    named = ("--p", "examples/project/particles.star", "--t", "examples/project/tomograms.star")
    assert main(("average", *named, *tilts, "--o", "here/")) == 0


def test_what_is_not_found_is_named_with_where_it_was_looked_for(home: Path, capsys: Capture) -> None:
    shutil.rmtree("demo-output/Subtomograms")
    assert main(("average", "demo-output")) == 1
    error = capsys.readouterr().err
    assert "Subtomograms/TS_1/1_data.mrc" in error
    assert f"looked from {home / 'examples/project'}" in error


@pytest.mark.parametrize(
    "words",
    [
        ("demo-output",), ("--i", "demo-output/optimisation_set.star"),
        ("--p", "examples/project/particles.star", "--t", "examples/project/tomograms.star"),
    ],
)  # fmt: skip
def test_doctor_finds_the_tilt_images_from_outside_the_project(
    home: Path, words: tuple[str, ...], capsys: Capture
) -> None:
    main(("doctor", *words, "--b", "32", "--json", "found.json"))
    found = json.loads(Path("found.json").read_text())
    assert "does not exist" not in capsys.readouterr().out
    assert not [finding for finding in found["findings"] if finding["severity"] == "error"]
    assert found["files"]["tomograms"] == str(home / "examples/project/tomograms.star")


@pytest.mark.parametrize("name", ["particles.star", "tomograms.star"])
def test_doctor_takes_a_star_file_by_its_tables(home: Path, name: str, capsys: Capture) -> None:
    main(("doctor", f"examples/project/{name}"))
    other = "tomograms" if name == "particles.star" else "particles"
    assert f"name it (--{other[0]})" in capsys.readouterr().out


def test_export_takes_a_folder(home: Path) -> None:
    assert main(("export", "examples/project/inside", "--o", "old.star")) == 0
    assert find_table(read_tables("old.star"), "particles") is not None


@pytest.mark.parametrize("verb", ["average", "doctor", "export"])
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "does not exist"), ("demo-outptu", "did you mean demo-output?"),
        ("examples", "is a folder without"),
        ("examples/project/TS_1.mrcs", "MRC"), ("examples/project/TS_1.star", "the table of one tilt series"),
    ],
)  # fmt: skip
def test_a_place_that_is_no_run_is_refused_in_a_line(
    home: Path, verb: str, place: str, said: str, capsys: Capture
) -> None:
    assert main((verb, place, *([] if verb == "doctor" else ["--o", "here"]))) == 1
    lines = capsys.readouterr().err.strip().split("\n")
    assert len(lines) == 1
    assert said in lines[0]


def test_one_class_is_averaged_alone_and_counted(home: Path, capsys: Capture) -> None:
    assert main(("average", "demo-output", *QUICK)) == 0
    assert "of classes 1 (1 particle), 2 (3 particles)" in capsys.readouterr().out
    assert main(("average", "demo-output", "--class", "2", *QUICK)) == 0
    out = capsys.readouterr().out
    assert "3 of 3 particles averaged" in out
    assert "of class 2 (3 particles)" in out
    assert main(("average", "demo-output", "--class", "7", "--j", "1")) == 1
    assert "no particle is in class 7 (--class); there are 1, 2" in capsys.readouterr().err


def test_a_class_of_particles_without_classes_is_refused(home: Path, capsys: Capture) -> None:
    edit(Path("demo-output/particles.star"), "particles", without="rlnClassNumber")
    assert main(("average", "demo-output", "--class", "1", "--j", "1")) == 1
    assert "have no classes" in capsys.readouterr().err


def test_half_maps_alone_are_written(home: Path) -> None:
    assert main(("average", "demo-output", "--half-maps-only", "--j", "1")) == 0
    names = {path.name for path in Path("demo-output/average").iterdir()}
    assert names == {"half1.mrc", "half2.mrc", "note.txt"}


@pytest.mark.parametrize("place", ["demo-output", "demo-output/particles.star"])
def test_a_report_from_outside_the_project_shows_what_the_one_of_the_extraction_does(home: Path, place: str) -> None:
    before = {path.name for path in Path("demo-output/report").iterdir()}
    assert main(("report", place)) == 0
    assert {path.name for path in Path("demo-output/report").iterdir()} == before


def test_a_good_page_is_never_replaced_by_a_poorer_one(home: Path, capsys: Capture) -> None:
    shutil.move("examples", "moved")
    page = Path("demo-output/report.html").read_bytes()
    pictures = {path.name: path.read_bytes() for path in Path("demo-output/report").iterdir()}
    assert main(("report", "demo-output")) == 0
    told = capsys.readouterr()
    assert "report.html is kept" in told.err
    assert "(--project)" in told.err
    assert "demo-output/report-partial.html" in told.out
    assert "Tilt images are not shown" in Path("demo-output/report-partial.html").read_text()
    assert Path("demo-output/report.html").read_bytes() == page
    assert {path.name: path.read_bytes() for path in Path("demo-output/report").iterdir()} == pictures
    assert main(("report", "demo-output", "--project", "moved/project")) == 0
    Path("demo-output/report.html").unlink()
    assert main(("report", "demo-output")) == 0


def test_the_page_of_an_earlier_extraction_is_always_replaced(home: Path) -> None:
    shutil.move("examples", "moved")
    account = Path("demo-output/extraction_summary.json")
    later = Path("demo-output/report.html").stat().st_mtime + 10
    os.utime(account, (later, later))
    assert main(("report", "demo-output")) == 0
    assert not list(Path("demo-output/report").glob("picks-*"))


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("inside", ()), ("inside/optimisation_set.star", ()), ("particles.star", ("--t", "tomograms.star")),
        ("tomograms.star", ("--p", "particles.star")),
    ],
)  # fmt: skip
def test_an_extraction_takes_a_folder_or_a_star_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(home / "examples/project")
    assert main(("extract", place, *more, *SIZES, "--o", "again/")) == 0
    assert len(list(Path("again/Subtomograms").rglob("*_data.mrc"))) == 4


def test_an_extraction_from_outside_the_project_says_where_to_run(home: Path, capsys: Capture) -> None:
    project = home / "examples/project"
    assert main(("extract", "demo-output", *SIZES, "--o", "again/")) == 1
    assert f"run this in {project}" in capsys.readouterr().err
    assert main(("extract", "--i", "demo-output/optimisation_set.star", *SIZES, "--o", "again/")) == 1
    assert f"here {project}: run there" in capsys.readouterr().err
    assert not Path("again").exists()


def test_a_project_elsewhere_with_the_same_names_is_not_mistaken_for_ours(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(home / "examples/project", other)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(other)
        found = find_sources(OptimisationSet(), place=str(home / "examples/project/inside"))
    assert found.files.tomograms == str(home / "examples/project/tomograms.star")
    assert found.project == str(home / "examples/project")


@pytest.mark.parametrize("field", ["project", "output_dir"])
@pytest.mark.parametrize("value", ["\0", "a" * 5000, "/", "..", "~", "x/../../.."])
def test_an_account_that_names_what_cannot_be_a_folder_is_of_no_harm(home: Path, field: str, value: str) -> None:
    path = Path("examples/project/inside/extraction_summary.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    assert main(("average", "examples/project/inside", *QUICK)) == 0
