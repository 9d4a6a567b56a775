"""Reports as extraction makes them, and the command that makes them later."""

from __future__ import annotations

from pathlib import Path

import pytest

from subtomo.cli import main
from tests.report.conftest import WORDS, make_project

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUBTOMO_NO_REPORT")
    return tmp_path


def test_extraction_leaves_a_report_and_says_where(folder: Path, capsys: Capture) -> None:
    assert main((*WORDS, "--o", "out/")) == 0
    assert "report out/report.html" in capsys.readouterr().out
    assert (folder / "out" / "report.html").stat().st_size > 100_000


@pytest.mark.parametrize("way", ["option", "environment"])
def test_extraction_leaves_no_report_if_none_is_wanted(folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "environment":
        monkeypatch.setenv("SUBTOMO_NO_REPORT", "1")
    assert main((*WORDS, *(("--no-report",) if way == "option" else ()), "--o", "out/")) == 0
    assert not list((folder / "out").glob("report*"))


def test_a_report_that_fails_is_a_warning_and_no_failure(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("subtomo.report.page.write_report", fail)
    assert main((*WORDS, "--o", "out/")) == 0
    said = capsys.readouterr()
    assert "warning: the report could not be written (RuntimeError: no fonts)" in said.err
    assert (folder / "out" / "particles.star").exists()


def test_a_picture_that_fails_is_noted_and_the_others_are_kept(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("strange numbers")

    assert main((*WORDS, "--o", "out/", "--no-report")) == 0
    monkeypatch.setattr("subtomo.report.page.weight_charts", fail)
    assert main(("report", "out/")) == 0
    said = capsys.readouterr()
    assert "warning: CTF and dose weights cannot be shown (ZeroDivisionError: strange numbers)" in said.err
    assert "pictures" in said.out
    assert "Visible tilts" in (folder / "out" / "report.html").read_text(encoding="utf-8")
