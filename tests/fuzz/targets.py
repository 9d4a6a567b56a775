"""What is fuzzed: reading bytes as a file. Success and a refusal in words are both fine, all else is a finding."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.io.mrc import ImageAddress, TiltImages, read_header
from subtomo.io.mrc_read import read_volume
from subtomo.io.reading import collected_warnings
from subtomo.io.star import read_tables

MEMORY_FLOOR, MEMORY_FACTOR = 64_000_000, 100
"""Bytes that a reader may take whatever the file, and per byte of the file."""


def read_star(path: Path) -> None:
    """Read a STAR file and look at all its columns as every type."""
    for table in read_tables(path):
        for label in table.labels:
            for view in (table.floats, table.ints, table.bools, table.vectors):
                try:
                    view(label)
                except InputError as error:
                    assert_helpful(error, path)


def read_mrc(path: Path) -> None:
    """Read an MRC file as a stack of tilt images and as a volume."""
    header = read_header(path)
    address = ImageAddress(str(path), header.nz - 1)
    images = TiltImages([address], "TS_1", (header.nx, header.ny))
    images.check()
    assert images[0].shape == (header.ny, header.nx)
    volume, pixel_size = read_volume(path)
    assert volume.dtype == np.float32
    assert isinstance(pixel_size, float)


def survives(reader: object, path: Path, content: bytes) -> bool:
    """Tell whether the content is accepted; whatever is neither accepted nor refused in words is raised."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with collected_warnings():
            reader(path)  # type: ignore[operator]
    except InputError as error:
        assert_helpful(error, path)
        return False
    else:
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY_FLOOR + MEMORY_FACTOR * len(content), f"{peak} bytes for a file of {len(content)}"


def assert_helpful(error: InputError, path: Path) -> None:
    """Assert that a refusal names the file in one line that can be printed."""
    message = str(error)
    assert str(path) in message
    assert message.isprintable(), f"message cannot be printed: {message!r}"
    assert len(message) < 2000, f"message of {len(message)} characters"
