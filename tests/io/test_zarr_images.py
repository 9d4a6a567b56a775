"""Tilt images as OME-Zarr: the same pixels as in a stack, on disks, from a web server and from S3, read in parts."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from subtomo.errors import InputError, InputWarning
from subtomo.io import zarr_images
from subtomo.io.image_names import parse_image_name
from subtomo.io.mrc import TiltImages
from subtomo.io.zarr_images import BlockCache, open_zarr_images
from tests.helpers.zarr_images import Files, served, write_zarr

IMAGES = np.random.default_rng(4).normal(size=(5, 70, 90)).astype(np.float32)


def open_images(path: str | Path, n: int = 5) -> TiltImages:
    return TiltImages.open([parse_image_name(f"{tilt + 1}@{path}") for tilt in range(n)], name="TS")


def same(images: TiltImages, expected: np.ndarray = IMAGES) -> bool:
    return all(np.array_equal(images[tilt], section) for tilt, section in enumerate(expected))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as address:
        yield address


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    client.create_bucket(Bucket="tilts")
    yield client
    server.stop()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_image_on_the_disk_has_the_pixels_and_their_size(tmp_path: Path, zarr_format: int) -> None:
    path = write_zarr(tmp_path / "TS.zarr", IMAGES, zarr_format=zarr_format)
    images = open_images(path)
    assert images.shape == (5, 70, 90)
    assert same(images)
    header = open_zarr_images(str(path))
    assert header.pixel_size_angstrom == pytest.approx(1.35)
    assert np.array_equal(images.window(3, (10, 41), (31, 65)), IMAGES[3, 10:41, 31:65])
    assert same(open_images(f"{path}/1"), IMAGES[:, ::2, ::2])


def test_a_scale_of_the_whole_image_counts_too(tmp_path: Path) -> None:
    more = {"coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0, 2.0]}]}
    assert open_zarr_images(str(write_zarr(tmp_path / "TS.zarr", IMAGES, **more))).pixel_size_angstrom == 2.7


def test_large_blocks_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zarr(tmp_path / "TS.zarr", IMAGES, chunks=(5, 70, 90))
    monkeypatch.setattr(zarr_images, "_LARGE_BLOCK_BYTES", 100_000)
    with pytest.warns(InputWarning, match=r"TS.zarr: is stored in blocks of 5 x 70 x 90 pixels"):
        open_images(path)


@pytest.mark.parametrize(
    ("stored", "given"), [("uint8", "int16"), ("float16", "float32"), ("float64", "float32"), ("<i2", "int16")]
)
def test_pixels_have_types_that_loops_know(tmp_path: Path, stored: str, given: str) -> None:
    values = (np.arange(5 * 8 * 8) % 200).reshape(5, 8, 8).astype(stored)
    images = open_images(write_zarr(tmp_path / "TS.zarr", values, chunks=(1, 8, 8)))
    assert images[2].dtype == given
    assert same(images, values.astype(given))


def test_images_of_a_web_server_are_read_in_parts(tmp_path: Path, web: str) -> None:
    write_zarr(tmp_path / "TS.zarr", IMAGES, chunks=(1, 32, 32))
    images = open_images(f"{web}/TS.zarr")
    Files.asked.clear()
    assert np.array_equal(images.window(3, (33, 40), (2, 30)), IMAGES[3, 33:40, 2:30])
    images.window(3, (34, 50), (0, 10))
    assert [name for name in Files.asked if name[-1].isdigit()] == ["/TS.zarr/0/3.1.0"]
    assert same(images)


def test_images_in_s3_are_those_of_the_disk(tmp_path: Path, s3: Any) -> None:
    folder = write_zarr(tmp_path / "TS.zarr", IMAGES)
    for path in folder.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), "tilts", f"run/{path.relative_to(tmp_path)}")
    assert same(open_images("s3://tilts/run/TS.zarr"))
    with pytest.raises(InputError, match=r"s3://tilts/run/other.zarr: cannot be read as an OME-Zarr image"):
        open_images("s3://tilts/run/other.zarr")


def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(InputError, match="check address and network"):
        open_images("http://127.0.0.1:9/TS.zarr")


@pytest.mark.parametrize("fails_on", ["TS.zarr", ".zgroup", "0/0.0.0"])
def test_a_server_that_fails_does_not_end_the_process_with_a_signal(
    tmp_path: Path, web: str, monkeypatch: pytest.MonkeyPatch, fails_on: str
) -> None:
    write_zarr(tmp_path / "TS.zarr", IMAGES)
    monkeypatch.setattr(Files, "fails_on", fails_on)
    address = f"{web}/none.zarr" if fails_on == "TS.zarr" else f"{web}/TS.zarr"
    program = f"from subtomo.io.zarr_images import open_zarr_images\nopen_zarr_images({address!r}).image(0)"
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert "cannot be read as an OME-Zarr image" in ended.stderr.splitlines()[-1]


def test_the_cache_keeps_to_its_limit_and_reads_a_block_once() -> None:
    cache, read = BlockCache(1000), list[int]()

    def block(number: int) -> np.ndarray:
        read.append(number)
        return np.zeros(400, np.uint8)

    for number in (1, 2, 1, 3, 1, 2):
        cache.get(number, partial(block, number))
    assert read == [1, 2, 3, 2]
    assert cache.held_bytes <= 1000
    gate = threading.Event()
    asked = [threading.Thread(target=cache.get, args=(9, lambda: (gate.wait(5), block(9))[1])) for _ in range(4)]
    for thread in asked:
        thread.start()
    gate.set()
    for thread in asked:
        thread.join()
    assert read.count(9) == 1


def test_a_block_that_cannot_be_read_is_asked_for_again() -> None:
    cache = BlockCache(1000)
    with pytest.raises(ValueError, match="no"):
        cache.get(1, partial(int, "no"))
    assert cache.get(1, lambda: np.zeros(3)).shape == (3,)


def test_a_pickled_series_opens_its_images_again(tmp_path: Path) -> None:
    import pickle

    assert same(pickle.loads(pickle.dumps(open_images(write_zarr(tmp_path / "TS.zarr", IMAGES)))))


def break_chunk(path: Path) -> None:
    chunks = (found for found in (path / "0").rglob("*") if found.is_file() and found.name[-1].isdigit())
    next(chunks).write_bytes(b"x")


def test_damaged_and_strange_images_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    zarr.create_array(tmp_path / "flat.zarr", data=IMAGES[0])
    zarr.create_array(tmp_path / "complex.zarr", data=IMAGES.astype(np.complex64))
    write_zarr(tmp_path / "turned.zarr", IMAGES, axes=[{"name": axis} for axis in "xyz"])
    (tmp_path / "file.zarr").write_bytes(b"x")
    for name, message in {
        "none": "no such folder of an image",
        "file": "is no folder, expected an OME-Zarr image",
        "group": "without a list of scales",
        "flat": "has 70 x 90 values",
        "complex": "has pixels of type complex64",
        "turned": "its axes are x, y, z, expected z, y, x",
    }.items():
        with pytest.raises(InputError, match=message) as caught:
            open_images(tmp_path / f"{name}.zarr")
        assert str(caught.value).startswith(str(tmp_path / f"{name}.zarr"))
    broken = write_zarr(tmp_path / "broken.zarr", IMAGES)
    break_chunk(broken)
    with pytest.raises(InputError, match=r"broken.zarr: cannot be read as an OME-Zarr image"):
        same(open_images(broken))
    with pytest.raises(InputError, match="section 6 is asked for"):
        _ = open_images(broken, 6)[5]
    with pytest.raises(InputError, match="on a server only OME-Zarr images"):
        parse_image_name("1@https://example.org/a.mrcs")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(InputError, match=r"pip install 'subtomo\[remote\]'"):
        open_zarr_images("https://example.org/a.zarr")
    assert zarr_images.CACHE_BYTES == 512 * 2**20
