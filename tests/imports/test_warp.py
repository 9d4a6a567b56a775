"""Tilt series of Warp and M: geometry against warpylib's own projections, and files that are no good."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.errors import InputError
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.io.relion import read_tomograms
from subtomo.jobs.import_complete import Completion
from subtomo.jobs.import_series import ImportJob, import_series
from subtomo.model.foreign import Frame
from subtomo.physics.projection import project
from tests.helpers.importing import write_stack

NO_FRAME = Frame(1.0, (1.0, 1.0), (1.0, 1.0, 1.0))
"""Files that say their sizes need no other."""


def read(path: Path, **options: object):
    return tilt_series_source("warp").read(path, SourceOptions(**options))


def edited(source: Path, target: Path, *changes: tuple[str, str], encoding: str = "utf-8-sig") -> Path:
    text = source.read_text(encoding="utf-8-sig")
    for pattern, replacement in changes:
        text, count = re.subn(pattern, lambda match, new=replacement: new, text, flags=re.DOTALL)
        assert count, pattern
    target.write_text(text, encoding=encoding)
    return target


@pytest.fixture(scope="module")
def oracle(alignments: Path) -> dict[str, np.ndarray]:
    with np.load(alignments / "warp" / "positions.npz") as stored:
        return dict(stored)


def test_positions_are_those_of_warpylib_with_movement_grids(alignments: Path, oracle: dict[str, np.ndarray]) -> None:
    seen = read(alignments / "warp" / "TS_1.xml").model.project(oracle["points_angstrom"], NO_FRAME)
    assert np.abs(seen.transpose(1, 0, 2) - oracle["seen_angstrom"]).max() < 2e-3  # single precision


def test_positions_are_those_of_warpylib_with_a_volume_warp(
    alignments: Path, oracle: dict[str, np.ndarray], tmp_path: Path
) -> None:
    changes = []
    nodes = oracle["warp_nodes"]
    _, time, depth, height, width = nodes.shape
    for axis, values in zip("XYZ", nodes, strict=True):
        lines = "".join(
            f'<Node X="{x}" Y="{y}" Z="{z}" W="{w}" Value="{values[w, z, y, x]}" />'
            for w, z, y, x in np.ndindex(values.shape)
        )
        name = f"GridVolumeWarp{axis}"
        head = f'<{name} Width="{width}" Height="{height}" Depth="{depth}" Duration="{time}">'
        changes.append((f"<{name} .*?</{name}>", f"{head}{lines}</{name}>"))
    path = edited(alignments / "warp" / "TS_1.xml", tmp_path / "w.xml", *changes)
    seen = read(path).model.project(oracle["points_angstrom"], NO_FRAME)
    assert np.abs(seen.transpose(1, 0, 2) - oracle["warped_seen_angstrom"]).max() < 5e-3


def test_the_hand_follows_from_the_flag_as_warpylibs_defocus_does(
    alignments: Path, oracle: dict[str, np.ndarray], tmp_path: Path
) -> None:
    upright = read(alignments / "warp" / "TS_1.xml")
    path = edited(alignments / "warp" / "TS_1.xml", tmp_path / "i.xml", ('Inverted="False"', 'Inverted="True"'))
    depth = (oracle["points_angstrom"] @ upright.alignment.rotations[:, 2].T)[..., None][:, :, 0]
    for series, defocus in ((upright, "defocus_um"), (read(path), "defocus_inverted_um")):
        grown = 1e4 * (
            oracle[defocus] - series.ctf.defocus_u_angstrom * 1e-4 * 0.5 - series.ctf.defocus_v_angstrom * 5e-5
        )
        assert np.abs(grown - series.hand * depth).max() < 0.5


def test_the_project_in_the_examples_comes_out_of_its_xml_file(
    alignments: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = repository / "examples" / "empiar-10499"
    monkeypatch.chdir(tmp_path)
    command = f"import warp {alignments}/warp/00254.xml --images {example} --thickness 2400 --o Import/"
    assert subtomo(command.split()) == 0
    imported, wanted = (
        read_tomograms("Import/tomograms.star")[0],
        read_tomograms(example / "tomograms.star", project=example)[0],
    )
    assert imported.name == wanted.name
    assert (imported.size_px, imported.image_size, imported.hand) == (wanted.size_px, wanted.image_size, wanted.hand)
    assert imported.microscope == wanted.microscope
    corners = np.array([[x, y, z] for x in (0, 652) for y in (0, 630) for z in (0, 240)], float)[:, None]
    seen, expected = (project(series.tilts.projection, corners) for series in (imported, wanted))
    assert np.abs(seen - expected).max() < 1e-4
    for field in ("dose_e_per_a2", "defocus_u_angstrom", "defocus_v_angstrom", "astigmatism_deg", "nominal_tilt_deg"):
        assert np.abs(getattr(imported.tilts, field) - getattr(wanted.tilts, field)).max() < 1e-4, field
    assert Path("Import/residuals/TS_254.png").stat().st_size > 1000
    worst = max(float(line.split(",")[2]) for line in Path("Import/residuals.csv").read_text().splitlines()[1:])
    assert worst < 1e-4


def test_what_relion_cannot_hold_is_refused_and_named(alignments: Path, tmp_path: Path) -> None:
    write_stack(tmp_path / "TS_1.mrcs", 41, (288, 204), pixel_size=16.68)
    job = ImportJob("warp", (str(alignments / "warp" / "TS_1.xml"),), f"{tmp_path}/o/", Completion((str(tmp_path),)))
    summary = import_series(job)
    assert not summary.imported
    [message] = summary.failures.values()
    assert "angle grids (up to 2.69°" in message
    assert "magnification correction (stretches images by up to 0.86 %)" in message
    assert not (tmp_path / "o").exists()


def test_movement_grids_leave_a_residual_that_trajectories_take_away(alignments: Path, tmp_path: Path) -> None:
    write_stack(tmp_path / "TS_1.mrcs", 41, (288, 204), pixel_size=16.68)
    job = ImportJob(
        "warp",
        (str(alignments / "warp" / "TS_1.xml"),),
        f"{tmp_path}/o/",
        Completion((str(tmp_path),)),
        approximate=True,
        project=tmp_path,
    )
    [residual] = import_series(job).residuals
    assert residual.worst_px > 0.5
    assert residual.needs_motion
    assert "movement grids" in residual.left_out()
    assert residual.worst_with_motion_px < 1e-4


def test_excluded_views_are_left_out_of_the_table_and_of_the_numbering(alignments: Path, tmp_path: Path) -> None:
    used = ("<UseTilt>True\nTrue\n", "<UseTilt>False\nTrue\n")
    path = edited(alignments / "warp" / "00254.xml", tmp_path / "00254.xml", used)
    series = read(path, exclude_views=frozenset({41}))
    assert (len(series), series.n_sections) == (39, 41)
    assert series.left_out == ("view 1 (-60.01°): UseTilt is False", "view 41 (59.98°): as asked")
    for n_images, first in ((41, "000002@"), (39, "000001@")):
        stack = write_stack(tmp_path / "00254.mrcs", n_images, (32, 30), pixel_size=200.0)
        job = ImportJob(
            "warp", (str(path),), "o/", Completion((str(stack),)), exclude_views=frozenset({41}), project=tmp_path
        )
        [imported] = import_series(job).imported
        assert imported.image_names[0].startswith(first)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_in_any_encoding_say_the_same(alignments: Path, tmp_path: Path, encoding: str) -> None:
    path = edited(alignments / "warp" / "00254.xml", tmp_path / "a.xml", encoding=encoding)
    assert np.array_equal(read(path).alignment.shift, read(alignments / "warp" / "00254.xml").alignment.shift)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        ("<AxisAngle>.*</AxisAngle>", "", "not aligned"),
        ("<Dose>117\n", "<Dose>", "Dose has 40 entries, but Angles has 41"),
        ("<Angles>-60.01\n-57\n", "<Angles>-57\n-57\n", "views 1 and 2 both have a tilt angle of -57.00°"),
        ("<Angles>-60.01", "<Angles>nan", "Angles, view 1: found nan"),
        ("<Angles>-60.01", "<Angles>x", "Angles, view 1: found 'x'"),
        ("<TiltSeries ", "<!DOCTYPE a [<!ENTITY b 'c'>]>\n<TiltSeries ", "document type or entities"),
        ("</TiltSeries>", "", "no whole XML file"),
        ("<TiltSeries ", "<Movie ", "no whole XML file"),
        ('(?<=<GridCTF Width=)"1"', '"2"', "41 of 82 nodes are missing"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(
    alignments: Path, tmp_path: Path, pattern: str, replacement: str, message: str
) -> None:
    path = edited(alignments / "warp" / "00254.xml", tmp_path / "bad.xml", (pattern, replacement))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_one_bad_file_does_not_stop_the_others(
    alignments: Path,
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("xml").mkdir()
    shutil.copy(alignments / "warp" / "00254.xml", "xml/00254.xml")
    Path("xml/00255.xml").touch()
    Path("xml/00256.xml").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    images = repository / "examples" / "empiar-10499"
    assert subtomo(["import", "warp", "xml", "--images", str(images), "--o", "Import/", "--no-pictures"]) == 1
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 2
    assert "xml/00255.xml: is empty" in errors[0]
    assert "1 tilt series imported, 2 not imported" in out
    assert len(read_tomograms("Import/tomograms.star")) == 1
    account = json.loads(Path("Import/import.json").read_text())
    assert [one["name"] for one in account["series"]] == ["TS_254"]
    assert sorted(account["not_imported"]) == ["xml/00255.xml", "xml/00256.xml"]


def test_a_wrong_number_of_images_is_refused(alignments: Path, tmp_path: Path) -> None:
    write_stack(tmp_path / "00254.mrcs", 40, (32, 30))
    job = ImportJob("warp", (str(alignments / "warp" / "00254.xml"),), f"{tmp_path}/o/", Completion((str(tmp_path),)))
    [message] = import_series(job).failures.values()
    assert "has 40 images" in message
    assert "41 views" in message


def test_one_image_per_view_is_found_by_the_names_in_the_file(alignments: Path, tmp_path: Path) -> None:
    series = read(alignments / "warp" / "00254.xml")
    for name in series.image_names:
        write_stack(tmp_path / f"{Path(name).stem}.mrc", 1, (20, 16), pixel_size=200.0)
    job = ImportJob(
        "warp", (str(alignments / "warp" / "00254.xml"),), "o/", Completion((str(tmp_path),)), project=tmp_path
    )
    summary = import_series(job)
    assert summary.imported[0].image_names[0] == "TS_01_041_-60.0.mrc"
    assert summary.imported[0].name == "00254"
    assert summary.imported[0].pixel_size_angstrom == 200.0


def test_the_only_stack_is_that_of_the_only_series_whatever_it_is_called(alignments: Path, tmp_path: Path) -> None:
    write_stack(tmp_path / "other.mrcs", 41, (32, 30), pixel_size=200.0)
    path = str(alignments / "warp" / "00254.xml")
    known = Completion((str(tmp_path),))
    summary = import_series(ImportJob("warp", (path,), "o/", known, project=tmp_path))
    assert summary.imported[0].name == "other"
    assert any("the only stack there" in note for note in summary.notes)
    shutil.copy(path, tmp_path / "7.xml")
    two = import_series(ImportJob("warp", (path, str(tmp_path / "7.xml")), "o/", known, project=tmp_path))
    assert all("no stacks of images for" in message for message in two.failures.values())
    assert len(two.failures) == 2


def test_one_movement_per_tilt_and_level_angles_are_rotations_and_shifts(alignments: Path, tmp_path: Path) -> None:
    changes = [('LevelAngleX="0"', 'LevelAngleX="2"'), ('LevelAngleY="0"', 'LevelAngleY="-3"')]
    for axis, sign in (("X", 1), ("Y", -2)):
        nodes = "".join(f'<Node X="0" Y="0" Z="{z}" Value="{sign * z}" />' for z in range(41))
        name = f"GridMovement{axis}"
        head = f'<{name} Width="1" Height="1" Depth="41" MarginX="0" MarginY="0" MarginZ="0">'
        changes.append((f"<{name} .*?</{name}>", f"{head}{nodes}</{name}>"))
    path = edited(alignments / "warp" / "00254.xml", tmp_path / "00254.xml", *changes)
    series, before = read(path), read(alignments / "warp" / "00254.xml")
    moved = before.alignment.shift - np.arange(41)[:, None] * [1, -2]
    assert np.abs(series.alignment.shift - moved).max() < 1e-9
    assert (series.alignment.x_tilt_deg == 2).all()
    assert np.abs(series.alignment.y_tilt_deg - before.alignment.y_tilt_deg - 3).max() < 1e-9
    write_stack(tmp_path / "00254.mrcs", 41, (32, 30), pixel_size=200.0)
    [residual] = import_series(ImportJob("warp", (str(path),), "o/", project=tmp_path)).residuals
    assert residual.worst_px < 1e-4
    assert not residual.parts


def test_anisotropic_pixels_are_refused(alignments: Path, tmp_path: Path) -> None:
    change = ('"PixelSizeDeltaPercent" Value="0"', '"PixelSizeDeltaPercent" Value="0.01"')
    path = edited(alignments / "warp" / "00254.xml", tmp_path / "00254.xml", change)
    write_stack(tmp_path / "00254.mrcs", 41, (32, 30), pixel_size=200.0)
    [message] = import_series(ImportJob("warp", (str(path),), "o/", project=tmp_path)).failures.values()
    assert "anisotropic pixels (1.00 %)" in message


def test_defocus_grids_of_fewer_nodes_than_tilts_are_interpolated(alignments: Path, tmp_path: Path) -> None:
    nodes = '<Node X="0" Y="0" Z="0" Value="1" /><Node X="0" Y="0" Z="1" Value="3" />'
    grid = f'<GridCTF Width="1" Height="1" Depth="2">{nodes}'
    path = edited(
        alignments / "warp" / "00254.xml", tmp_path / "a.xml", ("<GridCTF .*?</GridCTF>", f"{grid}</GridCTF>")
    )
    ctf = read(path).ctf
    assert ctf is not None
    mean = (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom) / 2
    assert mean == pytest.approx(np.linspace(1e4, 3e4, 41))


def test_names_of_images_that_relion_could_not_open_are_refused(alignments: Path, tmp_path: Path) -> None:
    (tmp_path / "50%").mkdir()
    write_stack(tmp_path / "50%" / "00254.mrcs", 41, (32, 30), pixel_size=200.0)
    path = str(alignments / "warp" / "00254.xml")
    [message] = import_series(
        ImportJob("warp", (path,), "o/", Completion((str(tmp_path / "50%"),)), project=tmp_path)
    ).failures.values()
    assert "holds a %" in message
