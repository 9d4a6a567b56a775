from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE

from subtomo.errors import InputError
from subtomo.io.mrc import ImageAddress, TiltImages, map_sections, parse_image_name, read_header

MODE_OF = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


def make_mrc(
    path: Path, data: np.ndarray[Any, Any], *, order: str = "<", extended: int = 0, stamp: bool = True, **fields: int
) -> Path:
    """Write an MRC file field by field, without the code under test; `fields` replace header values."""
    header = np.zeros((), HEADER_DTYPE.newbyteorder(order))
    header["nz"], header["ny"], header["nx"] = data.shape
    header["mode"] = MODE_OF[data.dtype.str[1:]]
    header["nsymbt"] = extended
    if stamp:
        header["map"], header["machst"] = b"MAP ", (0x44, 0x44, 0, 0) if order == "<" else (0x11, 0x11, 0, 0)
    for name, value in fields.items():
        header[name] = value
    pixels = data.astype(data.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(header.tobytes() + bytes(extended) + pixels)
    return path


def ramp(dtype: str, shape: tuple[int, int, int] = (3, 4, 6)) -> np.ndarray[Any, Any]:
    return (np.arange(np.prod(shape)).reshape(shape) - 20).astype(dtype)


def open_stack(path: Path, indices: list[int]) -> TiltImages:
    return TiltImages.open([ImageAddress(str(path), index) for index in indices], name="TS_01")


@pytest.mark.parametrize("extended", [0, 160, 3])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4", "f2"])
def test_every_mode_byte_order_and_extended_header_reads_back(
    tmp_path: Path, dtype: str, order: str, extended: int
) -> None:
    data = ramp(dtype)
    images = open_stack(make_mrc(tmp_path / "a.mrcs", data, order=order, extended=extended), [2, 0, 1])
    assert images.shape == (3, 4, 6)
    assert images.image_size == (6, 4)
    for tilt, index in enumerate([2, 0, 1]):
        np.testing.assert_array_equal(images[tilt], data[index])
        assert images[tilt].dtype == np.dtype("f4" if dtype == "f2" else dtype)
        assert images[tilt].dtype.isnative
        assert images[tilt].flags.c_contiguous
        assert images[tilt].flags.aligned
        assert not images[tilt].flags.writeable


@pytest.mark.parametrize("width", [6, 5])
def test_4_bit_pixels_are_unpacked_low_half_first_and_rows_fill_bytes(tmp_path: Path, width: int) -> None:
    pixels = np.arange(2 * 3 * width).reshape(2, 3, width) % 16
    even = np.pad(pixels, ((0, 0), (0, 0), (0, width % 2)))
    packed = (even[..., 0::2] + 16 * even[..., 1::2]).astype(np.uint8).view(np.int8)
    images = open_stack(make_mrc(tmp_path / "a.mrcs", packed, nx=width, mode=101), [0, 1])
    np.testing.assert_array_equal(np.stack(list(images)), pixels)


def test_native_pixels_are_mapped_and_converted_ones_are_kept(tmp_path: Path) -> None:
    native = open_stack(make_mrc(tmp_path / "native.mrcs", ramp("i2")), [0])
    swapped = open_stack(make_mrc(tmp_path / "swapped.mrcs", ramp("i2"), order=">"), [0])
    assert not native[0].flags.owndata
    assert np.shares_memory(native[0], native[0])
    assert swapped[0] is swapped[0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_file_without_a_stamp_is_read(tmp_path: Path, order: str) -> None:
    header = read_header(make_mrc(tmp_path / "old.mrc", ramp("i2", (1, 256, 512)), order=order, stamp=False))
    assert (header.nx, header.ny, header.nz, header.mode) == (512, 256, 1, 1)
    assert (header.byte_order, header.data_offset) == (order, 1024)


def test_files_written_by_mrcfile_are_read(tmp_path: Path) -> None:
    data = ramp("f4")
    with mrcfile.new(tmp_path / "a.mrc", data=data):
        pass
    np.testing.assert_array_equal(np.stack(list(open_stack(tmp_path / "a.mrc", [0, 1, 2]))), data)


def test_only_the_tilts_asked_for_are_opened(tmp_path: Path) -> None:
    first = make_mrc(tmp_path / "a.mrc", ramp("i2"))
    images = TiltImages.open([ImageAddress(str(first), 1), ImageAddress(str(tmp_path / "none.mrc"), 0)], name="TS_01")
    np.testing.assert_array_equal(images[0], ramp("i2")[1])
    with pytest.raises(InputError, match=r"none\.mrc: cannot be read"):
        images.check()


def test_pickled_images_are_opened_again_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_mrc(tmp_path / "a.mrcs", ramp("i2", (3, 400, 600)))
    monkeypatch.chdir(tmp_path)
    images = open_stack(Path("a.mrcs"), [1])
    before = images[0]
    pickled = pickle.dumps(images)
    monkeypatch.chdir(os.sep)
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again[0], before)
    assert len(pickled) < 1000


def test_unequal_image_sizes_name_both_sizes_and_the_tomogram(tmp_path: Path) -> None:
    a = make_mrc(tmp_path / "a.mrc", ramp("i2", (1, 4, 6)))
    b = make_mrc(tmp_path / "b.mrc", ramp("i2", (1, 4, 8)))
    images = TiltImages.open([ImageAddress(str(a), 0), ImageAddress(str(b), 0)], name="TS_01")
    with pytest.raises(InputError, match=r"b\.mrc: images of 8 x 4 pixels in tomogram TS_01, expected 6 x 4"):
        images[1]


def test_section_outside_the_stack_names_the_section_and_the_size(tmp_path: Path) -> None:
    images = open_stack(make_mrc(tmp_path / "a.mrcs", ramp("i2")), [0, 3])
    with pytest.raises(InputError, match=r"a\.mrcs: section 4 is asked for in tomogram TS_01, expected 1 to 3"):
        images[1]


def test_tilt_outside_the_series_is_an_index_error(tmp_path: Path) -> None:
    images = open_stack(make_mrc(tmp_path / "a.mrcs", ramp("i2")), [0])
    with pytest.raises(IndexError):
        images[1]


def test_series_without_images_names_the_tomogram() -> None:
    with pytest.raises(InputError, match="TS_01"):
        TiltImages.open([], name="TS_01")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes"),
        (b"short", "has 5 bytes"),
        (b"II*\0" + bytes(2000), "is a TIFF file"),
        (b"data_particles\n" * 100, "is not an MRC file"),
        (bytes(2048), "is not an MRC file"),
    ],
)
def test_file_that_is_not_mrc_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.mrc").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.mrc: {message}"):
        read_header(tmp_path / "a.mrc")


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.mrc: cannot be read"):
        read_header(tmp_path / "none.mrc")
    with pytest.raises(InputError, match="is a folder"):
        read_header(tmp_path)


