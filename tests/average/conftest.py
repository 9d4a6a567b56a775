"""Projects of known answer, and their extractions."""

from __future__ import annotations

from pathlib import Path

import pytest

from subtomo.cli import main
from tests.average.project import SIZES, write_project


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without noise, extracted in several ways: with offsets applied, kept, and whitened."""
    folder = tmp_path_factory.mktemp("known")
    write_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        common = ("extract", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--j", "1", "--o")
        assert main((*common, "moved/")) == 0
        assert main((*common, "kept/", "--dont_apply_offsets")) == 0
        assert main((*common, "white/", "--weighting", "whitened")) == 0
        assert main((*common, "exact/", "--data-term", "exact")) == 0
    return folder


@pytest.fixture
def project(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project as the current folder; tests write elsewhere."""
    monkeypatch.chdir(prepared)
    return prepared
