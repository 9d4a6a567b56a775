"""Two output folders compared: what is equal, what is within the tolerance, what is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.mrc_write import write_mrc
from subtomo.jobs.compare import compare_trees
from subtomo.jobs.compare_files import largest_difference

Capture = pytest.CaptureFixture[str]

STAR = """
data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
 1 5.000000

data_particles

loop_
_rlnTomoParticleName #1
_rlnCenteredCoordinateXAngst #2
_rlnTomoSubtomogramRot #3
_rlnTomoSubtomogramTilt #4
_rlnTomoSubtomogramPsi #5
_rlnImageName #6
 TS/1 100.000000 10.000000 20.000000 30.000000 b/Subtomograms/TS/1_data.mrc
 TS/2 200.000000 179.999999 0.000000 30.000000 b/Subtomograms/TS/2_data.mrc
"""


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders alike, a/ and b/, with two particles and their table."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "b" / "Subtomograms" / "TS"
    folder.mkdir(parents=True)
    for number in (1, 2):
        write_mrc(folder / f"{number}_data.mrc", rng.normal(size=(8, 8, 8)).astype("f4"), pixel_size_angstrom=5.0)
        weights = rng.uniform(size=(2, 8, 8, 5)).astype(np.float32)
        weights[0] *= 1000  # CTF² and multiplicity are of different scale
        write_mrc(folder / f"{number}_weights.mrc", *weights, pixel_size_angstrom=0.2)
    (tmp_path / "b" / "particles.star").write_text(STAR)
    shutil.copytree(tmp_path / "b", tmp_path / "a")
    (tmp_path / "a" / "particles.star").write_text(STAR.replace(" b/Sub", " job/007/Sub"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "a", tmp_path / "b"


def change(path: Path, index: tuple[int, ...], by: float) -> None:
    """Add to one voxel of a file."""
    with mrcfile.open(path, mode="r+") as file:
        file.data[index] += by


def test_equal_trees_are_equal_although_their_folders_are_named_in_them(trees: tuple[Path, Path]) -> None:
    found = compare_trees("a", "b", tolerance=0.0, threads=2)
    assert found.is_within
    assert [file.error for file in found.files] == [0.0] * 5


def test_the_error_of_an_image_is_relative_to_its_largest_value(trees: tuple[Path, Path]) -> None:
    path = trees[0] / "Subtomograms/TS/1_data.mrc"
    largest = float(np.abs(mrcfile.read(path)).max())
    change(path, (1, 2, 3), 0.25)
    worst = compare_trees("a", "b").files[0]
    assert worst.name == "Subtomograms/TS/1_data.mrc"
    assert worst.error == pytest.approx(0.25 / largest, rel=1e-5)


def test_both_halves_of_weights_are_judged_by_their_own_scale(trees: tuple[Path, Path]) -> None:
    change(trees[0] / "Subtomograms/TS/2_weights.mrc", (9, 0, 0), 0.01)
    worst = compare_trees("a", "b").files[0]
    assert worst.where == "multiplicity"
    assert worst.error == pytest.approx(0.01, rel=0.1)


def test_half_precision_is_compared_by_value(trees: tuple[Path, Path]) -> None:
    path = trees[0] / "Subtomograms/TS/1_data.mrc"
    write_mrc(path, mrcfile.read(path), pixel_size_angstrom=5.0, float16=True)
    worst = compare_trees("a", "b", tolerance=1e-3).files[0]
    assert 1e-5 < worst.error < 1e-3
    assert worst.where == "float16 against float32"
    assert compare_trees("a", "b", tolerance=1e-3).is_within


@pytest.mark.parametrize(("size", "pixel", "told"), [(6, 5.0, "is 6 x 6 x 6, expected 8 x 8 x 8"), (8, 5.01, "5.01")])
def test_other_sizes_and_pixel_sizes_are_beyond_any_tolerance(
    trees: tuple[Path, Path], size: int, pixel: float, told: str
) -> None:
    path = trees[0] / "Subtomograms/TS/1_data.mrc"
    data = mrcfile.read(path)[:size, :size, :size]
    write_mrc(path, np.ascontiguousarray(data), pixel_size_angstrom=pixel)
    found = compare_trees("a", "b", tolerance=1e9)
    assert [told in file.problems[0] for file in found.beyond] == [True]


def test_a_damaged_file_is_a_difference_and_does_not_end_the_comparison(trees: tuple[Path, Path]) -> None:
    (trees[0] / "Subtomograms/TS/1_data.mrc").write_bytes(b"short")
    found = compare_trees("a", "b")
    assert len(found.files) == 5
    assert ["5 bytes" in file.problems[0] for file in found.beyond] == [True]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("200.000000", "200.002000", 1e-5),
        ("179.999999", "-180.00000", 1e-6),
        ("179.999999 0.000000 30.000000", "149.999999 0.000000 60.000000", 0.0),
        (" 10.000000 20.0", " 11.000000 20.0", 0.1),
    ],
    ids=["relative to the number", "angles are periodic", "the same rotation at a locked tilt", "another rotation"],
)
def test_numbers_of_star_files(trees: tuple[Path, Path], old: str, new: str, error: float) -> None:
    text = (trees[0] / "particles.star").read_text()
    assert old in text
    (trees[0] / "particles.star").write_text(text.replace(old, new))
    star = next(file for file in compare_trees("a", "b").files if file.name == "particles.star")
    assert star.error == pytest.approx(error, rel=1e-3, abs=2e-7)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (" TS/2 ", " TS/3 ", "data_particles rlnTomoParticleName: 1 of 2 rows differ: row 2 is 'TS/3'"),
        (" 1 5.0", " 2 5.0", "data_optics rlnOpticsGroup: row 1 is '2', expected '1'"),
        ("TS/1_data", "TS/2_data", "data_particles rlnImageName"),
        ("_rlnImagePixelSize", "_rlnVoltage", "data_optics: lacks rlnImagePixelSize"),
        ("data_optics", "data_other", "has tables other, particles, expected optics, particles"),
        (" 200.000000", " nan", "rlnCenteredCoordinateXAngst"),
    ],
)
def test_text_labels_and_tables_of_star_files_must_agree(
    trees: tuple[Path, Path], old: str, new: str, told: str
) -> None:
    text = (trees[0] / "particles.star").read_text()
    assert old in text
    (trees[0] / "particles.star").write_text(text.replace(old, new))
    (worst,) = compare_trees("a", "b", tolerance=1e9).beyond
    assert told in " ".join(worst.problems)


def test_missing_and_extra_files_are_told_and_accounts_are_not_compared(trees: tuple[Path, Path]) -> None:
    (trees[0] / "Subtomograms/TS/1_data.mrc").unlink()
    (trees[0] / "sum_data.mrc").write_bytes(b"")
    (trees[0] / "note.txt").write_text("a")
    (trees[1] / "note.txt").write_text("b")
    (trees[1] / "RELION_JOB_EXIT_SUCCESS").touch()
    (trees[0] / ".subtomo").mkdir()
    (trees[0] / ".subtomo" / "journal.jsonl").touch()
    found = compare_trees("a", "b")
    assert found.missing == ("Subtomograms/TS/1_data.mrc",)
    assert found.extra == ("sum_data.mrc",)
    assert found.accounts == ("RELION_JOB_EXIT_SUCCESS", "note.txt")
    assert not found.is_within


@pytest.mark.parametrize(
    ("ours", "error"), [("v 1.0 2.0\nf 1//2", 0.0), ("v 1.0 2.1\nf 1//2", 0.05), ("v 1.0 2.0\nf 1//3", np.inf)]
)
def test_meshes_are_compared_by_their_numbers(trees: tuple[Path, Path], ours: str, error: float) -> None:
    (trees[0] / "mesh.obj").write_text(ours)
    (trees[1] / "mesh.obj").write_text("v 1.0 2.0\nf 1//2")
    mesh = next(file for file in compare_trees("a", "b").files if file.name == "mesh.obj")
    assert mesh.error == pytest.approx(error)


def test_equal_infinities_are_equal_and_other_ones_infinitely_far() -> None:
    values = np.array([1.0, np.nan, np.inf, -np.inf])
    assert largest_difference(values, values.copy()) == 0.0
    assert largest_difference(values, np.array([1.5, np.nan, np.inf, -np.inf])) == 0.5
    assert largest_difference(values, np.array([1.0, 0.0, np.inf, -np.inf])) == np.inf
    assert largest_difference(values, np.array([1.0, np.nan, -np.inf, -np.inf])) == np.inf


def test_the_exit_code_tells_whether_the_tolerance_holds(trees: tuple[Path, Path], capsys: Capture) -> None:
    assert main(("compare", "a/", "b/")) == 0
    assert "the same within the tolerance" in capsys.readouterr().out
    change(trees[0] / "Subtomograms/TS/1_data.mrc", (0, 0, 0), 1e-3)
    change(trees[0] / "Subtomograms/TS/2_data.mrc", (0, 0, 0), 1e-1)
    assert main(("compare", "a/", "b/")) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "Subtomograms/TS/2_data.mrc" in lines[1]  # worst first
    assert "Subtomograms/TS/1_data.mrc" in lines[2]
    assert "3 equal, 0 within 1e-05, 2 beyond" in lines[-2]
    assert main(("compare", "a/", "b/", "--tolerance", "0.5", "--rows", "1")) == 0
    assert "and 1 more rows" in capsys.readouterr().out


def test_json_holds_every_file_that_differs(trees: tuple[Path, Path], capsys: Capture) -> None:
    change(trees[0] / "Subtomograms/TS/1_data.mrc", (0, 0, 0), 1e-3)
    (trees[0] / "Subtomograms/TS/2_data.mrc").write_bytes(b"")
    assert main(("compare", "a/", "b/", "--json")) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["within"] is False
    assert [file["name"] for file in told["files"]] == ["Subtomograms/TS/2_data.mrc", "Subtomograms/TS/1_data.mrc"]
    assert told["files"][0]["error"] is None
    assert 0 < told["files"][1]["error"] < 1e-2


@pytest.mark.parametrize("words", [("a/", "nowhere/"), ("a/", "b/", "--tolerance", "-1"), ("empty/", "empty/")])
def test_what_cannot_be_compared_is_refused(trees: tuple[Path, Path], words: tuple[str, ...], capsys: Capture) -> None:
    Path("empty").mkdir()
    assert main(("compare", *words)) == 1
    assert capsys.readouterr().err.startswith("error: ")
