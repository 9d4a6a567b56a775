"""A project of many particles, and what a run that nobody disturbed makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.runs import contents, finish, write_large_project


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A project folder, and the files of a run that came to its end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_large_project(folder)
    code, said = finish(folder, "--sum")
    assert code == 0, said
    return folder, contents(folder / "out")


@pytest.fixture
def project(undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project without results, times of files included; current while the test runs."""
    folder = tmp_path / "project"
    shutil.copytree(undisturbed[0], folder, ignore=shutil.ignore_patterns("out"))
    monkeypatch.chdir(folder)
    return folder
