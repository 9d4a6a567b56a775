"""The comparison itself: RELION's own files agree with themselves, and every kind of damage is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.conformance.cases import CASES, Case
from tests.conformance.compare import compare_run
from tests.conformance.star_text import star_differences

SUCCESSFUL = [case for case in CASES.values() if case.exit_code == 0]


def as_ours(case: Case, folder: Path) -> Path:
    """Copy RELION's output and put our program's name into the note."""
    output = folder / "out"
    shutil.copytree(case.expected, output)
    note = output / "note.txt"
    if note.exists():
        note.write_text(note.read_text().replace(case.program, f"subtomo {case.argv[0]}", 1))
    return output


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return as_ours(CASES["stack_default"], tmp_path)


def problems(output: Path) -> list[str]:
    return compare_run(CASES["stack_default"], output).problems


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("case", SUCCESSFUL, ids=lambda case: case.name)
def test_files_of_relion_agree_with_themselves(case: Case, tmp_path: Path) -> None:
    report = compare_run(case, as_ours(case, tmp_path))
    assert report.problems == []
    assert all(error == 0 for error in report.worst.values())


def test_our_summary_is_the_only_additional_file_allowed(output: Path) -> None:
    (output / "extraction_summary.json").touch()
    assert problems(output) == []
    (output / "leftover.tmp").touch()
    assert problems(output) == ["leftover.tmp: not expected"]


def test_missing_file_is_noticed(output: Path) -> None:
    (output / "optimisation_set.star").unlink()
    assert problems(output) == ["optimisation_set.star: missing"]


@pytest.mark.parametrize(("file", "voxel"), [("1_data.mrc", (3, 4, 5)), ("1_weights.mrc", (40, 3, 4))])
def test_one_wrong_voxel_is_noticed(output: Path, file: str, voxel: tuple[int, int, int]) -> None:
    with mrcfile.open(output / "Subtomograms/TS_01" / file, mode="r+") as volume:
        half = volume.data[: volume.data.shape[0] // 2] if voxel[0] < 24 else volume.data[24:]
        volume.data[voxel] += 2e-5 * np.abs(half).max() if "weights" in file else 2e-5 * np.abs(volume.data).max()
    assert any("voxels differ" in problem for problem in problems(output))


@pytest.mark.parametrize("field", ["nxstart", "mz", "ispg", "dmean", "rms"])
def test_wrong_header_field_is_noticed(output: Path, field: str) -> None:
    with mrcfile.open(output / "Subtomograms/TS_01/2_data.mrc", mode="r+") as volume:
        volume.header[field] += 1
    assert any(f"header {field}" in problem for problem in problems(output))


def test_nan_is_noticed(output: Path) -> None:
    with mrcfile.open(output / "Subtomograms/TS_01/1_data.mrc", mode="r+") as volume:
        volume.data[0, 0, 0] = np.nan
    assert any("voxels differ by inf" in problem for problem in problems(output))


def test_number_within_rounding_passes_and_beyond_it_is_noticed(output: Path) -> None:
    replace_text(output / "particles.star", "-39.53474", "-39.53475")
    assert problems(output) == []
    replace_text(output / "particles.star", "-39.53475", "-39.53476")
    assert any("CoordinateYAngst is -39.53476" in problem for problem in problems(output))


def test_psi_counts_modulo_a_full_turn_and_tilt_does_not(output: Path) -> None:
    replace_text(output / "particles.star", "98.660900", "458.660900")
    assert problems(output) == []
    replace_text(output / "particles.star", "160.269800", "520.269800")
    assert any("SubtomogramTilt" in problem for problem in problems(output))


@pytest.mark.parametrize(
    ("old", "new"), [("TS_01/1 ", "TS_01/01 "), ("            1            3", "            1            3.0")]
)
def test_names_and_whole_numbers_must_agree_as_text(output: Path, old: str, new: str) -> None:
    replace_text(output / "particles.star", old, new)
    assert problems(output) != []


def test_order_of_columns_and_rows_counts(tmp_path: Path) -> None:
    theirs, columns, rows = (tmp_path / name for name in ("theirs.star", "columns.star", "rows.star"))
    theirs.write_text("data_particles\nloop_\n_rlnA #1\n_rlnB #2\n1.0 2.0\n3.0 4.0\n")
    columns.write_text("data_particles\nloop_\n_rlnB #1\n_rlnA #2\n2.0 1.0\n4.0 3.0\n")
    rows.write_text("data_particles\nloop_\n_rlnA #1\n_rlnB #2\n3.0 4.0\n1.0 2.0\n")
    assert [*star_differences(theirs, theirs)] == []
    assert any("columns" in problem for problem in star_differences(columns, theirs))
    assert len([*star_differences(rows, theirs)]) == 4


def test_undefined_angles_are_compared_as_a_rotation(tmp_path: Path) -> None:
    case = CASES["stack_applyori_gimbal_noslash"]
    output = as_ours(case, tmp_path)
    replace_text(output / "particles.star", "90.000000 7.111936e-15    26.565051", "0.000000 0.000000 116.565051")
    assert compare_run(case, output).problems == []
    replace_text(output / "particles.star", "116.565051", "116.565951")
    assert any("another rotation" in problem for problem in compare_run(case, output).problems)
