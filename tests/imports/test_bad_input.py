"""Folders with files that are no good: one line for each, the others are imported, and the account names all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.io.relion import read_tomograms
from tests.helpers.importing import write_stack

Capture = pytest.CaptureFixture[str]
FILES = {"warp": "{}.xml", "aretomo": "{}.aln", "imod": "{}/{}.xf", "eman2": "{}_info.json", "portal": "{}.json"}
"""Program to the file of a series."""
BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]>\n<TiltSeries A="&d;">'


def file_of(program: str, name: str) -> Path:
    return Path("in", FILES[program].format(*[name] * FILES[program].count("{}")))


def write_series(
    program: str, name: str, tilts: tuple[float, ...] = (-20.0, 0.0, 20.0), *, aligned: bool = True
) -> Path:
    """Write a series of three views, as its program would."""
    path, n = file_of(program, name), len(tilts)
    path.parent.mkdir(parents=True, exist_ok=True)

    def column(values: object) -> str:
        return "\n".join(map(str, values))  # type: ignore[call-overload]

    angle = np.deg2rad(85.0)
    match program:
        case "warp":
            axis = f"<AxisAngle>{column([85.0] * n)}</AxisAngle>" if aligned else ""
            offsets = "".join(f"<AxisOffset{one}>{column([1.0] * n)}</AxisOffset{one}>" for one in "XY")
            path.write_text(
                f'<?xml version="1.0"?>\n<TiltSeries LevelAngleX="0"><Angles>{column(tilts)}</Angles>'
                f"<Dose>{column(range(n))}</Dose>{axis}{offsets}</TiltSeries>"
            )
        case "aretomo":
            rows = "".join(f"{view} 85.0 1.0 1.0 2.0 1 1 1 0 {tilt}\n" for view, tilt in enumerate(tilts, start=1))
            head = (
                f"# AreTomo Alignment / Priims bprmMn\n# RawSize = 20 16 {n}\n# NumPatches = 0\n# AlphaOffset = 0.0\n"
            )
            path.write_text(f"{head}# BetaOffset = 0.0\n# SEC ROT GMAG TX TY\n" + (rows if aligned else ""))
        case "imod":
            row = (
                f"{np.cos(angle)} {np.sin(angle)} {-np.sin(angle)} {np.cos(angle)} 1 2\n"
                if aligned
                else "1 0 0 1 0 0\n"
            )
            path.write_text(row * n)
            path.with_suffix(".tlt").write_text(column(tilts) + "\n")
        case "eman2":
            rows = [[1.0, 2.0, -85.0, tilt, 0.0] for tilt in tilts]
            path.write_text(json.dumps({"tlt_params": rows} if aligned else {"boxes_3d": []}))
        case "portal":
            matrix = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            rows = [
                {"z_index": z, "tilt_angle": tilt, "in_plane_rotation": matrix, "x_offset": 1.0, "y_offset": 2.0}
                for z, tilt in enumerate(tilts)
            ]
            path.write_text(json.dumps({"per_section_alignment_parameters": rows if aligned else []}))
    write_stack(Path("img", f"{name}.mrc"), n, (20, 16))
    return path


def imported(program: str, capsys: Capture) -> tuple[int, list[str], str]:
    names = [str(path) for path in sorted(Path("in").rglob(f"*{Path(FILES[program]).suffix}"))]
    given = ["in"] if program != "portal" else names
    capsys.readouterr()
    code = subtomo(["import", program, *given, "--images", "img", "--o", "Import/", "--no-pictures"])
    out, err = capsys.readouterr()
    return code, [line for line in err.splitlines() if line.startswith("error:")], out


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def others(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))


def lost_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def no_images(path: Path) -> None:
    Path("img/TS_2.mrc").unlink()


def other_images(path: Path) -> None:
    write_stack(Path("img/TS_2.mrc"), 7, (20, 16))


def broken_images(path: Path) -> None:
    cut(Path("img/TS_2.mrc"))


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "zero length": (lambda path: path.write_bytes(b""), "is empty"),
    "half written": (cut, "TS_2"),
    "of another program": (others, "TS_2"),
    "no text": (lambda path: path.write_bytes(bytes(500)), "is empty"),
    "a folder of this name": (lambda path: (path.unlink(), path.mkdir()), ""),
    "a link to nowhere": (lost_link, ""),
    "no images": (no_images, "no stacks of images for"),
    "images of another series": (other_images, "has 7 images"),
    "half of the images": (broken_images, "img/TS_2.mrc"),
}


@pytest.mark.parametrize("program", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_one_bad_series_gets_one_line_and_the_other_is_imported(program: str, damage: str, capsys: Capture) -> None:
    write_series(program, "TS_1")
    spoil, message = DAMAGES[damage]
    spoil(write_series(program, "TS_2"))
    code, errors, out = imported(program, capsys)
    assert [one.name for one in read_tomograms("Import/tomograms.star")] == ["TS_1"]
    account = json.loads(Path("Import/import.json").read_text())
    assert [one["name"] for one in account["series"]] == ["TS_1"]
    if damage.startswith("a folder") and program != "portal":
        return  # what is no file is no series
    assert code == 1
    assert "1 tilt series imported, 1 not imported" in out
    [line] = errors
    assert "TS_2" in line
    assert message in line
    assert list(account["not_imported"]) == [str(file_of(program, "TS_2"))]


@pytest.mark.parametrize("program", FILES)
def test_series_without_alignment_and_with_one_angle_twice_are_named(program: str, capsys: Capture) -> None:
    write_series(program, "TS_1")
    write_series(program, "TS_2", aligned=False)
    write_series(program, "TS_3", tilts=(-20.0, 5.0, 5.0))
    code, errors, _ = imported(program, capsys)
    assert code == 1
    assert len(errors) == 2
    assert "TS_2" in errors[0]
    assert "not aligned" in errors[0]
    assert "TS_3" in errors[1]
    assert "views 2 and 3 both have a tilt angle of" in errors[1]
    assert [one.name for one in read_tomograms("Import/tomograms.star")] == ["TS_1"]


@pytest.mark.parametrize("program", FILES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_says_the_same(program: str, encoding: str, capsys: Capture) -> None:
    path = write_series(program, "TS_1")
    assert imported(program, capsys)[0] == 0
    table = Path("Import/tilt_series/TS_1.star").read_text()
    text = path.read_text()
    path.write_text(text.replace("\n", "\r\n"), encoding=encoding)
    assert imported(program, capsys)[0] == 0
    assert Path("Import/tilt_series/TS_1.star").read_text() == table


def test_bytes_in_another_encoding_are_named(capsys: Capture) -> None:
    write_series("warp", "TS_1")
    path = write_series("warp", "TS_2")
    path.write_bytes(path.read_bytes().replace(b"LevelAngleX", "Grün".encode("latin-1")))
    _, [line], _ = imported("warp", capsys)
    assert "is no text in UTF-8" in line


def test_hostile_xml_is_not_opened(capsys: Capture) -> None:
    write_series("warp", "TS_1")
    write_series("warp", "TS_2").write_text(BOMB)
    write_series("warp", "TS_3").write_text("<a>" * 200_000)
    write_series("warp", "TS_4").write_text("<TiltSeries><Angles>" + "9" * 100_000 + "</Angles></TiltSeries>")
    code, errors, _ = imported("warp", capsys)
    assert code == 1
    assert ["TS_2" in errors[0], "TS_3" in errors[1], "TS_4" in errors[2]] == [True] * 3
    assert "document type or entities" in errors[0]
    assert len(errors) == 3
    assert all(len(line) < 400 for line in errors)


def test_tilts_of_unequal_number_and_missing_companions_are_named(capsys: Capture) -> None:
    write_series("imod", "TS_1")
    write_series("imod", "TS_2").with_suffix(".tlt").write_text("-20\n0\n")
    write_series("imod", "TS_3").with_suffix(".tlt").unlink()
    write_series("imod", "TS_4").with_name("tilt.com").write_text("$tilt\nXAXISTILT x\n")
    code, errors, _ = imported("imod", capsys)
    assert code == 1
    assert [line.split("TS_")[1][0] for line in errors] == ["2", "3", "4"]
    assert "numbers of views differ: 3 in TS_2.xf, 2 in TS_2.tlt" in errors[0]
    assert "has no TS_3.tlt beside it" in errors[1]
    assert "XAXISTILT: found 'x', expected a number" in errors[2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_named(capsys: Capture) -> None:
    write_series("aretomo", "TS_1")
    write_series("aretomo", "TS_2").chmod(0)
    code, [line], _ = imported("aretomo", capsys)
    assert code == 1
    assert "Permission denied" in line


def test_two_files_of_one_series_are_not_mixed(capsys: Capture) -> None:
    path = write_series("aretomo", "TS_1")
    Path("in/again").mkdir()
    again = shutil.copy(path, "in/again/TS_1.aln")
    command = ["import", "aretomo", str(path), str(again), "--images", "img", "--o", "Import/", "--no-pictures"]
    assert subtomo(command) == 1
    assert "would become tomogram TS_1, as in/TS_1.aln does" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["in"], ["in/*"], ["in/TS_1", "in/TS_2", "in/TS_3"]])
def test_folders_of_etomo_that_are_half_done_do_not_stop_the_others(given: list[str], capsys: Capture) -> None:
    write_series("imod", "TS_1")
    write_series("imod", "TS_2").rename("in/TS_2/TS_2_xcor.xf")
    Path("in/TS_2/TS_2.edf").write_text("Setup.DatasetName=TS_2\n")
    write_series("imod", "TS_3")
    assert subtomo(["import", "imod", *given, "--images", "img", "--o", "Import/", "--no-pictures"]) == 1
    out, err = capsys.readouterr()
    assert "error: in/TS_2: has TS_2.edf, but no .xf file, so the tilt series is not aligned" in err
    assert "2 tilt series imported, 1 not imported" in out
    assert list(json.loads(Path("Import/import.json").read_text())["not_imported"]) == ["in/TS_2"]


def test_names_that_lead_to_nothing_do_not_stop_the_others(capsys: Capture) -> None:
    write_series("aretomo", "TS_1")
    Path("empty").mkdir()
    command = ["import", "aretomo", "in", "empty", "in/TS_9.aln", "other/*", "--images", "img", "--o", "Import/"]
    assert subtomo([*command, "--no-pictures"]) == 1
    out, err = capsys.readouterr()
    assert "error: empty: no file *.aln in this folder" in err
    assert "error: in/TS_9.aln: no such file or folder, did you mean TS_1.aln?" in err
    assert "error: other/*: no such file or folder" in err
    assert "1 tilt series imported, 3 not imported" in out


def test_what_is_noted_of_many_series_is_said_once(capsys: Capture) -> None:
    for number in range(1, 7):
        write_series("aretomo", f"TS_{number}")
    command = ["import", "aretomo", "in", "--images", "img", "--o", "Import/", "--no-pictures", "--exclude", "2"]
    assert subtomo(command) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]
    assert "note: TS_1: no file says the hand (--hand), and -1 is taken (and 5 more series likewise)" in notes
    assert "note: images have 10 Å per pixel, as their headers say" in notes
    assert len(notes) < 10