def test_truncated_file_names_both_sizes(tmp_path: Path) -> None:
    path = make_mrc(tmp_path / "a.mrc", ramp("f4"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="has 1311 bytes, expected 1312 bytes for 6 x 4 x 3"):
        read_header(path)


@pytest.mark.parametrize("mode", [3, 4, 16])
def test_unsupported_mode_names_the_supported_ones(tmp_path: Path, mode: int) -> None:
    path = make_mrc(tmp_path / "a.mrc", ramp("f4"), mode=mode)
    with pytest.raises(InputError, match=rf"MRC mode {mode}, expected one of 0 .*101"):
        read_header(path)


@pytest.mark.parametrize(
    ("name", "path", "index"),
    [
        ("000004@frames/x.mrcs", "frames/x.mrcs", 3),
        ("1@frames/x.st", "frames/x.st", 0),
        ("frames/x.mrc", "frames/x.mrc", 0),
        (" me@home/x.mrc ", "me@home/x.mrc", 0),
        ("2@me@home/x.mrcs", "me@home/x.mrcs", 1),
    ],
)
def test_image_name_gives_file_and_section_from_0(name: str, path: str, index: int) -> None:
    assert parse_image_name(name) == ImageAddress(path, index)


@pytest.mark.parametrize("name", ["1@x.mrc", "1@x.map", "0@x.mrcs", "", "3@x"])
def test_image_name_that_means_no_image_is_an_error(name: str) -> None:
    with pytest.raises(InputError):
        parse_image_name(name)


@pytest.mark.parametrize("dtype", ["i1", "i2"])
def test_reading_ahead_asks_for_the_bytes_of_the_rows_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    data = ramp(dtype, (3, 300, 500))
    images = open_stack(make_mrc(tmp_path / "a.mrcs", data, extended=160), [2, 0])
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, size, __: asked.append((start, size)), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    images.read_ahead(0, 10, 290)
    content = (tmp_path / "a.mrcs").read_bytes()
    assert b"".join(content[start : start + size] for start, size in asked) == data[2, 10:290].tobytes()
    assert max(size for _, size in asked) == 1 << 17


def test_a_file_that_vanishes_after_its_header_was_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((2, 4, 4), np.float32))
    header = read_header(path)
    path.unlink()
    with pytest.raises(InputError, match=r"gone\.mrc: cannot be read \(No such file or directory\)"):
        map_sections(header)


def test_a_file_that_is_cut_after_its_header_was_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((2, 4, 4), np.float32))
    header = read_header(path)
    path.write_bytes(path.read_bytes()[:1030])
    with pytest.raises(InputError, match=r"cut\.mrc: has become shorter while it was read"):
        map_sections(header)
