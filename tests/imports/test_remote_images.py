"""Alignments of other programs whose images are OME-Zarr, here or on a server."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.io.relion import read_tomograms
from tests.helpers.zarr_images import served, write_zarr

IMAGES = np.random.default_rng(1).normal(size=(41, 30, 32)).astype(np.float32)


@pytest.fixture
def folder(alignments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TS_8", "TS_9"):
        (tmp_path / "xml").mkdir(exist_ok=True)
        shutil.copy(alignments / "warp" / "00254.xml", tmp_path / "xml" / f"{name}.xml")
        write_zarr(tmp_path / "server" / f"{name}.zarr", IMAGES, pixel_size=200.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_images_in_a_folder_are_found_by_their_names(folder: Path) -> None:
    assert subtomo(["import", "warp", "xml", "--images", "server", "--o", "Import/", "--no-pictures"]) == 0
    tomograms = read_tomograms("Import/tomograms.star")
    assert [one.name for one in tomograms] == ["TS_8", "TS_9"]
    assert tomograms[0].pixel_size_angstrom == 200.0
    assert "000001@server/TS_8.zarr" in Path("Import/tilt_series/TS_8.star").read_text()
    assert tomograms[0].images is not None
    assert np.array_equal(tomograms[0].images[7], IMAGES[7])


def test_an_array_of_an_image_has_the_name_of_the_image(folder: Path) -> None:
    command = ["import", "warp", "xml/TS_8.xml", "--images", "server/TS_8.zarr/0", "--pixel-size", "200"]
    assert subtomo([*command, "--o", "Import/", "--no-pictures"]) == 0
    assert [one.name for one in read_tomograms("Import/tomograms.star")] == ["TS_8"]


def test_images_on_a_server_are_named_by_their_address(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "server" / "TS_9.zarr").rename(folder / "gone")
    with served(folder / "server") as address:
        command = ["import", "warp", "xml", "--images", address + "/{name}.zarr", "--o", "Import/"]
        assert subtomo(command) == 1
        [series] = read_tomograms("Import/tomograms.star")
        assert series.images is not None
        assert np.array_equal(series.images[40], IMAGES[40])
    assert f"000041@{address}/TS_8.zarr" in Path("Import/tilt_series/TS_8.star").read_text()
    out, err = capsys.readouterr()
    assert "1 tilt series imported, 1 not imported" in out
    assert f"error: {address}/TS_9.zarr: cannot be read as an OME-Zarr image" in err
