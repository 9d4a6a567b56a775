"""Read text files of other programs, in whatever encoding they come."""

from __future__ import annotations

import codecs
import os

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.reading import read_bytes
from subtomo.words import shown

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LARGEST_BYTES = 256 * 2**20
"""No alignment file is as large."""


def read_text(path: str | os.PathLike[str], expected: str) -> str:
    """Read a text file in UTF-8 or UTF-16, with or without a byte order mark.

    Args:
        path: Of the file.
        expected: What it should be, such as ``an alignment of AreTomo``.

    Raises:
        InputError: The file cannot be read, is empty, too large or no text.
    """
    if os.path.isfile(path) and os.path.getsize(path) > _LARGEST_BYTES:
        size = os.path.getsize(path) / 2**20
        raise InputError(f"{path}: has {size:.0f} MiB, too much for {expected}; correct the name")
    raw = read_bytes(path, expected)
    if not raw.strip(b"\0 \t\r\n"):
        raise InputError(f"{path}: is empty, expected {expected}; copy or make it again")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", "utf-8"))
    if not mark and 4 * raw[:64].count(0) > min(len(raw), 64):
        # without a mark, Latin letters in UTF-16 show in which byte of a pair the zeros stand
        encoding = "utf-16-le" if raw[1:64:2].count(0) > raw[0:64:2].count(0) else "utf-16-be"
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start + len(mark)} is no text in {encoding.upper()}, expected {expected}; convert "
            "the file to UTF-8, or correct the name"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: holds bytes of value zero, so this is no text file, expected {expected}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_numbers(path: str | os.PathLike[str], expected: str, *, columns: int) -> NDArray[np.float64]:
    """Read rows of numbers, (n, columns).

    Raises:
        InputError: The file cannot be read, or a row has another number of values, or one that is no finite number.
    """
    rows = []
    for number, line in enumerate(read_text(path, expected).splitlines(), start=1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != columns:
            raise InputError(f"{path}, line {number}: has {len(words)} values, expected {columns} in {expected}")
        rows.append([finite(word, f"{path}, line {number}") for word in words])
    if not rows:
        raise InputError(f"{path}: holds no numbers, expected {expected}; copy or make it again")
    return np.array(rows, np.float64)


def finite(word: str, where: str) -> float:
    """Read one finite number; InputError names where it stands."""
    try:
        value = float(word)
    except ValueError:
        raise InputError(f"{where}: found {shown(word)!r}, expected a number; correct it") from None
    if not np.isfinite(value):
        raise InputError(f"{where}: found {shown(word)}, expected a finite number; correct it")
    return value


def view_list(text: str, where: str) -> frozenset[int]:
    """Read a list of views counted from 1, with ranges: ``3-7,12`` or ``1 4``.

    Raises:
        InputError: A word is no number and no range.
    """
    views = set[int]()
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or int(first) < 1 or (dash and int(last) < int(first)):
            raise InputError(f"{where}: found {shown(word)!r} in a list of views, expected one such as 3-7,12")
        views.update(range(int(first), int(last or first) + 1))
    return frozenset(views)
