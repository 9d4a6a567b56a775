"""Small extractions to report on."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from subtomo.cli import main
from subtomo.report.page import WrittenReport, write_report
from tests.helpers.project import edit, write_project

WORDS = ("extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "24", "--crop", "16", "--j", "1")
FAR = ["10.0", "-30.0", "0.0", "9000.0"]
"""x of the particles, Å from the centre; the last one is outside of all images."""


def make_project(folder: Path) -> None:
    """Write four particles in two tomograms, one of which is never seen."""
    folder.mkdir(exist_ok=True)
    write_project(folder)
    with chdir(folder):
        edit(folder / "particles.star", "particles", rlnCenteredCoordinateXAngst=FAR)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one output folder per kind of output: out, stack, whitened, zarr."""
    folder = tmp_path_factory.mktemp("report") / "project"
    make_project(folder)
    kinds = {"out": (), "stack": ("--stack2d",), "whitened": ("--weighting", "whitened"), "zarr": ("--store", "zarr")}
    with chdir(folder):
        for name, words in kinds.items():
            assert main((*WORDS, *words, "--o", f"{name}/")) == 0
    return folder


@pytest.fixture(scope="module")
def written(extracted: Path) -> WrittenReport:
    """The report on ``out/``; tests leave it as it is."""
    with chdir(extracted):
        return write_report("out/")


@pytest.fixture
def project(extracted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current folder."""
    monkeypatch.chdir(extracted)
    return extracted
