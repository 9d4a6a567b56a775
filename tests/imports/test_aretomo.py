"""Tilt series of AreTomo: geometry, sections, local alignments, and files that are no good."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from subtomo.errors import InputError
from subtomo.foreign.text import read_text
from subtomo.foreign.tilt_series_source import SourceOptions, tilt_series_source
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.jobs.import_complete import Completion
from subtomo.jobs.import_picks import ImportPicksJob, import_picks
from subtomo.jobs.import_place import Placing
from subtomo.jobs.import_series import ImportJob, import_series
from subtomo.model.foreign import ForeignSeries, Frame
from subtomo.physics.projection import project
from tests.helpers.importing import write_stack

FRAME = Frame(2.0, (8192.0, 8192.0), (8192.0, 8192.0, 4000.0))
HEADER = """# AreTomo Alignment / Priims bprmMn
# RawSize = 40 30 {n}
# NumPatches = 0
{dark}# AlphaOffset = 2.00
# BetaOffset = 1.00
# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT
"""


def read(path: Path, **options: object) -> ForeignSeries:
    return tilt_series_source("aretomo").read(path, SourceOptions(**options))


def write_aln(path: Path, sections: list[int], n: int, dark: str = "", *, gmag: float = 1.0) -> Path:
    rows = "".join(
        f"{section:5d} 80.0000 {gmag:.5f} {index}.500 -1.000 1.00 1.00 1.00 0.00 {-20.0 + 10 * index:.2f}\n"
        for index, section in enumerate(sections)
    )
    path.write_text(HEADER.format(n=n, dark=dark) + rows)
    return path


def test_the_alignment_is_rot_and_tilt_and_shifts_in_pixels(alignments: Path) -> None:
    series = read(alignments / "aretomo" / "global_no_local.aln")
    assert (len(series), series.n_sections, series.image_size_px) == (61, 61, (4096, 4096))
    assert series.section.tolist() == list(range(61))
    assert (series.alignment.z_rot_deg == -95.404).all()
    assert series.alignment.y_tilt_deg[0] == -63.2
    assert series.nominal_tilt_deg is not None
    assert series.nominal_tilt_deg[0] == pytest.approx(-56.2)
    assert series.alignment.shift[0].tolist() == [9.22, 103.933]
    assert series.volume_size == (None, None, 2050.0)


def test_an_aln_file_and_the_xf_and_tlt_of_its_series_project_alike(alignments: Path, tmp_path: Path) -> None:
    import alnfile

    table = alnfile.read(alignments / "aretomo" / "global_no_local.aln")
    rows = alnfile.df_to_xf(table)[:, [0, 0, 1, 1, 0, 1], [0, 1, 0, 1, 2, 2]]
    np.savetxt(tmp_path / "a.xf", rows, fmt="%12.7f")
    np.savetxt(tmp_path / "a.tlt", table["tilt"], fmt="%8.2f")
    imod = tilt_series_source("imod").read(tmp_path / "a.xf", SourceOptions())
    points = np.random.default_rng(1).uniform(-4000, 4000, (100, 3))
    aretomo = read(alignments / "aretomo" / "global_no_local.aln")
    difference = aretomo.model.project(points, FRAME) - imod.model.project(points, FRAME)
    assert np.abs(difference).max() / FRAME.pixel_size_angstrom < 0.02


def test_aretomos_own_file_is_taken_where_it_stands_beside_its_transforms(alignments: Path) -> None:
    series = tilt_series_source("imod").read(alignments / "aretomo" / "global_no_local.xf", SourceOptions())
    assert series.alignment.z_rot_deg[0] == -95.404
    assert "global_no_local.aln stands beside and is taken" in series.notes[0]


@pytest.mark.parametrize(
    ("sections", "n", "dark", "expected"),
    [
        ([1, 2, 3], 3, "", [0, 1, 2]),
        ([0, 1, 2], 3, "", [0, 1, 2]),
        ([3, 1, 2], 3, "", [2, 0, 1]),
        ([2, 4], 4, "# DarkFrame = 0 1 -60.00\n# DarkFrame = 2 3 -50.00\n", [1, 3]),
        ([1, 3], 4, "# DarkFrame = 0 0 -60.00\n# DarkFrame = 2 2 -50.00\n", [1, 3]),
        ([0, 1], 4, "# DarkFrame = 0 0 -60.00\n# DarkFrame = 2 2 -50.00\n", [1, 3]),
        ([1, 2], 4, "# DarkFrame = 0 1 -60.00\n# DarkFrame = 2 3 -50.00\n", [1, 3]),
    ],
)
def test_sections_are_found_in_every_way_of_counting(
    tmp_path: Path, sections: list[int], n: int, dark: str, expected: list[int]
) -> None:
    assert read(write_aln(tmp_path / "a.aln", sections, n, dark)).section.tolist() == expected


def test_dark_frames_are_left_out_and_named(alignments: Path) -> None:
    series = read(alignments / "aretomo" / "global_and_local.aln")
    assert series.section.tolist() == list(range(14, 51))
    assert len(series.left_out) == 14
    assert series.left_out[0] == "section 0 (-68°): dark frame"


def test_local_alignments_are_told_in_pixels_and_held_by_trajectories(alignments: Path, tmp_path: Path) -> None:
    write_stack(tmp_path / "global_and_local.mrcs", 51, (64, 64), pixel_size=128.0)
    path = str(alignments / "aretomo" / "global_and_local.aln")
    summary = import_series(ImportJob("aretomo", (path,), "o/", Completion((str(tmp_path),)), project=tmp_path))
    [residual] = summary.residuals
    # 545 px of 4096 at most in the file's patches
    assert 0.1 < residual.worst_px < 545 / 64 + 0.1
    assert "local alignment" in residual.left_out()
    assert residual.needs_motion
    assert residual.worst_with_motion_px < 1e-4
    assert any("4096 x 4096 pixels of 2 Å were aligned" in note for note in summary.notes)
    assert any("reliable patches, weighted" in note for note in summary.notes)


def test_particles_follow_the_patches_they_stand_on(tmp_path: Path) -> None:
    path = write_aln(tmp_path / "TS_1.aln", [1, 2, 3], 3)
    patches = [(-10.0, 0.0, 1.5, -0.5), (10.0, 0.0, -0.25, 2.0)]
    local = (
        f"{view} {patch} {x} {y} {dx} {dy} 1.0\n" for view in range(3) for patch, (x, y, dx, dy) in enumerate(patches)
    )
    text = path.read_text().replace("# NumPatches = 0", "# NumPatches = 2")
    path.write_text(text + "# Local Alignment\n" + "".join(local))
    write_stack(tmp_path / "TS_1.mrc", 3, (40, 30), pixel_size=2.0)
    import_series(ImportJob("aretomo", (str(path),), "p/", Completion((str(tmp_path),)), project=tmp_path))
    [series] = read_tomograms(tmp_path / "p" / "tomograms.star", project=tmp_path)
    # in the view at 0° the axes are rotated by 80° only, so this point is 10 pixels right of the image's centre
    angle = np.deg2rad(80.0)
    x, y = 20.0 * np.cos(angle), -20.0 * np.sin(angle)
    (tmp_path / "a.csv").write_text(f"tomo_name,x_a,y_a,z_a\nTS_1,{x},{y},0\n")
    job = ImportPicksJob("a.csv", "p/tomograms.star", "p/", Placing(centred=True), project=tmp_path)
    assert import_picks(job).has_motion
    particles = read_particles(tmp_path / "p" / "particles.star", trajectories=tmp_path / "p" / "motion.star")
    assert particles.trajectories is not None
    places = (particles.coordinates[:, None] + np.array(particles.trajectories)) / 2.0 + series.centre_px
    seen = project(series.tilts.projection, places)[0, 2, :2] - [20.0, 15.0]
    far = np.exp(-100.0 * (20.0 / 40.0) ** 2)
    shift = (np.array(patches[1][2:]) + far * np.array(patches[0][2:])) / (1.0 + far)
    assert seen == pytest.approx(np.array([10.0, 0.0]) + shift + [2.5, -1.0], abs=1e-5)


def test_what_was_imported_reads_as_a_project(alignments: Path, tmp_path: Path) -> None:
    write_stack(tmp_path / "global_no_local.mrc", 61, (64, 64), pixel_size=128.0)
    (tmp_path / "global_no_local_CTF.txt").write_text(
        "# Columns: #1 micrograph number; #2 - defocus 1 [Angstroms]; #5 - additional phase shift [radians]\n"
        + "".join(f"{n} 30000.0 29000.0 12.0 0.0 0.1 8.0 1\n" for n in range(1, 62))
    )
    path = str(alignments / "aretomo" / "global_no_local.aln")
    known = Completion((str(tmp_path),), dose_per_tilt_e_per_a2=3.0)
    summary = import_series(ImportJob("aretomo", (path,), "o/", known, project=tmp_path))
    assert summary.residuals[0].worst_px < 1e-4
    [tomogram] = read_tomograms(tmp_path / "o" / "tomograms.star", project=tmp_path)
    assert tomogram.tilts.defocus_u_angstrom[0] == 30000.0
    assert tomogram.tilts.dose_e_per_a2.max() == 180.0
    # 2050 px of 2 Å
    assert tomogram.size_px == (64, 64, 32)
    assert summary.imported[0].image_names[0] == "000001@global_no_local.mrc:mrcs"
    assert summary.assumed_hand


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "is empty"),
        (lambda text: text[: text.index("# SEC")], "has no row of an alignment"),
        (lambda text: text[: len(text) - 40], "is cut short or damaged"),
        (lambda text: text.replace("RawSize = 4096 4096 61", "RawSize = 4096 4096 60"), "are not the sections"),
        (lambda text: text.replace("-61.20\n", "-63.20\n"), "views 1 and 2 both have a tilt angle of -63.20°"),
        (lambda text: text.replace("-95.4040", "nan", 1), "row 1 holds no number"),
        (lambda text: "<xml/>", "does not begin with '# AreTomo Alignment'"),
    ],
)
def test_bad_files_are_named_with_what_is_wrong(alignments: Path, tmp_path: Path, change: object, message: str) -> None:
    text = read_text(alignments / "aretomo" / "global_no_local.aln", "")
    path = tmp_path / "bad.aln"
    path.write_text(change(text))  # type: ignore[operator]
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_files_in_utf_16_say_the_same(alignments: Path, tmp_path: Path) -> None:
    source = alignments / "aretomo" / "global_no_local.aln"
    (tmp_path / "a.aln").write_text(source.read_text(), encoding="utf-16")
    assert np.array_equal(read(tmp_path / "a.aln").alignment.shift, read(source).alignment.shift)


def test_a_reader_that_is_not_installed_is_named_with_the_way_out(
    alignments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "alnfile.data_model", None)
    with pytest.raises(InputError, match=r"pip install 'subtomo\[import\]'"):
        read(alignments / "aretomo" / "global_no_local.aln")
