"""Tilt series of IMOD: geometry computed by hand and against Warp's reading of IMOD's files, and bad folders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from subtomo.errors import InputError
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.io.relion import read_tomograms
from subtomo.jobs.import_complete import Completion
from subtomo.jobs.import_series import ImportJob, import_series
from subtomo.model.foreign import ForeignSeries, Frame
from tests.helpers.importing import write_stack

FRAME = Frame(10.0, (6520.0, 6300.0), (6520.0, 6300.0, 2400.0))
TILTS = (-30.0, 0.0, 30.0)


def read(path: Path, **options: object) -> ForeignSeries:
    source = tilt_series_source("imod")
    [found] = source.find([str(path)])
    return source.read(found, SourceOptions(**options))


def write_folder(folder: Path, *, xf: str = "0 1 -1 0 2 3\n" * 3, com: str = "", **others: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.xf").write_text(xf)
    (folder / "a.tlt").write_text("".join(f"{tilt:.2f}\n" for tilt in TILTS))
    if com:
        (folder / "tilt.com").write_text("$tilt -StandardInput\n# SHIFT 9 9\n" + com + "DONE\nSHIFT 7 7\n")
    for name, text in others.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_series_aligned_by_imod_projects_as_warp_reads_it(alignments: Path) -> None:
    imod, warp = (
        tilt_series_source(name).read(alignments / "xf_import" / f"00254.{suffix}", SourceOptions())
        for name, suffix in (("imod", "xf"), ("warp", "xml"))
    )
    points = np.random.default_rng(2).uniform(-3000, 3000, (50, 3))
    # Warp's tomograms have the other direction of z
    seen, expected = imod.model.project(points * [1, 1, -1], FRAME), warp.model.project(points, FRAME)
    assert np.abs(seen - expected).max() < 0.002


def test_the_rotation_is_the_one_that_etomo_was_told(alignments: Path) -> None:
    series = read(alignments / "etomo_TS_001")
    directive = (alignments / "etomo_TS_001" / "TS_001.edf").read_text()
    told = float(re.search(r"Setup.ImageRotationA=(.*)", directive)[1])  # type: ignore[index]
    assert np.abs(series.alignment.z_rot_deg - told).max() < 1.0
    assert series.left_out == ("view 40 (59.84°): excluded in IMOD",)
    assert series.nominal_tilt_deg is not None
    assert series.nominal_tilt_deg[0] == -60.0


def test_rotations_of_the_other_sign_than_etomo_was_told_are_refused(alignments: Path, tmp_path: Path) -> None:
    shutil.copytree(alignments / "etomo_TS_001", tmp_path / "s")
    rows = np.loadtxt(tmp_path / "s" / "TS_001.xf")
    np.savetxt(tmp_path / "s" / "TS_001.xf", rows[:, [0, 2, 1, 3, 4, 5]], fmt="%12.7f")
    with pytest.raises(InputError, match=r"rotates images by -84.\d°, but eTomo was told 83.9°"):
        read(tmp_path / "s")


def test_a_point_goes_where_hand_computation_puts_it(tmp_path: Path) -> None:
    series = read(write_folder(tmp_path / "s", com="XAXISTILT 90\nTHICKNESS 300\n"))
    # aligned = (y, -x) + (2, 3) of raw, so raw = (-(Y - 3), X - 2)
    seen = series.model.project(np.array([[10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0]]), FRAME) / 10.0
    cosine, sine = np.cos(np.deg2rad(30)), 0.5
    # about x by 90°: x stays, y becomes z, z becomes -y; then about y by 30°: X = x cos + z sin
    assert seen[2] == pytest.approx(np.array([[3.0, cosine - 2.0], [3.0, sine - 2.0], [4.0, -2.0]]))
    assert series.volume_size[2] == 300.0


def test_offsets_of_angle_and_axis_are_obeyed(tmp_path: Path) -> None:
    series = read(write_folder(tmp_path / "s", xf="1 0 0 1 0 1\n" * 3, com="OFFSET 30.0 10\n"))
    assert series.alignment.y_tilt_deg.tolist() == [0.0, 30.0, 60.0]
    # the axis is at x = 10: what lies on it stays, the middle is 10 beside it and at 60° seen 5 beside it
    seen = series.model.project(np.array([[100.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), FRAME) / 10.0
    assert seen[2] == pytest.approx(np.array([[10.0, -1.0], [5.0, -1.0]]))
    assert series.alignment.shift[2] == pytest.approx([5.0, -1.0])


def test_shift_and_subset_move_the_tomogram(tmp_path: Path) -> None:
    com = "FULLIMAGE 400 300\nSUBSETSTART -8 6\nSHIFT 5 -7\nIMAGEBINNED 4\n"
    newst = "$newstack -StandardInput\nSizeToOutputInXandY\t108,70\nBinByFactor\t4\n"
    series = read(write_folder(tmp_path / "s", com=com, newst_com=newst))
    # -8 + 432/2 - 400/2 - 5, 6 + 280/2 - 300/2, 7
    assert series.tomogram_offset == (3.0, -4.0, 7.0)


@pytest.mark.parametrize(("size", "pixel"), [((400, 300), 2.0), ((300, 400), 2.0), ((50, 37), 16.0), ((133, 100), 6.0)])
def test_shifts_count_pixels_of_the_images_that_were_aligned(
    tmp_path: Path, size: tuple[int, int], pixel: float
) -> None:
    folder = write_folder(tmp_path / "s", xf="1 0 0 1 10 -20\n" * 3, com="FULLIMAGE 400 300\n")
    write_stack(folder / "a.st", 3, size, pixel_size=pixel)
    [imported] = import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path)).imported
    assert imported.series.alignment.shift.tolist() == [[-20.0, 40.0]] * 3


@pytest.mark.parametrize("name", ["EXCLUDELIST", "EXCLUDELIST2", "exclude"])
def test_excluded_views_are_left_out_with_ranges(tmp_path: Path, name: str) -> None:
    series = read(write_folder(tmp_path / "s", com=f"{name} 2-3\n"))
    assert series.section.tolist() == [0]
    assert series.left_out == ("view 2 (0°): excluded in IMOD", "view 3 (30°): excluded in IMOD")


def test_magnification_is_refused_or_told_in_pixels(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", xf="1.01 0 0 1.01 0 1\n" * 3)
    write_stack(folder / "a.st", 3, (100, 80))
    job = ImportJob("imod", (str(folder),), "o/", project=tmp_path)
    [message] = import_series(job).failures.values()
    assert "magnification and stretch (up to 1.000 %)" in message
    job = ImportJob("imod", (str(folder),), "o/", approximate=True, project=tmp_path)
    [residual] = import_series(job).residuals
    assert residual.worst_px == pytest.approx((1 - 1 / 1.01) * np.hypot(45 * np.cos(np.pi / 6) + 108 / 2, 36), rel=0.01)
    assert "magnification and stretch" in residual.left_out()


def test_a_little_magnification_is_carried_by_trajectories(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", xf="1.0009 0 0 1.0009 0 1\n" * 3)
    write_stack(folder / "a.st", 3, (600, 400))
    [residual] = import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path)).residuals
    assert residual.worst_px > 0.1
    assert residual.needs_motion
    assert residual.worst_with_motion_px < 1e-4


def test_odd_images_keep_their_exact_centre(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s")
    write_stack(folder / "a.st", 3, (101, 81))
    summary = import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path))
    assert summary.residuals[0].worst_px < 1e-4
    [tomogram] = read_tomograms(tmp_path / "o" / "tomograms.star", project=tmp_path)
    assert tomogram.size_px[:2] == (102, 82)


def test_defocus_and_dose_come_from_the_files_beside(tmp_path: Path) -> None:
    sections = "".join(
        f"[ZValue = {n}]\nTiltAngle = {tilt}\nExposureDose = 2.5\nDateTime = 01-Jan-2024  10:0{order}:00\n\n"
        for n, (tilt, order) in enumerate(zip(TILTS, (2, 0, 1), strict=True))
    )
    folder = write_folder(
        tmp_path / "s",
        a_mdoc="PixelSpacing = 10\nImageFile = a.st\n\n" + sections,
        a_defocus="5 0 0. 0. 0 3\n1 1 -30 -30 3000 2900 45 90\n2 2 0 0 3100 3000 45 0\n3 3 30 30 3200 3100 45 0\n",
    )
    write_stack(folder / "a.st", 3, (100, 80))
    import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path))
    [tomogram] = read_tomograms(tmp_path / "o" / "tomograms.star", project=tmp_path)
    assert tomogram.tilts.dose_e_per_a2.tolist() == [5.0, 0.0, 2.5]
    assert tomogram.tilts.defocus_u_angstrom.tolist() == [30000.0, 31000.0, 32000.0]
    assert tomogram.tilts.defocus_v_angstrom.tolist() == [29000.0, 30000.0, 31000.0]
    assert tomogram.tilts.phase_shift_deg.tolist() == [90.0, 0.0, 0.0]


def test_a_defocus_file_of_version_2_has_one_defocus_per_view(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", a_defocus="1 1 -30 -30 3000 2\n2 2 0 0 3100\n3 3 30 30 3200\n")
    write_stack(folder / "a.st", 3, (100, 80))
    import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path))
    [tomogram] = read_tomograms(tmp_path / "o" / "tomograms.star", project=tmp_path)
    assert tomogram.tilts.defocus_v_angstrom.tolist() == [30000.0, 31000.0, 32000.0]


def test_local_alignments_and_stages_of_a_series_are_no_series(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s")
    for name in ("alocal.xf", "a_fid.xf", "a_nonfid.xf"):
        shutil.copy(folder / "a.xf", folder / name)
    assert len(tilt_series_source("imod").find([str(folder)])) == 1
    assert len(tilt_series_source("imod").find([f"{tmp_path}/*"])) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"xf": ""}, "a.xf: is empty"),
        ({"xf": "1 0 0 1 0 0\n" * 3}, "a.xf: all rows are those of no transform"),
        ({"xf": "0 1 -1 0 2 3\n" * 2}, "numbers of views differ: 2 in a.xf, 3 in a.tlt"),
        ({"xf": "0 1 -1 0 2\n" * 3}, "a.xf, line 1: has 5 values, expected 6"),
        ({"xf": "0 1 -1 0 2 x\n" * 3}, "a.xf, line 1: found 'x'"),
        ({"xf": "0 1 1 0 2 3\n" * 3}, "a.xf, row 1: its matrix mirrors"),
        ({"a_tlt": "1\n1\n2\n"}, "a.tlt: views 1 and 2 both have a tilt angle of 1.00°"),
        ({"a_xtilt": "0\n"}, "1 in a.xtilt"),
        ({"com": "EXCLUDELIST 7\n"}, "view 7 is to be left out, but views are 1 to 3"),
        ({"com": "EXCLUDELIST 1-3\n"}, "all 3 views are excluded"),
        ({"com": "EXCLUDELIST a\n"}, "EXCLUDELIST: found 'a'"),
        ({"com": "SHIFT x\n"}, "SHIFT: found 'x'"),
        ({"com": "INCLUDE 1\n"}, "has INCLUDE"),
    ],
)
def test_bad_folders_are_named_with_what_is_wrong(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read(write_folder(tmp_path / "s", **files))


def test_a_folder_without_transforms_is_not_aligned(alignments: Path, tmp_path: Path) -> None:
    shutil.copy(alignments / "etomo_TS_001" / "TS_001.edf", tmp_path / "TS_001.edf")
    with pytest.raises(InputError, match="not aligned"):
        read(tmp_path)


def test_transforms_without_angles_name_the_missing_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s")
    (folder / "a.tlt").unlink()
    with pytest.raises(InputError, match=r"has no a.tlt beside it"):
        read(folder)


def test_single_images_are_found_by_the_names_in_the_mdoc_file(tmp_path: Path) -> None:
    sections = "".join(
        f"[ZValue = {n}]\nTiltAngle = {tilt}\nExposureDose = 2.5\nPriorRecordDose = {2.5 * n}\n"
        f"SubFramePath = D:\\frames\\a_{n:03d}_{tilt}.eer\n\n"
        for n, tilt in enumerate(TILTS)
    )
    folder = write_folder(tmp_path / "s", a_mdoc="PixelSpacing = 10\n\n" + sections)
    (tmp_path / "frames").mkdir()
    for n, tilt in enumerate(TILTS):
        write_stack(tmp_path / "frames" / f"a_{n:03d}_{tilt}.mrc", 1, (100, 80))
    known = Completion((str(tmp_path / "frames"),))
    summary = import_series(ImportJob("imod", (str(folder),), "o/", known, project=tmp_path))
    assert summary.imported[0].image_names == tuple(f"frames/a_{n:03d}_{tilt}.mrc" for n, tilt in enumerate(TILTS))
    assert summary.residuals[0].worst_px < 1e-4
    (tmp_path / "frames" / "a_001_0.0.mrc").unlink()
    [message] = import_series(ImportJob("imod", (str(folder),), "o/", known, project=tmp_path)).failures.values()
    assert "images of 1 of 3 views are missing, such as a_001_0.0" in message


def test_a_series_of_another_mdoc_file_is_refused(tmp_path: Path) -> None:
    sections = "".join(
        f"[ZValue = {n}]\nTiltAngle = {tilt}\nExposureDose = 2\n\n" for n, tilt in enumerate((1, 11, 31, 33))
    )
    folder = write_folder(tmp_path / "s", a_mdoc="PixelSpacing = 10\n\n" + sections)
    write_stack(folder / "a.st", 3, (100, 80))
    [message] = import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path)).failures.values()
    assert "cannot be told apart by their tilts" in message


def test_angles_that_the_alignment_moved_are_those_of_the_mdoc_file_all_the_same(tmp_path: Path) -> None:
    # in another order, and 4° off
    sections = "".join(
        f"[ZValue = {n}]\nTiltAngle = {tilt}\nExposureDose = 2\nPriorRecordDose = {2 * n}\n\n"
        for n, tilt in enumerate((4, 34, -26))
    )
    folder = write_folder(tmp_path / "s", a_mdoc="PixelSpacing = 10\n\n" + sections)
    write_stack(folder / "a.st", 3, (100, 80))
    summary = import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path))
    [tomogram] = read_tomograms(tmp_path / "o" / "tomograms.star", project=tmp_path)
    assert tomogram.tilts.dose_e_per_a2.tolist() == [4.0, 0.0, 2.0]
    assert tomogram.tilts.nominal_tilt_deg is not None
    assert tomogram.tilts.nominal_tilt_deg.tolist() == [-26.0, 4.0, 34.0]
    assert any("differ from those of" in note and "by -4.00°" in note for note in summary.notes)


def test_an_excluded_view_does_not_let_doses_slip_by_one(tmp_path: Path) -> None:
    # 29.9° off at steps of 30°: all kept views have a neighbour's section nearly at their own angle
    sections = "".join(
        f"[ZValue = {n}]\nTiltAngle = {tilt - 29.9}\nExposureDose = 2\nPriorRecordDose = {2 * n}\n\n"
        for n, tilt in enumerate(TILTS)
    )
    folder = write_folder(tmp_path / "s", com="EXCLUDELIST 1\n", a_mdoc="PixelSpacing = 10\n\n" + sections)
    write_stack(folder / "a.st", 3, (100, 80))
    import_series(ImportJob("imod", (str(folder),), "o/", project=tmp_path))
    [tomogram] = read_tomograms(tmp_path / "o" / "tomograms.star", project=tmp_path)
    assert tomogram.tilts.dose_e_per_a2.tolist() == [2.0, 4.0]
