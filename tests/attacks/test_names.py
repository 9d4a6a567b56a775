"""Names that collide, that nobody sees, or that the locale or a STAR file cannot hold: shown by codes, or refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.output import names
from tests.strangers.conftest import SIZES, change_column, extract

TILTS = "tilt_series/TS_254.star"
Errors = pytest.CaptureFixture[str]


@pytest.mark.parametrize("both", [("4", "4_data.mrc/z"), ("a/4", "a/4_weights.mrc/x/y")])
@pytest.mark.usefixtures("project")
def test_a13_names_that_collide_on_the_disk_are_found_by_the_plan(both: tuple[str, str], capsys: Errors) -> None:
    change_column(
        "particles.star", "rlnTomoParticleName", lambda row, old: both[row] if row < 2 else f"{both[0]}_{row}"
    )
    assert extract() == 1
    assert "at the same time; rename one of them" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.usefixtures("project")
def test_a13_paths_that_no_system_allows_are_found_by_the_plan(capsys: Errors) -> None:
    name = "TS_254/" + "/".join(["x" * 190] * 21)
    change_column("particles.star", "rlnTomoParticleName", lambda row, old: name if row == 5 else old)
    assert extract() == 1
    message = capsys.readouterr().err
    assert "the paths of this particle's files have" in message
    assert len(message) < 500
    assert not Path("out").exists()


@pytest.mark.usefixtures("project")
def test_a13_particles_of_two_tomograms_may_not_share_files(capsys: Errors) -> None:
    text = Path("tomograms.star").read_text(encoding="utf-8")
    row = next(line for line in text.split("\n") if line.startswith("TS_254"))
    Path("tomograms.star").write_text(f"{text.rstrip()}\n{row.replace('TS_254', 'TS_254/a', 1)}\n", encoding="utf-8")
    tilts = Path(TILTS).read_text(encoding="utf-8")
    Path(TILTS).write_text(tilts + tilts.replace("data_TS_254", "data_TS_254/a"), encoding="utf-8")
    four = ("1", "a/2", "2", "3")
    change_column("particles.star", "rlnTomoParticleName", lambda row, old: four[row] if row < 4 else f"p{row}")
    change_column("particles.star", "rlnTomoName", lambda row, old: "TS_254/a" if row == 2 else old)
    assert extract() == 1
    assert "the files of 2 particles would have the same names" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.usefixtures("project")
def test_a13_names_that_differ_in_case_are_told_apart_where_the_disk_does(
    monkeypatch: pytest.MonkeyPatch, capsys: Errors
) -> None:
    change_column(
        "particles.star", "rlnTomoParticleName", lambda row, old: ("a/x", "A/x")[row] if row < 2 else f"a/{row}"
    )
    assert not names.is_case_blind(".")
    assert extract() == 0
    monkeypatch.setattr(names.os.path, "samefile", lambda one, other: True)
    assert extract() == 1
    assert "out/Subtomograms/a/x and out/Subtomograms/A/x are the same to the file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["\u202egnp", "\x9b31m", "x\u200b", "a\nb", "\udce4"])
@pytest.mark.parametrize(
    "words",
    [
        ("average", "--p", "particles.star", "--o", "{}/"),
        ("average", "--p", "{}.star", "--o", "a/"),
        ("compare", "{}", "."),
        ("report", "{}"),
        ("export", "--p", "particles.star", "--o", "{}.star"),
        ("optimisation-set", "--p", "{}.star", "--o", "x.star"),
        ("optimisation-set", "--p", "x.star", "--o={}.star"),
        ("fidelity", "--o", "{}/"),
        ("doctor", "--t", "tomograms.star", "--p", "particles.star", "--json", "{}.json"),
        ("sample-manifold", "--o", "{}/", "--spacing", "50", "--depth", "0", "--max_tilt", "90"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a5_names_that_nobody_sees_are_refused_by_every_command(
    name: str, words: tuple[str, ...], capsys: Errors
) -> None:
    before = sorted(os.listdir())
    assert main([word.format(name) for word in words]) == 1
    said = "".join(capsys.readouterr())
    (line,) = said.splitlines()
    assert line.isprintable()
    assert sorted(os.listdir()) == before


@pytest.mark.usefixtures("project")
def test_a5_pages_show_such_names_by_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUBTOMO_NO_REPORT")
    strange = "\u202e\u200b\x9b"
    for path in ("particles.star", "tomograms.star", TILTS):
        text = Path(path).read_text(encoding="utf-8")
        changed = re.sub(r"(?m)^((?:data_)?TS_254)\b", rf"\1{strange}", text)
        Path(path).write_text(changed, encoding="utf-8")
    change_column("particles.star", "rlnCenteredCoordinateXAngst", lambda row, old: "1e5" if row == 1 else old)
    assert extract() == 0
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert ascii(strange)[1:-1] in page
    assert json.loads(Path("out/extraction_summary.json").read_text())["left_out"][0]["tomogram"] == f"TS_254{strange}"
    for file in (Path("out/report.html"), Path("out/extraction_summary.json"), *Path("out/report").glob("*.svg")):
        assert not set(strange) & set(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", ["a\nb/", "a\tb/", "a\" ' b' \"c/", "\x9b31m/", "\u202eab/"])
@pytest.mark.usefixtures("project")
def test_a18_an_output_folder_that_no_star_file_can_name_is_refused_by_the_plan(folder: str, capsys: Errors) -> None:
    before = sorted(os.listdir())
    assert extract("--o", folder) == 1
    assert "the output folder (--o) is" in capsys.readouterr().err
    assert sorted(os.listdir()) == before


@pytest.mark.usefixtures("project")
def test_a18_blanks_and_single_quotes_in_it_are_no_obstacle() -> None:
    assert extract("--o", "Anna's first run/") == 0
    assert Path("Anna's first run/particles.star").exists()


@pytest.mark.usefixtures("project")
def test_a19_names_that_the_locale_cannot_express_are_escaped() -> None:
    change_column("particles.star", "rlnTomoParticleName", lambda row, old: f"Zürich/{row}")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "SUBTOMO_NO_REPORT": "1"}
    words = ["--t", "tomograms.star", "--p", "particles.star", "--b", "32"]
    for command in (["extract", *words, "--o", "out/"], ["doctor", *words], ["extract", *words, "--o", "öut/"]):
        run = subprocess.run(
            [sys.executable, "-m", "subtomo", *command], env={**os.environ, **locale}, capture_output=True, check=False
        )
        text = (run.stdout + run.stderr).decode()
        assert "Traceback" not in text
        assert run.returncode == (0 if command[0] == "doctor" and "error" not in text else 1)
        if command[0] == "extract":
            assert "LC_ALL=C.UTF-8" in text
            assert "\\" in text


@pytest.mark.usefixtures("project")
def test_a19_names_that_were_given_in_other_bytes_are_refused_and_a_folder_of_the_project_is_none() -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "SUBTOMO_NO_REPORT": ""}
    os.rename("particles.star", "pärticles.star")
    before = sorted(os.listdir())
    words = ["--t", "tomograms.star", "--p", "pärticles.star", "--b", "32"]
    for command in (["extract", *words, "--o", "out/"], ["doctor", *words], ["average", *words[2:4], "--o", "ä/"]):
        run = subprocess.run(
            [sys.executable, "-m", "subtomo", *command], env={**os.environ, **locale}, capture_output=True, check=False
        )
        assert run.returncode == 1
        (line,) = run.stderr.decode("ascii").splitlines()
        assert "run with LC_ALL=C.UTF-8 or PYTHONUTF8=1" in line
    assert sorted(os.listdir()) == before
    os.rename("pärticles.star", "particles.star")
    folder = Path.cwd()
    folder.rename(folder.with_name("pröjekt"))
    os.chdir(folder.with_name("pröjekt"))
    for command in (["extract", "--p", "particles.star", *words[:2], *SIZES, "--o", "out/"], ["report", "out"]):
        run = subprocess.run(
            [sys.executable, "-m", "subtomo", *command], env={**os.environ, **locale}, capture_output=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert run.stderr.isascii()
