"""A copy of a project that RELION worked on, as the current folder, and a command line that works there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

INPUTS = Path(__file__).resolve().parents[1] / "conformance" / "inputs" / "r5_stack"

INPUT_FILES = ("--t", "tomograms.star", "--p", "particles_two.star")
SIZES = ("--b", "32", "--crop", "24", "--bin", "2")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one tilt series and several particle sets, current while the test runs."""
    folder = tmp_path / "project"
    shutil.copytree(INPUTS, folder, copy_function=os.symlink)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def extract(project: Path) -> tuple[str, ...]:
    """A command line that extracts two particles into out/; further words override."""
    return ("extract", *INPUT_FILES, *SIZES, "--j", "1", "--o", "out/")
