"""Numbers and tables as other programs write them: read as RELION means them, named where they cannot be meant."""

from __future__ import annotations

import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.io.relion import read_particles, read_tomograms
from tests.strangers.conftest import (
    add_column,
    change_column,
    doctor,
    edit,
    extract,
    replaced,
    told,
    volumes,
)

STACK, TILTS = "TS_254.mrcs", "tilt_series/TS_254.star"
Errors = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("size", "taken", "words"),
    [
        ("652.37", 652, "is 652.37, but must be a whole number; RELION reads 652"),
        ("651.9999999", 651, "RELION reads 651, which is taken here, too; 652 is probably meant"),
        ("652.99", 652, "RELION reads 652"),
    ],
)
@pytest.mark.usefixtures("project")
def test_s3_sizes_with_decimals_are_read_as_relion_reads_them(
    size: str, taken: int, words: str, untouched: dict[str, bytes], capsys: Errors
) -> None:
    change_column("tomograms.star", "rlnTomoSizeX", lambda row, old: size)
    assert extract() == 0
    assert words in capsys.readouterr().err
    if taken == 652:
        assert volumes() == untouched
    code, findings = doctor()
    assert code == 1
    assert words in told(findings, "warning").replace(": ", ": ")
    assert told(findings, "error") == ""
    with pytest.warns(match="RELION reads"):
        assert read_tomograms("tomograms.star")[0].size_px[0] == taken


@pytest.mark.usefixtures("project")
def test_s3_an_exponent_that_relion_would_not_see_is_refused(capsys: Errors) -> None:
    change_column("tomograms.star", "rlnTomoSizeX", lambda row, old: "6.52e2")
    assert extract() == 1
    assert "without an exponent" in capsys.readouterr().err


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.usefixtures("project")
def test_s4_bytes_without_a_sign_are_named_and_no_wrong_advice_is_given(order: str, capsys: Errors) -> None:
    raw = bytearray(Path(STACK).read_bytes())
    pixels = np.frombuffer(raw, np.int8, offset=1024)
    header = np.frombuffer(raw, "<i4", count=38, offset=0).astype(f"{order}i4")
    if order == ">":
        # what follows the first words is text and numbers nobody looks at here
        raw[:152] = header.tobytes()
    raw[152:160] = np.array([1146047817, 0], f"{order}i4").tobytes()
    raw[1024:] = (pixels.astype(np.int16) + 128).astype(np.uint8).tobytes()
    Path(STACK).write_bytes(raw)
    assert extract() == 0
    message = capsys.readouterr().err
    assert "warning: " in message
    assert "1146047817 at byte 152" in message
    assert "newstack -mode 1 TS_254.mrcs" in message
    code, findings = doctor()
    assert code == 1
    assert "newstack -mode 1" in told(findings, "error")
    assert "no_ic" not in told(findings)
    assert "invert" not in told(findings)


@pytest.mark.usefixtures("project")
def test_s4_signed_bytes_with_the_stamp_are_fine(untouched: dict[str, bytes]) -> None:
    raw = bytearray(Path(STACK).read_bytes())
    raw[152:160] = np.array([1146047817, 1], "<i4").tobytes()
    Path(STACK).write_bytes(raw)
    assert doctor() == (0, [])
    assert extract() == 0
    assert volumes() == untouched


OPTICS = "_rlnOpticsGroup #1\n_rlnOpticsGroupName #2\n"
GROUP = "{} opticsGroup1 2.700 300.000 0.100 10.000 {}"


def optics(*groups: tuple[int, str]) -> None:
    """Give the optics table rows of these numbers and aberrations."""

    def change(text: str) -> str:
        text = text.replace("_rlnTomoTiltSeriesPixelSize #6\n", "_rlnTomoTiltSeriesPixelSize #6\n_rlnOddZernike #7\n")
        rows = "\n".join(GROUP.format(*group) for group in groups)
        return re.sub(r"(?m)^1 opticsGroup1 .*$", rows, text)

    edit("particles.star", change)


