"""Examined projects, and words to examine them with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import read_tables
from tests.helpers.project import edit
from tests.helpers.scene import PIXEL_SIZE, Scene, write_scene

SCENE = Scene(tilts=7, snr=0.4)
WORDS = ("--t", "tomograms.star", "--p", "particles.star", "--b", "48", "--crop", "32")


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated project with nothing wrong; tests work on copies."""
    folder = tmp_path_factory.mktemp("scene") / "project"
    write_scene(folder, SCENE)
    return folder


@pytest.fixture
def scene(scene_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(scene_folder, folder)
    monkeypatch.chdir(folder)
    return folder


def examine(*words: str, at_least: tuple[str, ...] = WORDS) -> tuple[int, dict[str, Any]]:
    """Run the command; give its exit code and what it writes with --json."""
    code = main(("doctor", *at_least, *words, "--json", "diagnosis.json"))
    return code, json.loads(Path("diagnosis.json").read_text(encoding="utf-8"))


def findings(diagnosis: dict[str, Any]) -> list[dict[str, str]]:
    """List errors and warnings."""
    return [one for one in diagnosis["findings"] if one["severity"] != "info"]


def found(diagnosis: dict[str, Any], check: str) -> str:
    """Join what one check found, remarks not included; "" if nothing."""
    rows = [f"{one['where']}: {one['what']}; {one['advice']}" for one in findings(diagnosis) if one["check"] == check]
    return "\n".join(rows)


def change(path: str, table: str, label: str, function: Callable[[Any], Any]) -> None:
    """Apply a function to the numbers of a column."""
    values = next(one for one in read_tables(path) if one.name == table).floats(label)
    edit(Path(path), table, **{label: [repr(float(value)) for value in np.atleast_1d(function(values))]})


def change_coordinates(function: Callable[[Any], Any]) -> None:
    """Apply a function to all coordinates."""
    for axis in "XYZ":
        change("particles.star", "particles", f"rlnCenteredCoordinate{axis}Angst", function)


def images() -> np.ndarray:
    """Read the tilt series."""
    with mrcfile.open("TS.mrcs") as file:
        return np.array(file.data)


def rewrite(values: np.ndarray) -> None:
    """Write another tilt series."""
    write_mrc("TS.mrcs", np.ascontiguousarray(values, np.float32), pixel_size_angstrom=PIXEL_SIZE)
