"""Damaged files are refused in words: never another exception, a warning, gigabytes or a hang."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import MRC_SEEDS, STAR_SEEDS, STAR_WORDS
from tests.fuzz.targets import read_mrc, read_star, survives

CORPUS = Path(__file__).parent / "corpus"
# the same examples every time; new ones are atheris' work
BOUNDED = settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
EXTREME = (0, 1, -1, 2, 3, 127, 128, 255, 256, 65535, 65536, 2**30, 2**31 - 1, -(2**31))


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...], pieces: st.SearchStrategy[bytes]) -> bytes:
    """Take a valid file and cut, overwrite, insert, repeat or drop some of it, a few times."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 40)))
        piece = draw(pieces)
        match draw(st.sampled_from(["cut", "overwrite", "insert", "repeat", "drop"])):
            case "cut":
                del content[start:]
            case "overwrite":
                content[start : start + len(piece)] = piece
            case "insert":
                content[start:start] = piece
            case "repeat":
                content[start:start] = content[start:stop] * 3
            case _:
                del content[start:stop]
    return bytes(content)


@st.composite
def lying(draw: st.DrawFn) -> bytes:
    """Take a valid MRC file and give some of its header's numbers other values."""
    content = bytearray(draw(st.sampled_from(MRC_SEEDS)))
    order = draw(st.sampled_from("<>"))
    for _ in range(draw(st.integers(1, 3))):
        word = draw(st.sampled_from([0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 22, 23, 24, 26, 52, 53]))
        struct.pack_into(f"{order}i", content, 4 * word, draw(st.sampled_from(EXTREME)))
    return bytes(content)


@BOUNDED
@given(content=damaged(STAR_SEEDS, st.sampled_from(STAR_WORDS) | st.binary(max_size=20)))
def test_a_damaged_star_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    survives(read_star, tmp_path / "a.star", content)


@BOUNDED
@given(content=lying() | damaged(MRC_SEEDS, st.binary(max_size=40)))
@pytest.mark.filterwarnings("ignore::subtomo.errors.InputWarning")
def test_a_damaged_mrc_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    survives(read_mrc, tmp_path / "a.mrcs", content)


@pytest.mark.parametrize("seed", range(len(MRC_SEEDS)))
def test_fuzzing_starts_from_mrc_files_that_are_read(tmp_path: Path, seed: int) -> None:
    assert survives(read_mrc, tmp_path / "a.mrcs", MRC_SEEDS[seed])


@pytest.mark.parametrize("seed", range(len(STAR_SEEDS)))
def test_fuzzing_starts_from_star_files_that_are_read(tmp_path: Path, seed: int) -> None:
    assert survives(read_star, tmp_path / "a.star", STAR_SEEDS[seed])


@pytest.mark.parametrize(
    ("reader", "known"),
    [
        pytest.param(reader, path, id=f"{path.parent.name}-{path.name}")
        for reader, folder in ((read_star, "star"), (read_mrc, "mrc"))
        for path in sorted((CORPUS / folder).iterdir())
    ],
)
def test_what_fuzzing_found_stays_mended(tmp_path: Path, reader: Callable[[Path], None], known: Path) -> None:
    survives(reader, tmp_path / "a.mrcs", known.read_bytes())
