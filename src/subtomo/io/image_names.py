"""Names of images as STAR files have them: ``4@series.mrcs``, ``frames/tilt_01.mrc``, ``1@series.ali:mrcs``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from subtomo.errors import InputError
from subtomo.words import invisible, shown

STACK_FORMATS = ("mrcs", "st")
TIFF_FORMATS = ("tif", "tiff")
FORMATS = ("mrc", *STACK_FORMATS, "map", *TIFF_FORMATS)
"""What may follow a colon."""
_REMOTE = re.compile(r"(https?|s3|gs)://", re.IGNORECASE)
_ZARR = re.compile(r"\.zarr(/.*)?$", re.IGNORECASE)
_REFUSED = "%#"
"""Signs after which RELION looks for a description of raw data."""


@dataclass(frozen=True)
class ImageAddress:
    """Where one image is: a file and the section within it, counted from 0."""

    path: str
    index: int
    is_alone: bool = field(default=False, compare=False)
    """Whether the file was named without a section, so that it should hold nothing else."""
    format: str = field(default="", compare=False)
    """What followed the last colon of the name, in small letters."""

    @property
    def is_tiff(self) -> bool:
        """Whether the name says that it is a TIFF file."""
        return (self.format or Path(self.path).suffix.lower().lstrip(".")) in TIFF_FORMATS

    @property
    def is_zarr(self) -> bool:
        """Whether the name says that it is an OME-Zarr image, which RELION does not read."""
        return is_zarr_name(self.path)


def is_remote(path: str) -> bool:
    """Tell whether a path is an address on a server, and not in a file system."""
    return _REMOTE.match(path) is not None


def is_zarr_name(path: str) -> bool:
    """Tell by its name whether a path is that of an OME-Zarr image, or of an array in one."""
    return _ZARR.search(path) is not None


def split_format(name: str) -> tuple[str, str]:
    """Split a file name into the file and the format that RELION takes from behind the last colon.

    Args:
        name: As it stands in a STAR file, such as ``TS_01.ali:mrcs``.

    Returns:
        The file, and the format in small letters, "" if there is none.

    Raises:
        InputError: RELION could not open a file of this name.
    """
    text = name.strip()
    strange = invisible(text)
    if strange is not None:
        raise InputError(f"the file name {shown(text)!r} holds {strange}, which nobody sees; correct the name")
    if is_remote(text):
        if not is_zarr_name(text):
            raise InputError(f"{text}: on a server only OME-Zarr images (.zarr) are read; copy other files here")
        return text.rstrip("/"), ""
    file, format_ = without_format(text)
    if ":" in file:
        raise InputError(
            f"{text}: RELION takes what follows the last colon of a name for the format of the file, expected one of "
            f"{', '.join(FORMATS)}; rename the file or folder if the colon belongs to its name"
        )
    for sign in _REFUSED:
        if sign in file:
            raise InputError(
                f"{text}: holds a {sign}, which RELION takes for the mark of raw data, so that it finds no file; "
                "rename the file or folder"
            )
    return file, format_


def without_format(path: str) -> tuple[str, str]:
    """Split a path into the file and the format behind a colon, "" if none is there; no name is refused.

    A file that has such a name keeps it.
    """
    file, colon, format_ = path.rpartition(":")
    if not colon or format_.lower() not in FORMATS or os.path.exists(path):
        return path, ""
    return file, format_.lower()


def parse_image_name(name: str) -> ImageAddress:
    """Read an image name as STAR files have it: `file.mrc` or `4@file.mrcs`, where 4 is the fourth section.

    Source: spec/conventions.md §2.3. A name whose text before `@` is no number is a plain path.

    Raises:
        InputError: If the name is empty, the number is 0, or a section of a file is asked for that is not a stack.
    """
    text = name.strip()
    if not text:
        raise InputError("an image name is empty; expected a path such as frames/tilt_01.mrc or 1@series.mrcs.")
    match = re.fullmatch(r"([0-9]+)@(.+)", text)
    if match is None:
        path, format_ = split_format(text)
        return ImageAddress(path, 0, True, format_)
    if len(match[1]) > 9:
        raise InputError(f"{shown(text)}: has a section number of {len(match[1])} digits; correct it")
    number = int(match[1])
    path, format_ = split_format(match[2])
    if number < 1:
        raise InputError(f"{text}: section {number} does not exist; sections before '@' are counted from 1.")
    if is_zarr_name(path):
        return ImageAddress(path, number - 1, False)
    extension = f".{format_}" if format_ else Path(path).suffix.lower()
    if not any(kind in extension for kind in (*STACK_FORMATS, *TIFF_FORMATS)):
        raise InputError(
            f"{text}: one section is asked for in a file with the extension '{extension}'; stacks of images must have "
            "the extension .mrcs, .st or .tif, or name the format behind a colon, as in 1@series.ali:mrcs. Rename or "
            "link the file and correct its name here."
        )
    return ImageAddress(path, number - 1, False, format_)
