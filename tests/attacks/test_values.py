"""Values and names that make no sense are refused by name before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from subtomo.cli import main
from tests.strangers.conftest import add_column, change_column, doctor, extract, replaced, told

TILTS = "tilt_series/TS_254.star"
Errors = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("particles.star", "rlnAngleRot"),
        ("particles.star", "rlnAnglePsi"),
        (TILTS, "rlnTomoYTilt"),
        (TILTS, "rlnTomoZRot"),
        (TILTS, "rlnDefocusAngle"),
    ],
)
@pytest.mark.parametrize("value", ["1e300", "-2e6"])
@pytest.mark.usefixtures("project")
def test_a12_angles_beyond_all_sense_are_refused(path: str, label: str, value: str, capsys: Errors) -> None:
    change_column(path, label, lambda row, old: value if row == 2 else old)
    assert extract() == 1
    assert f"row 3: {label} is {float(value):g}, expected an angle" in capsys.readouterr().err
    assert not Path("out").exists()
    assert label in told(doctor()[1], "error")


@pytest.mark.parametrize("value", ["-1", "0", "-5"])
@pytest.mark.usefixtures("project")
def test_a12_a_dose_limit_that_nothing_is_within_is_refused(value: str, capsys: Errors) -> None:
    assert extract("--max_dose", value) == 1
    message = capsys.readouterr().err
    assert "must be above zero" in message
    assert "--max_dose" in message


@pytest.mark.parametrize("value", ["9", "-1", "3"])
@pytest.mark.usefixtures("project")
def test_a12_half_sets_are_1_and_2(value: str, capsys: Errors) -> None:
    change_column("particles.star", "rlnRandomSubset", lambda row, old: value if row == 4 else old)
    assert extract() == 1
    assert f"row 5: rlnRandomSubset is {value}" in capsys.readouterr().err
    assert f"rlnRandomSubset is {value}" in told(doctor()[1], "error")


@pytest.mark.parametrize("value", ["0.0", "-15778.0"])
@pytest.mark.usefixtures("project")
def test_a22_a_single_defocus_of_nothing_or_of_the_other_sign_is_an_error(value: str) -> None:
    for label in ("rlnDefocusU", "rlnDefocusV"):
        change_column(TILTS, label, lambda row, old: value if row == 7 else old)
    code, findings = doctor()
    assert code == 1
    assert "1 tilt(s) have a defocus of 0 or of the other sign" in told(findings, "error")
    assert "row 8" in told(findings, "error")


@pytest.mark.parametrize("value", ["1e30", "-1e30"])
@pytest.mark.usefixtures("project")
def test_a22_a_defocus_beyond_all_sense_is_refused(value: str, capsys: Errors) -> None:
    change_column(TILTS, "rlnDefocusU", lambda row, old: value if row == 7 else old)
    assert extract() == 1
    assert "row 8: rlnDefocusU is" in capsys.readouterr().err
    assert "rlnDefocusU is" in told(doctor()[1], "error")


@pytest.mark.parametrize("digits", ["\u0663\u0660", "\uff13\uff10", "3\u0660", "1_0"])
@pytest.mark.usefixtures("project")
def test_a22_digits_of_other_scripts_are_no_numbers(digits: str, capsys: Errors) -> None:
    change_column("particles.star", "rlnAngleTilt", lambda row, old: digits if row == 1 else old)
    assert extract() == 1
    assert "row 2: rlnAngleTilt is" in capsys.readouterr().err
    assert "rlnAngleTilt is" in told(doctor()[1], "error")


@pytest.mark.usefixtures("project")
def test_a22_nor_are_they_whole_numbers(capsys: Errors) -> None:
    change_column("tomograms.star", "rlnTomoSizeX", lambda row, old: "\uff16\uff15\uff12")
    assert extract() == 1
    assert "rlnTomoSizeX is" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_swapped_files_are_recognised_by_what_they_hold(capsys: Errors) -> None:
    assert extract("--t", "particles.star", "--p", "tomograms.star") == 1
    assert "this is a particle set: swap tomograms and particles (--t, --p)" in capsys.readouterr().err
    assert "this is a particle set: swap" in told(doctor("--t", "particles.star", "--p", "tomograms.star")[1])


ALIENS = {
    "TS.xml": (
        '<?xml version="1.0" encoding="utf-8"?>\n<TiltSeries DataDirectory="x">\n',
        "XML file of Warp",
        "import warp",
    ),
    "TS.aln": (
        "# AreTomo Alignment / Priims bprmMn \n# RawSize = 4096 4096 51\n",
        "alignment of AreTomo",
        "import aretomo",
    ),
    "TS.xf": (
        "   0.9961941  -0.0871557   0.0871557   0.9961941   12.300   -4.500\n" * 41,
        "transforms of IMOD",
        "import imod",
    ),
    "TS.tlt": ("\n".join(f"{angle:8.2f}" for angle in range(-60, 61, 3)) + "\n", "tilt angles of IMOD", "import imod"),
    "p.tbl": (" ".join(str(i) for i in range(35)) + "\n", "table of Dynamo", "import picks"),
    "p.mdoc": ("PixelSpacing = 1.35\n\n[ZValue = 0]\nTiltAngle = 0\n", "metadata file of SerialEM", "RELION"),
}


@pytest.mark.parametrize("name", ALIENS)
@pytest.mark.parametrize("option", ["--p", "--t"])
@pytest.mark.usefixtures("project")
def test_files_of_other_programs_are_recognised_with_the_way_in(name: str, option: str, capsys: Errors) -> None:
    content, words, way = ALIENS[name]
    Path(name).write_text(content, encoding="utf-8")
    assert extract(option, name) == 1
    message = capsys.readouterr().err
    assert words in message
    assert way in message
    assert words in told(doctor(option, name)[1])


@pytest.mark.usefixtures("project")
def test_a_stack_given_as_particle_set_is_recognised(capsys: Errors) -> None:
    assert extract("--p", "TS_254.mrcs") == 1
    assert "is an MRC image, not a table" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_names_that_are_nearly_right_are_suggested(capsys: Errors) -> None:
    assert extract("--p", "partcles.star") == 1
    assert "did you mean particles.star?" in capsys.readouterr().err
    assert "did you mean particles.star?" in told(doctor("--p", "partcles.star")[1])
    replaced("particles.star", "rlnTomoName #1", "rlnTomoNames #1")
    assert extract() == 1
    assert "did you mean rlnTomoNames?" in capsys.readouterr().err
    assert "did you mean rlnTomoNames?" in told(doctor()[1])
    replaced("particles.star", "rlnTomoNames #1", "rlnTomoName #1")
    replaced("particles.star", "data_particles", "data_particle")
    assert extract() == 1
    assert "found data_particle with 10 row(s), expected data_particles" in capsys.readouterr().err
    replaced("particles.star", "data_particle\n", "data_particles\n")
    replaced("tomograms.star", "tilt_series/TS_254.star", "tilt_series/TS_245.star")
    assert extract() == 1
    assert "did you mean TS_254.star?" in capsys.readouterr().err
    assert "did you mean TS_254.star?" in told(doctor()[1])


@pytest.mark.usefixtures("project")
def test_a_tomogram_whose_name_is_nearly_right_is_suggested(capsys: Errors) -> None:
    text = Path("particles.star").read_text()
    Path("particles.star").write_text(text.replace("TS_254", "TS_0254"))
    assert extract() == 1
    assert "they belong to TS_0254, did you mean TS_254?" in capsys.readouterr().err
    assert "did you mean TS_254?" in told(doctor()[1])


@pytest.mark.usefixtures("project")
def test_doctor_names_the_options_to_swap(capsys: Errors) -> None:
    main(("doctor", "--t", "particles.star", "--p", "tomograms.star"))
    assert "correct --t, --p" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_equal_findings_about_several_places_are_one() -> None:
    add_column("tomograms.star", "rlnTomoHand", "rlnDummy", lambda row: "x")
    text = Path("tomograms.star").read_text(encoding="utf-8")
    row = next(line for line in text.split("\n") if line.startswith("TS_254"))
    rows = [row.replace("TS_254", f"TS_{i}", 1).replace("2.7", "99", 1) for i in range(6)]
    Path("tomograms.star").write_text(text.replace(row, "\n".join(rows)), encoding="utf-8")
    tilts = Path(TILTS).read_text(encoding="utf-8")
    for i in range(6):
        Path(f"tilt_series/TS_{i}.star").write_text(tilts.replace("data_TS_254", f"data_TS_{i}"), encoding="utf-8")
    edited = Path("tomograms.star").read_text(encoding="utf-8")
    for i in range(6):
        edited = edited.replace("tilt_series/TS_254.star", f"tilt_series/TS_{i}.star", 1)
    Path("tomograms.star").write_text(edited, encoding="utf-8")
    found = [one for one in doctor("--headers-only")[1] if one["check"] == "optics" and "mm" in one["what"]]
    assert len(found) == 1
    assert "tomogram TS_0" in found[0]["where"]
    assert "more" in found[0]["where"]
