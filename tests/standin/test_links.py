"""``subtomo stand-in``: links come and go, and what is not ours stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.jobs.stand_in import EXTERNAL, PROGRAMS

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the links that is first on PATH, and does not exist yet."""
    folder = tmp_path / "the links"
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_links_come_and_go(folder: Path, capsys: Capture) -> None:
    assert main(["stand-in", "install", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted((*PROGRAMS, EXTERNAL))
    assert "next:" not in capsys.readouterr().out
    assert main(["stand-in", "status", str(folder)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [f"{name}: subtomo, {folder / name}" for name in PROGRAMS]
    assert main(["stand-in", "install", str(folder)]) == 0
    assert main(["stand-in", "remove", str(folder)]) == 0
    assert not folder.exists()
    assert main(["stand-in", "status"]) == 1


def test_a_folder_that_is_not_on_the_path_is_told_with_the_line_to_type(tmp_path: Path, capsys: Capture) -> None:
    assert main(["stand-in", "install", str(tmp_path / "my bin")]) == 0
    assert f"next: export PATH='{tmp_path / 'my bin'}':\"$PATH\"" in capsys.readouterr().out


def test_another_program_of_the_name_is_neither_replaced_nor_removed(folder: Path, capsys: Capture) -> None:
    folder.mkdir()
    theirs = folder / "relion_tomo_subtomo_mpi"
    theirs.write_text("#!/bin/sh\necho RELION\n")
    theirs.chmod(0o755)
    assert main(["stand-in", "install", str(folder)]) == 1
    assert f"{theirs} is there already" in capsys.readouterr().err
    assert list(folder.iterdir()) == [theirs]
    assert main(["stand-in", "status"]) == 1
    assert f"relion_tomo_subtomo_mpi: another program, {theirs}" in capsys.readouterr().out
    assert main(["stand-in", "remove", str(folder)]) == 0
    assert theirs.is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["install"], "needs the folder of the links"),
        (["remove", "nowhere"], "there is no folder nowhere"),
        (["install", "file/bin"], "no links can be made there"),
        (["put", "bin"], "put"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(["stand-in", *words]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert len(told.splitlines()) == 1
