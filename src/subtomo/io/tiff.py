"""Read tilt images from TIFF files, with rows in RELION's order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.oddities import Oddity
from subtomo.io.reading import open_file

PIXEL_TYPES = ("int8", "uint8", "int16", "uint16", "float32")
"""What RELION reads."""
_EER = (65000, 65001, 65002)
"""Compression of EER movies."""
_MOTION = "tilt images are made of movies by motion correction: correct the motion first, and name the sums"


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF file says about its images, all of one size and type."""

    nx: int
    ny: int
    nz: int
    """Number of images, one per directory."""
    dtype: str
    path: str
    pixel_size_angstrom: float = 0.0
    """Never known: resolutions of TIFF files are those of prints."""
    oddities: tuple[Oddity, ...] = ()


@doing_to_file("reading")
def read_tiff_header(path: str | os.PathLike[str]) -> TiffHeader:
    """Read the directories of a TIFF file and check that they hold images of one kind.

    Raises:
        InputError: The file is missing, no TIFF, a movie of another kind, or holds pixels that RELION does not read.
    """
    name = str(path)
    with _opened(name) as tiff:
        pages = [page for page in tiff.pages if not page.is_reduced]
        if not pages:
            raise InputError(f"{name}: holds no image; write it again")
        first = pages[0]
        if int(first.compression) in _EER:
            raise InputError(f"{name}: is an EER movie; {_MOTION}")
        shapes = {(page.shape, str(page.dtype)) for page in pages}
        if len(shapes) > 1:
            raise InputError(f"{name}: its {len(pages)} images differ in size or type; write them alike")
        if len(first.shape) != 2:
            raise InputError(f"{name}: has {first.shape} samples, so it is a colour image; write it in shades of grey")
        if str(first.dtype) not in PIXEL_TYPES:
            raise InputError(
                f"{name}: has pixels of type {first.dtype}, which RELION does not read from TIFF files, expected one "
                f"of {', '.join(PIXEL_TYPES)}; convert it"
            )
        told = int((tiff.imagej_metadata or {}).get("images", 1)) if tiff.is_imagej else 1
        if told > len(pages):
            raise InputError(
                f"{name}: ImageJ put {told} images into {len(pages)} directory, so that other programs find but the "
                "first; save it as an MRC stack"
            )
        height, width = first.shape
        return TiffHeader(width, height, len(pages), str(first.dtype), name)


def read_tiff_image(header: TiffHeader, index: int) -> NDArray[Any]:
    """Read one image (height, width), read-only; bytes without a sign become int16.

    RELION takes the last row of a TIFF file for the first one: TIFF counts rows from the top, MRC from the bottom.

    Raises:
        InputError: The image cannot be decoded.
    """
    with _opened(header.path) as tiff:
        page = [page for page in tiff.pages if not page.is_reduced][index]
        try:
            stored = page.asarray()
        except Exception as error:  # whatever decoders raise over damaged or unusual data
            raise InputError(
                f"{header.path}: image {index + 1} cannot be decoded ({_told(error)}); write it again, without "
                "compression"
            ) from None
    dtype = np.dtype(np.int16) if stored.dtype == np.uint8 else stored.dtype.newbyteorder("=")
    image = np.ascontiguousarray(stored[::-1], dtype=dtype)
    if image.base is not None:
        image = image.copy()
    image.flags.writeable = False
    return image


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a TIFF file; whatever its parser raises over a damaged one becomes an InputError."""
    import tifffile

    with open_file(path, "a TIFF file") as stream:
        start = stream.read(4)
        stream.seek(0)
        if start[:2] not in (b"II", b"MM"):
            raise InputError(
                f"{path}: is no TIFF file, whatever its name says; RELION goes by the end of the name: rename it"
            )
        try:
            with tifffile.TiffFile(stream) as tiff:
                yield tiff
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{path}: cannot be read as a TIFF file ({_told(error)}); write it again") from None


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
