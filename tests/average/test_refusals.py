"""What ``subtomo average`` says, and what it does not take."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from subtomo.averaging.average import assigned_halves
from subtomo.cli import main
from subtomo.errors import InputError
from subtomo.io.mrc_write import write_mrc
from tests.average.project import SIZES
from tests.helpers.project import edit

Capture = pytest.CaptureFixture[str]
FILES = ("average", "--p", "moved/particles.star", "--j", "1", "--o", "out/")
TILTS = ("average", "--from-tilts", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--j", "1", "--o", "out/")
REFUSED = [
    ((*FILES, "--sym", "D3d"), "--sym"),
    ((*FILES, "--particle_diameter", "900"), "the box has 240 Å"),
    ((*FILES, "--particle_diameter", "-1"), "above zero"),
    ((*FILES, "--seed", "-2"), "--seed"),
    ((*FILES, "--mask", "moved/Subtomograms/TS/1_weights.mrc"), "the average has 24"),
    ((*FILES, "--mask", "moved/Subtomograms/TS/1_data.mrc"), "a mask is 0 outside and 1 inside"),
    ((*FILES, "--mask", "nowhere.mrc"), "nowhere.mrc"),
    ((*FILES, "--b", "32"), "--from-tilts"),
    ((*FILES, "--j", "0"), "--j"),
    (("average", "--p", "particles.star", "--o", "out/"), "--from-tilts"),
    (("average", "--p", "nowhere.star", "--o", "out/"), "does not exist"),
    (("average", "--o", "out/"), "--p"),
    (("average", "--from-tilts", "--p", "particles.star", "--b", "32", "--o", "out/"), "--t"),
    (("average", "--from-tilts", "--t", "tomograms.star", "--p", "particles.star", "--o", "out/"), "--b"),
    ((*TILTS, "--min_frames", "99"), "no particle can be averaged"),
    ((*FILES, "--symetry", "C3"), "did you mean --symmetry"),
]


@pytest.fixture
def own(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project that a test may spoil."""
    folder = tmp_path / "own"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder


def refusal(words: tuple[str, ...], capsys: Capture) -> str:
    capsys.readouterr()
    assert main(words) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert not Path("out/merged.mrc").exists()
    return errors[0]