@pytest.mark.usefixtures("project")
def test_s5_a_particle_has_the_optics_of_its_groups_number(untouched: dict[str, bytes], capsys: Errors) -> None:
    optics((2, "[0.5,0.3,2.0,1.0,0.2,0.8]"), (1, "[0,0,0,0,0,0]"))
    assert extract() == 0
    assert volumes() == untouched
    message = capsys.readouterr().err
    assert "numbered 2, 1" in message
    with pytest.warns(match="numbered 2, 1"):
        particles = read_particles("particles.star")
    assert particles.optics_groups[0].odd_zernike is not None
    assert not particles.optics_groups[0].odd_zernike.any()
    # what is written means the same to programs that count rows
    assert Path("out/particles.star").read_text().index(" 1 opticsGroup1") < Path(
        "out/particles.star"
    ).read_text().index(" 2 opticsGroup1")


@pytest.mark.usefixtures("project")
def test_s5_repeated_groups_are_refused(capsys: Errors) -> None:
    optics((1, "[0,0,0,0,0,0]"), (1, "[0.5,0.3,2.0,1.0,0.2,0.8]"))
    assert extract() == 1
    assert "optics group 1 stands in more than one row" in capsys.readouterr().err
    assert "optics group 1 stands in more than one row" in told(doctor()[1])


@pytest.mark.usefixtures("project")
def test_s5_a_missing_group_is_refused_by_name(capsys: Errors) -> None:
    optics((2, "[0,0,0,0,0,0]"))
    assert extract() == 1
    assert "rlnOpticsGroup is 1, but the optics table has 2 only" in capsys.readouterr().err
    assert "optics table has 2 only" in told(doctor()[1])


@pytest.mark.parametrize("binning", [2.6, 5.067, 7.407])
@pytest.mark.parametrize("place", ["rlnTomoTomogramBinning", "rlnImagePixelSize", "rlnTomoSubtomogramBinning"])
@pytest.mark.usefixtures("whole_project")
def test_s6_the_binning_of_picks_is_the_one_that_stands_in_the_files(binning: float, place: str) -> None:
    in_pixels_of_a_binned_tomogram(binning)
    if place == "rlnTomoTomogramBinning":
        add_column("tomograms.star", "rlnTomoHand", place, lambda row: str(binning))
    else:
        value = binning * 10 if place == "rlnImagePixelSize" else binning
        add_column("particles.star", "rlnSphericalAberration", place, lambda row: str(value))
    code, findings = doctor("--headers-only")
    assert code == 1
    assert f"multiply by {binning:g}" in told(findings)
    code, findings = doctor()
    assert code == 1
    assert f"multiply by {binning:g}" in told(findings)


@pytest.mark.usefixtures("whole_project")
def test_s6_a_binning_that_stands_nowhere_is_only_said_to_be_about_some_number() -> None:
    in_pixels_of_a_binned_tomogram(5.067)
    code, findings = doctor("--headers-only")
    assert code == 1
    assert "multiply by about" in told(findings)


def in_pixels_of_a_binned_tomogram(binning: float) -> None:
    """Write coordinates as a picker does that works on a binned tomogram."""
    for axis, size in zip("XYZ", (652, 630, 240), strict=True):
        label = f"rlnCenteredCoordinate{axis}Angst"
        change_column(
            "particles.star", label, lambda row, old, size=size: f"{(float(old) / 10 + size / 2) / binning:.3f}"
        )
        replaced("particles.star", label, f"rlnCoordinate{axis}")


@pytest.mark.usefixtures("project")
def test_s7_matrices_without_their_translation_are_an_error(capsys: Errors) -> None:
    projection = read_tomograms("tomograms.star")[0].tilts.projection
    for row, label in reversed(list(enumerate(["rlnTomoProjX", "rlnTomoProjY", "rlnTomoProjZ", "rlnTomoProjW"]))):
        texts = []
        for matrix in projection:
            values = matrix[row].copy()
            values[3] = 1.0 if label == "rlnTomoProjW" else 0.0
            texts.append("[" + ",".join(f"{value:.6f}" for value in values) + "]")
        add_column(TILTS, "rlnMicrographPreExposure", label, lambda tilt, texts=texts: texts[tilt])
    code, findings = doctor()
    assert code == 1
    assert "the tomogram's centre is seen" in told(findings, "error")
    assert "subtomo import warp" in told(findings, "error")
    extract()
    assert "subtomo import warp" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0.0", "-1.0"])
