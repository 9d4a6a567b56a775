"""A tiny project as the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.project import write_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two tomograms and four particles, current while the test runs."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_project(folder)
    return folder