@pytest.mark.parametrize(("words", "named"), REFUSED, ids=[" ".join(words[-2:]) for words, _ in REFUSED])
def test_what_makes_no_sense_is_refused_by_name(
    words: tuple[str, ...], named: str, project: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert named in refusal((*words[:-1], words[-1].replace("out/", f"{tmp_path}/out/")), capsys)


def test_particles_without_orientations_are_refused(own: Path, capsys: Capture) -> None:
    for axis in ("Rot", "Tilt", "Psi"):
        edit(own / "moved/particles.star", "particles", without=f"rlnAngle{axis}")
        edit(own / "moved/particles.star", "particles", without=f"rlnTomoSubtomogram{axis}")
    assert "without orientations there is nothing to average" in refusal(FILES, capsys)


def test_missing_files_are_counted_before_any_work(own: Path, capsys: Capture) -> None:
    Path("moved/Subtomograms/TS/5_weights.mrc").unlink()
    message = refusal(FILES, capsys)
    assert "1 of 32 files" in message
    assert "5_weights.mrc" in message


def test_files_of_another_size_are_refused(own: Path, capsys: Capture) -> None:
    volume = np.zeros((16, 16, 16), np.float32)
    write_mrc("moved/Subtomograms/TS/2_data.mrc", volume, pixel_size_angstrom=10.0)
    message = refusal(FILES, capsys)
    assert "2_data.mrc: is 16 x 16 x 16" in message
    assert "rlnImageSize 24" in message


def test_optics_groups_of_different_size_are_refused(own: Path, capsys: Capture) -> None:
    path = own / "moved/particles.star"
    edit(path, "particles", rlnOpticsGroup=["1"] * 8 + ["2"] * 8)
    from subtomo.io.star import find_table, read_tables, write_tables

    tables = read_tables(path)
    optics = find_table(tables, "optics")
    assert optics is not None
    twice = optics.take([0, 0]).with_column("rlnOpticsGroup", ["1", "2"]).with_column("rlnImageSize", ["24", "32"])
    write_tables(path, [twice if table.name == "optics" else table for table in tables])
    assert "rlnImageSize is 24 voxels in row 1 and 32 voxels in row 2" in refusal(FILES, capsys)


def test_stacks_are_refused_with_the_way_to_average_them(own: Path, capsys: Capture) -> None:
    stack = (
        "extract",
        "--t",
        "tomograms.star",
        "--p",
        "particles.star",
        *SIZES,
        "--stack2d",
        "--j",
        "1",
        "--o",
        "flat/",
    )
    assert main(stack) == 0
    assert "--from-tilts" in refusal(("average", "--p", "flat/particles.star", "--o", "out/"), capsys)
    words = [word.replace("particles.star", "flat/particles.star") for word in TILTS]
    assert main(words) == 0


def test_half_sets_that_are_none_are_refused(own: Path, capsys: Capture) -> None:
    edit(own / "moved/particles.star", "particles", rlnRandomSubset=["3"] * 16)
    assert "rlnRandomSubset is 3" in refusal(FILES, capsys)
    edit(own / "moved/particles.star", "particles", rlnRandomSubset=["1"] * 16)
    assert "16 and 0 particles" in refusal(FILES, capsys)


def test_an_input_is_never_overwritten(own: Path, capsys: Capture) -> None:
    assert main(FILES) == 0
    before = Path("out/mask.mrc").read_bytes()
    assert main((*FILES, "--mask", "out/mask.mrc")) == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert Path("out/mask.mrc").read_bytes() == before


def test_particles_without_half_sets_are_shared_out_and_that_is_said(own: Path, capsys: Capture) -> None:
    edit(own / "moved/particles.star", "particles", without="rlnRandomSubset")
    assert main(FILES) == 0
    said = capsys.readouterr()
    assert "16 of 16 particles have no half set" in said.err
    assert "half sets of 8 and 8" in said.out


def test_the_command_leaves_maps_curves_and_pictures_and_tells_where(own: Path, capsys: Capture) -> None:
    assert main((*FILES, "--sym", "c1", "--SNR", "10")) == 0
    names = (
        "average.html filtered.mrc fsc.png fsc.star guinier.png half1.mrc half2.mrc maps.png mask.mrc merged.mrc "
        "note.txt sections.png surface.png"
    )
    assert sorted(path.name for path in Path("out").iterdir()) == names.split()
    said = capsys.readouterr().out
    assert all(word in said for word in ("16 of 16 particles", "FSC 0.143", "C1", "24³ voxels of 10 Å", "out/fsc.star"))
    assert all(Path("out", name).read_bytes()[1:4] == b"PNG" for name in ("fsc.png", "guinier.png", "maps.png"))


@pytest.mark.parametrize(("given", "expected"), [([0] * 9, 4), ([1, 1, 1, 0, 0, 0], 3), ([2, 0], 1), ([1, 2, 2, 2], 3)])
def test_particles_without_half_set_make_the_sets_equal(given: list[int], expected: int) -> None:
    halves = assigned_halves(np.array(given), seed=4)
    np.testing.assert_array_equal(halves, assigned_halves(np.array(given), seed=4))
    assert (halves == 2).sum() == expected
    assert all(new == old for new, old in zip(halves, given, strict=True) if old)


@pytest.mark.parametrize("given", [[], [0], [1, 1], [2]])
def test_too_few_particles_are_refused(given: list[int]) -> None:
    with pytest.raises(InputError, match="each needs one at least"):
        assigned_halves(np.array(given, np.int64), seed=0)