@pytest.mark.usefixtures("project")
def test_s8_senseless_scale_factors_are_named_with_their_tilts(value: str) -> None:
    add_column(TILTS, "rlnDefocusU", "rlnCtfScalefactor", lambda row: value if row in (4, 9) else "1.0")
    code, findings = doctor()
    assert code == 1
    assert "rlnCtfScalefactor of 2 tilt(s)" in told(findings, "warning")
    assert "rows 5, 10" in told(findings, "warning")


@pytest.mark.usefixtures("project")
def test_s8_single_defoci_far_from_all_others_are_named_with_their_tilts() -> None:
    change_column(TILTS, "rlnDefocusU", lambda row, old: "43.0" if row in (6, 20) else old)
    change_column(TILTS, "rlnDefocusV", lambda row, old: "43.0" if row in (6, 20) else old)
    code, findings = doctor()
    assert code == 1
    assert "2 tilt(s) have a defocus far from the median" in told(findings, "warning")
    assert "row 7: 43 and 43 Å, row 21: 43 and 43 Å" in told(findings, "warning")


@pytest.mark.usefixtures("project")
def test_s9_tilts_that_are_outliers_in_their_series_are_named() -> None:
    change_column(TILTS, "rlnTomoZRot", lambda row, old: "81.0" if row in (5, 6, 30) else old)
    change_column(TILTS, "rlnTomoXShiftAngst", lambda row, old: str(float(old) + 2000) if row == 12 else old)
    code, findings = doctor()
    assert code == 1
    text = told(findings, "warning")
    assert "the tilt axis of 3 tilt(s) is off that of the others by up to 85°: rows 6, 7, 31" in text
    assert re.search(r"the shift of 1 tilt\(s\) is off that of the others by up to \d+ Å: rows 13", text)
    assert "leave these tilts out" in text


@pytest.mark.usefixtures("project")
def test_s8_s9_nothing_is_said_of_the_example_as_it_is() -> None:
    assert doctor() == (0, [])


@pytest.mark.usefixtures("project")
def test_s11_coordinates_that_are_known_are_written(capsys: Errors) -> None:
    for axis, size in zip("XYZ", (652, 630, 240), strict=True):
        label = f"rlnCenteredCoordinate{axis}Angst"
        change_column("particles.star", label, lambda row, old, size=size: f"{float(old) / 10 + size / 2:.3f}")
        replaced("particles.star", label, f"rlnCoordinate{axis}")
    assert extract("--dont_apply_offsets") == 0
    first = volumes()
    assert extract("--dont_apply_offsets", "--p", "out/particles.star", "--o", "again/") == 0
    assert volumes("again") == first
    assert extract("--dont_apply_offsets", "--drop-coordinates", "--o", "relion/") == 0
    assert "no coordinates, as RELION writes it" in capsys.readouterr().err
    assert "Coordinate" not in Path("relion/particles.star").read_text()


@pytest.mark.usefixtures("project")
def test_s15_a_particle_outside_the_reconstruction_is_left_out_by_the_plan(capsys: Errors) -> None:
    rng = np.random.default_rng(1)
    with mrcfile.new("rec.mrc") as file:
        file.set_data(rng.normal(size=(60, 158, 163)).astype(np.float32))
    for label, value in (("rlnTomoReconstructedTomogram", "rec.mrc"), ("rlnTomoTomogramBinning", "4.0")):
        add_column("tomograms.star", "rlnTomoHand", label, lambda row, value=value: value)
    change_column("particles.star", "rlnCenteredCoordinateZAngst", lambda row, old: "9000" if row == 3 else old)
    assert extract("--real_subtomo", "--min_frames", "0") == 0
    assert len(volumes()) == 9
    assert "TS_254/4" not in volumes()
    left_out = Path("out/left_out.star").read_text()
    assert "TS_254/4" in left_out
    assert "outside the reconstruction" in left_out
