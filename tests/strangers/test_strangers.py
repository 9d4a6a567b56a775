"""What strangers brought: files of other programs that were refused, or read wrongly."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main
from subtomo.errors import InputError
from subtomo.io.image_names import without_format
from subtomo.io.mrc import ImageAddress, parse_image_name
from subtomo.io.relion import read_particles
from subtomo.io.star import find_table, read_tables, write_tables
from tests.helpers.project import edit, write_project

COMMAND = ("extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "24", "--crop", "16", "--j", "1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUBTOMO_NO_REPORT", "1")
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def volumes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.mrc"))}


def extracted(name: str) -> dict[str, bytes]:
    assert main((*COMMAND, "--o", f"{name}/")) == 0
    return volumes(Path(name))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("1@TS_254.mrcs:mrcs", ImageAddress("TS_254.mrcs", 0)),
        ("3@TS_254.ali:mrcs", ImageAddress("TS_254.ali", 2)),
        ("TS_254.st:mrc", ImageAddress("TS_254.st", 0)),
    ],
)
def test_s1_a_format_hint_is_no_part_of_the_name(name: str, address: ImageAddress) -> None:
    assert parse_image_name(name) == address


def test_s1_images_with_format_hints_give_the_same_particles(project: Path) -> None:
    expected = extracted("plain")
    for series in sorted(project.glob("TS_*.star")) or sorted(project.glob("tilt_series/*.star")):
        tables = read_tables(series)
        label = "rlnMicrographName"
        hinted = [
            table.with_column(label, [f"{name}:mrcs" for name in table.text(label).tolist()])
            if label in table
            else table
            for table in tables
        ]
        write_tables(series, hinted)
    assert extracted("hinted") == expected


def test_s1_a_file_that_has_a_colon_in_its_name_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "a.mrc:mrcs").touch()
    assert without_format(str(tmp_path / "a.mrc:mrcs")) == (str(tmp_path / "a.mrc:mrcs"), "")


@pytest.mark.parametrize("between", ["\n", "   \n\n", "# made by another program\n", "\n# a comment\n\n"])
def test_s2_blank_lines_and_comments_before_the_first_row_are_passed_over(project: Path, between: str) -> None:
    expected = extracted("plain")
    for path in project.rglob("*.star"):
        if "plain" in path.parts:
            continue
        lines = path.read_text().splitlines(keepends=True)
        is_label = [line.startswith("_") and "#" in line for line in lines]
        last = [one and not [*is_label, False][i + 1] for i, one in enumerate(is_label)]
        path.write_text("".join(line + (between if is_last else "") for line, is_last in zip(lines, last, strict=True)))
    assert extracted("spaced") == expected


def test_s2_a_table_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.star").write_text("data_one\nloop_\n_a #1\n_b #2\n\n# nothing\ndata_two\nloop_\n_c #1\n\n5\n")
    one, two = read_tables(tmp_path / "a.star")
    assert (one.labels, len(one), two.text("c").tolist()) == (("a", "b"), 0, ["5"])


def test_s5_optics_groups_are_found_by_their_numbers(project: Path) -> None:
    edit(project / "particles.star", "optics", rlnOpticsGroup=["7"])
    edit(project / "particles.star", "particles", rlnOpticsGroup=["7"] * 4)
    with pytest.warns(match="its groups are numbered 7"):
        assert read_particles("particles.star").optics_group.tolist() == [0] * 4


def test_s5_rows_of_the_optics_table_may_be_in_any_order(project: Path) -> None:
    tables = read_tables("particles.star")
    optics = find_table(tables, "optics")
    assert optics is not None
    pixel = float(optics.text("rlnTomoTiltSeriesPixelSize")[0])
    two = optics.take([0, 0]).with_column("rlnOpticsGroup", ["2", "1"])
    two = two.with_column("rlnTomoTiltSeriesPixelSize", [f"{pixel:g}", f"{2 * pixel:g}"])
    write_tables("two.star", [two if table is optics else table for table in tables])
    edit(project / "two.star", "particles", rlnOpticsGroup=["1", "2", "2", "1"])
    with pytest.warns(match="its groups are numbered 2, 1"):
        sizes = read_particles("two.star").pixel_size_angstrom
    np.testing.assert_allclose(sizes, [2 * pixel, pixel, pixel, 2 * pixel])


def test_s5_a_number_that_two_groups_have_is_refused(project: Path) -> None:
    tables = [t.take([0, 0]) if t.name == "optics" else t for t in read_tables("particles.star")]
    write_tables("twice.star", tables)
    with pytest.raises(InputError, match=r"optics group 1 stands in more than one row.*rlnOpticsGroup"):
        read_particles("twice.star")


def test_s10_a_run_that_extracts_nothing_fails(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main((*COMMAND, "--o", "out/", "--pipeline_control", "out/", "--min_frames", "1000")) == 1
    assert "no particle was extracted: 4 of 4 are left out for one cause (too few tilts)" in capsys.readouterr().err
    assert Path("out/RELION_JOB_EXIT_FAILURE").exists()
    assert not Path("out/RELION_JOB_EXIT_SUCCESS").exists()


def test_a1_what_is_no_regular_file_is_refused_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe.star")
    for name in ("pipe.star", "/dev/zero"):
        command = ("extract", "--t", "tomograms.star", "--p", name, "--b", "24", "--o", "out/")
        assert main(command) == 1
        assert "is no regular file" in capsys.readouterr().err
    image = next(iter(project.glob("*.mrcs")))
    image.unlink()
    os.mkfifo(image)
    assert main((*COMMAND, "--o", "out/")) == 1
    assert f"{image.name}: is no regular file but a pipe" in capsys.readouterr().err


def test_a2_a_stack_longer_than_its_header_says_is_refused_or_warned_of(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = extracted("plain")
    image = sorted(project.glob("*.mrcs"))[0]
    shutil.copy(image, "kept")
    with open(image, "ab") as stream:
        stream.write(b"a few words behind the pixels")
    assert extracted("longer") == expected
    warned = capsys.readouterr().err
    assert warned.count("mode or size in the header seem to be wrong") == 1
    assert f"{image.name}: has {image.stat().st_size} bytes" in warned
    shutil.copy("kept", image)
    with open(image, "r+b") as stream:
        stream.seek(12)
        stream.write(np.int32(0).tobytes())  # a stamp of one byte per pixel on pixels of four
    assert main((*COMMAND, "--o", "stamped/")) == 1
    assert (
        "the pixels take 4 times as much room as it says, so that mode or size in the header are wrong"
        in capsys.readouterr().err
    )
    assert not Path("stamped/Subtomograms").exists()


@pytest.mark.parametrize("row", ['"a ', "'b ", "\"a 'b "])
def test_a4_ten_megabytes_of_open_quotes_are_refused_in_no_time(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.star"
    path.write_text("data_particles\nloop_\n_a #1\n" + row * (10_000_000 // len(row)) + "\n")
    start = time.perf_counter()
    with pytest.raises(InputError, match="is never closed") as caught:
        read_tables(path)
    assert time.perf_counter() - start < 2.0
    assert len(str(caught.value)) < 1000


def test_a4_a_million_labels_are_refused_in_no_time_and_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    path.write_text("data_particles\nloop_\n" + "".join(f"_a{i} #{i}\n" for i in range(1_000_000)) + "1\n")
    start = time.perf_counter()
    with pytest.raises(InputError, match="more than 10000 labels in one table") as caught:
        read_tables(path)
    assert time.perf_counter() - start < 2.0
    assert len(str(caught.value)) < 1000


def test_a4_lists_in_messages_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    path.write_text("data_t\nloop_\n" + "".join(f"_a{i}\n" for i in range(300)) + "1 " * 300 + "\n")
    with pytest.raises(InputError, match="a39 and 260 more"):
        read_tables(path)[0].text("b")
