from __future__ import annotations

import os
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE

from subtomo.errors import InputError
from subtomo.io.half import to_half
from subtomo.io.mrc_write import statistics, write_mrc

EXPECTED = Path(__file__).parents[1] / "conformance" / "expected"
DEFAULT = EXPECTED / "stack_default/Subtomograms/TS_01"
FLOAT16 = EXPECTED / "stack_float16/Subtomograms/TS_01"
STACK_2D = EXPECTED / "stack_stack2d/Subtomograms/TS_01"
STATISTICS = ("dmin", "dmax", "dmean", "rms")


def read_relion(path: Path) -> tuple[np.void, np.ndarray]:
    header = np.fromfile(path, HEADER_DTYPE, count=1)[0]
    pixels = np.fromfile(path, "<f4" if header["mode"] == 2 else "<f2", offset=1024)
    return header, pixels.reshape(header["nz"], header["ny"], header["nx"])


def assert_headers_agree(written: Path, relion: np.void) -> None:
    """Compare bytes of all fields, but statistics to their promised precision, and without the dated label."""
    found = np.fromfile(written, HEADER_DTYPE, count=1)[0]
    for name in HEADER_DTYPE.names or ():
        if name in STATISTICS:
            assert found[name] == pytest.approx(relion[name], rel=1e-5, abs=1e-7), name
        elif name != "label":
            assert found[name].tobytes() == relion[name].tobytes(), name


@pytest.mark.parametrize(
    ("path", "pixel_size"),
    [
        (DEFAULT / "1_data.mrc", 5.4),
        (DEFAULT / "1_weights.mrc", 1 / 5.4),
        (STACK_2D / "1_stack2d.mrcs", (5.4, 5.4, 1.0)),
    ],
)
def test_file_equals_relions_but_for_the_label(
    tmp_path: Path, path: Path, pixel_size: float | tuple[float, float, float]
) -> None:
    header, pixels = read_relion(path)
    assert write_mrc(tmp_path / "a.mrc", pixels, pixel_size_angstrom=pixel_size) == (0, 0)
    assert_headers_agree(tmp_path / "a.mrc", header)
    assert (tmp_path / "a.mrc").read_bytes()[1024:] == path.read_bytes()[1024:]


@pytest.mark.parametrize(("name", "pixel_size"), [("1_data.mrc", 5.4), ("2_weights.mrc", 1 / 5.4)])
def test_float16_file_equals_relions_bit_for_bit(tmp_path: Path, name: str, pixel_size: float) -> None:
    _, pixels = read_relion(DEFAULT / name)
    header, _ = read_relion(FLOAT16 / name)
    assert write_mrc(tmp_path / "a.mrc", pixels, pixel_size_angstrom=pixel_size, float16=True).too_large == 0
    assert_headers_agree(tmp_path / "a.mrc", header)
    assert (tmp_path / "a.mrc").read_bytes()[1024:] == (FLOAT16 / name).read_bytes()[1024:]


def test_mrcfile_reads_what_is_written_and_finds_the_constant_label(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    write_mrc(tmp_path / "a.mrc", values[:, ::-1], pixel_size_angstrom=(1.0, 2.0, 3.0))
    with mrcfile.open(tmp_path / "a.mrc") as opened:
        np.testing.assert_array_equal(opened.data, values[:, ::-1])
        assert opened.voxel_size.tolist() == (1.0, 2.0, 3.0)
        assert opened.get_labels() == ["subtomo"]


def test_equal_volumes_give_equal_files_and_nothing_else_stays(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    for name in ("a.mrc", "b.mrc"):
        write_mrc(tmp_path / name, values, pixel_size_angstrom=1.5)
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.mrc", "b.mrc"]


def test_overflow_in_float16_is_counted(tmp_path: Path) -> None:
    values = np.array([[[1e5, -1e6, 65504.0, np.inf]]], np.float32)
    assert write_mrc(tmp_path / "a.mrc", values, pixel_size_angstrom=1.0, float16=True).too_large == 2


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/a\.mrc"):
        write_mrc(tmp_path / "nowhere/a.mrc", np.zeros((1, 1, 1), np.float32), pixel_size_angstrom=1.0)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 2), np.float64), np.zeros((0, 2, 2), np.float32)]
)
def test_array_that_is_no_float32_volume_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="3-D float32"):
        write_mrc(tmp_path / "a.mrc", array, pixel_size_angstrom=1.0)
    assert os.listdir(tmp_path) == []


def test_statistics_are_those_of_numpy_in_float64_for_many_blocks_and_a_far_mean() -> None:
    values = np.random.default_rng(1).normal(3000.0, 0.5, size=(50, 50, 50)).astype(np.float32)
    exact = values.astype(np.float64)
    found = statistics(values)
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-9)


def test_constant_volume_has_deviation_0() -> None:
    assert statistics(np.full((40, 40, 40), 0.1, np.float32)).deviation == 0.0


def test_volume_with_undefined_values_is_written_without_a_warning(tmp_path: Path) -> None:
    values = np.array([[[np.inf, np.nan, 1.0]]], np.float32)
    write_mrc(tmp_path / "a.mrc", values, pixel_size_angstrom=1.0)
    assert np.isnan(np.fromfile(tmp_path / "a.mrc", HEADER_DTYPE, count=1)[0]["rms"])


@pytest.mark.parametrize(
    ("value", "bits", "overflowed"),
    [
        (0.0, 0x0000, 0),
        (-0.0, 0x8000, 0),
        (1.0, 0x3C00, 0),
        (1 + 2**-11, 0x3C01, 0),  # a tie, where IEEE would go to the even 0x3C00
        (-1 - 2**-11, 0xBC01, 0),
        (2 - 2**-12, 0x4000, 0),  # carry into the exponent
        (2**-14, 0x0400, 0),
        (2**-14 - 2**-30, 0x0400, 0),  # rounds up to the smallest value
        (2**-14 - 2**-24, 0x0000, 0),  # IEEE would keep a subnormal
        (-(2**-15), 0x8000, 0),
        (65504.0, 0x7BFF, 0),
        (65519.0, 0x7BFF, 0),
        (65520.0, 0x7BFF, 1),
        (-3e38, 0xFBFF, 1),
        (np.inf, 0x7C00, 0),
        (-np.inf, 0xFC00, 0),
        (np.nan, 0x7E00, 0),
    ],
)
def test_half_rounds_as_relion(value: float, bits: int, overflowed: int) -> None:
    halves, count = to_half(np.array([1.0, value, 2.0], np.float32))
    assert halves.view(np.uint16).tolist() == [0x3C00, bits, 0x4000]
    assert count == overflowed


def test_every_normal_half_survives_the_way_through_float32() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    normal = every[np.isfinite(every) & (np.abs(every) >= np.float16(2**-14))]
    halves, count = to_half(normal.astype(np.float32))
    np.testing.assert_array_equal(halves.view(np.uint16), normal.view(np.uint16))
    assert count == 0
