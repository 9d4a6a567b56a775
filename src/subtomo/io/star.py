"""Read STAR files as RELION understands them; tokens stay text (spec/conventions.md §1.1).

The frame of the file (``data_``, ``loop_``, labels, the blank line that ends a loop) is read here line by line, because
RELION gives lines a meaning that the CIF grammar does not know. The rows, nearly all of a file, go to gemmi in chunks.
Departures from RELION: a comment that contains ``data_`` starts no table; a file whose rows RELION would silently drop
or pad (rows after a blank line, a short row of a two-column table) is refused; line ends of Windows and byte order
marks, which RELION cannot read, are read with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.reading import read_bytes, warn
from subtomo.io.recognise import recognised
from subtomo.io.star_numbers import format_float_vectors, format_floats, format_int_vectors, format_ints
from subtomo.io.star_rows import is_open_quote, split_columns, split_line, split_rows, unquoted
from subtomo.io.star_write import write_tables
from subtomo.model.table import TEXT, Table, TextArray

__all__ = [
    "find_table",
    "format_float_vectors",
    "format_floats",
    "format_int_vectors",
    "format_ints",
    "read_tables",
    "write_tables",
]

_CHUNK_BYTES = 1 << 19  # small enough for the cache: larger pieces take half as long again
_CONTENT = re.compile(rb"^[ \t\v\f]*+[^\s#;]", re.MULTILINE)
"""The beginning of a line that is neither blank nor a comment."""
_BLANK_LINE = re.compile(rb"\n[ \t]*(?:\n|\Z)")
_MARK, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_MOST_LABELS = 10_000
"""Labels of one table: RELION knows some hundreds."""
_ALLOWED = bytes([9, 10, 13, *range(32, 127), *range(128, 256)])


@dataclass(frozen=True)
class _Source:
    """The bytes of a file and how to complain about them."""

    path: str
    raw: bytes

    def error(self, position: int, message: str) -> InputError:
        """Build an InputError that names the file and the line of a byte position."""
        number = self.raw.count(b"\n", 0, position) + 1
        return InputError(f"{self.path}, line {number}: {message}")

    def content(self, start: int) -> int:
        """Find the first line from ``start`` on that is neither blank nor a comment; the end of the file if none is."""
        found = _CONTENT.search(self.raw, start)
        return found.start() if found else len(self.raw)

    def line(self, start: int) -> tuple[bytes, int]:
        """Return the trimmed line that begins at ``start`` and the position of the next one."""
        end = self.raw.find(b"\n", start)
        end = len(self.raw) if end < 0 else end
        return self.raw[start:end].strip(), end + 1


@doing_to_file("reading")
def read_tables(path: str | Path) -> list[Table]:
    """Read all tables of a STAR file in file order; names may be empty or repeat.

    Raises:
        InputError: The file is missing, is no text, or breaks the grammar; the message names the line.
    """
    source = _load(path)
    tables, position, end = [], 0, len(source.raw)
    while (position := source.content(position)) < end:
        line, following = source.line(position)
        if line.startswith(b"data_"):
            table, following = _read_table(source, line[5:].strip().decode(), following)
            tables.append(table)
        else:
            if not tables and (kind := recognised(source.raw)) is not None:
                raise InputError(f"{source.path}: {kind.words}, expected a STAR file; {kind.advice}")
            hint = "a table ends at the first blank line: remove that line" if tables else "no data_ line before it"
            raise source.error(position, f"found {_show(line)} outside any table; {hint}")
        position = following
    if not tables:
        if (kind := recognised(source.raw)) is not None:
            raise InputError(f"{source.path}: {kind.words}, expected a STAR file; {kind.advice}")
        raise InputError(f"{source.path}: no line starts with data_, so this is no STAR file; check the file name")
    return tables


def find_table(tables: Sequence[Table], name: str = "") -> Table | None:
    """Return the first table of exactly this name, the first of all for an empty name, or None."""
    return next((table for table in tables if not name or table.name == name), None)


def _load(path: str | Path) -> _Source:
    """Read a file and refuse what cannot be a STAR file for RELION."""
    source = _Source(str(path), _without_mark(str(path), read_bytes(path, "a STAR file")))
    raw = source.raw
    strange = raw.translate(None, _ALLOWED)[:1]
    if strange:
        position = raw.index(strange)
        kind = recognised(raw)
        if kind is not None:
            raise InputError(f"{path}: {kind.words}, expected a STAR file; {kind.advice}")
        raise source.error(position, f"found byte 0x{strange.hex()}, so this is no text file; check the file name")
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise source.error(error.start, "found text that is not UTF-8; convert the file to UTF-8") from None
    return replace(source, raw=_with_unix_lines(source.path, raw)) if b"\r" in raw else source


def _without_mark(path: str, raw: bytes) -> bytes:
    """Take away a byte order mark, and warn of it: RELION itself cannot read such files."""
    if raw.startswith(_UTF16):
        raise InputError(f"{path}: is text in UTF-16, which RELION cannot read; save it as UTF-8 without a mark")
    if raw.startswith(_MARK):
        raw = raw.removeprefix(_MARK)
        warn(
            f"{path}: begins with a UTF-8 byte order mark; it is read here, but RELION and the programs that use its "
            "reader will not find the first table; save the file as UTF-8 without a mark"
        )
    return raw


def _with_unix_lines(path: str, raw: bytes) -> bytes:
    """Take the CR out of the line ends of Windows, and warn of it."""
    if b"\n" not in raw:
        raise InputError(
            f"{path}: its lines end in CR only, as on old Macs, so that it is one long line; convert them with "
            f"tr '\\r' '\\n' < {path}"
        )
    text = raw.replace(b"\r\n", b"\n")
    if b"\r" in text:
        number = text.count(b"\n", 0, text.index(b"\r")) + 1
        raise InputError(f"{path}, line {number}: found a CR in the middle of a line; remove it")
    warn(
        f"{path}: has CR+LF line ends, as on Windows; it is read here, but RELION and the programs that use its reader "
        "will take the CR for part of the last value of a row; run dos2unix on the file"
    )
    return text


def _read_table(source: _Source, name: str, position: int) -> tuple[Table, int]:
    """Read what follows a ``data_`` line; return the table and the position after it."""
    position = source.content(position)
    line, following = source.line(position)
    if not line or line.startswith(b"data_"):
        return Table(name, {}, source=source.path), position
    if line.startswith(b"loop_"):
        columns, following = _read_loop(source, following)
        return Table(name, columns, source=source.path), following
    if line.startswith(b"_"):
        columns, following = _read_list(source, position)
        return Table(name, columns, is_list=True, source=source.path), following
    raise source.error(position, f"found {_show(line)} in table data_{name}, expected loop_ or a _label line")


def _read_list(source: _Source, position: int) -> tuple[dict[str, TextArray], int]:
    """Read ``_label value`` lines up to the next table."""
    columns: dict[str, TextArray] = {}
    while (position := source.content(position)) < len(source.raw):
        line, following = source.line(position)
        if line.startswith(b"data_"):
            break
        tokens = _tokens(source, line, position)
        if len(tokens) != 2 or not line.startswith(b"_"):
            raise source.error(position, f"found {_show(line)}, expected a _label and one value (quote blanks)")
        label = _new_label(source, tokens[0], columns, position)
        columns[label] = np.array([unquoted(tokens[1].decode())], dtype=TEXT)
        position = following
    return columns, position


def _read_loop(source: _Source, position: int) -> tuple[dict[str, TextArray], int]:
    """Read the labels and rows of a loop; return its columns and the position after the blank line that ends it."""
    labels: dict[str, None] = {}
    start = position
    while (position := source.content(position)) < len(source.raw):
        line, following = source.line(position)
        if line.startswith(b"_"):
            token, *rest = line.split(maxsplit=1)
            if rest and not rest[0].startswith(b"#"):
                raise source.error(position, f"found {_show(line)} among the labels of a loop, expected _label #number")
            labels[_new_label(source, token, labels, position)] = None
        else:
            break
        position = following
    if not labels:
        raise source.error(start - 1, "found loop_ without any _label line after it; add the labels")
    if position >= len(source.raw) or source.line(position)[0].startswith(b"data_"):
        return {label: np.empty(0, dtype=TEXT) for label in labels}, position
    blank = _BLANK_LINE.search(source.raw, position - 1)
    end, following = (blank.start() + 1, blank.end()) if blank else (len(source.raw), len(source.raw))
    return _read_body(source, (position, end), list(labels)), following


def _read_body(source: _Source, span: tuple[int, int], labels: list[str]) -> dict[str, TextArray]:
    """Read the rows of a loop into one column per label."""
    n_lines = source.raw.count(b"\n", *span) + 1
    columns = [np.empty(n_lines, dtype=TEXT) for _ in labels]
    n_rows = 0
    for chunk in _chunks(source.raw, *span):
        body = source.raw[slice(*chunk)].rstrip(b"\n")
        cut: Sequence[NDArray[np.bytes_] | list[str]] | None = split_columns(body, len(labels))
        if cut is None:
            values = split_rows(body, len(labels))
            if values is None:
                raise _row_error(source, chunk, len(labels))
            cut = [values[index :: len(labels) + 1] for index in range(len(labels))]
        first, n_rows = n_rows, n_rows + len(cut[0])
        for column, tokens in zip(columns, cut, strict=True):
            column[first:n_rows] = tokens
    return {label: column[:n_rows] for label, column in zip(labels, columns, strict=True)}


def _chunks(raw: bytes, position: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a byte range into pieces of whole lines, so that a large table never exists twice in memory."""
    while position < end:
        last = raw.find(b"\n", min(position + _CHUNK_BYTES, end - 1), end)
        last = end if last < 0 else last + 1
        yield position, last
        position = last


def _tokens(source: _Source, line: bytes, position: int) -> list[bytes]:
    """Split one line; InputError if a quote is left open."""
    tokens = split_line(line)
    for token in filter(is_open_quote, tokens):
        raise source.error(position, f"the quote of {_show(token)} is never closed; close it or remove it")
    return tokens


def _row_error(source: _Source, span: tuple[int, int], n_labels: int) -> InputError:
    """Find the row that gemmi could not read and say what is wrong with it."""
    position, end = span
    while position < end:
        line, following = source.line(position)
        count = len(_tokens(source, line, position))
        if count and count != n_labels:
            return source.error(position, f"found {count} values, expected {n_labels} as there are labels; correct it")
        position = following
    return source.error(span[0], "the rows from here on cannot be read; look for unusual quotes or characters")


def _new_label(source: _Source, token: bytes, known: dict[str, TextArray] | dict[str, None], position: int) -> str:
    """Strip a label's underscore; InputError if the table has it already."""
    label = token[1:].decode()
    if label in known:
        raise source.error(position, f"found label {label} a second time in one table; remove one")
    if len(known) >= _MOST_LABELS:
        raise source.error(position, f"found more than {_MOST_LABELS} labels in one table, so this is no STAR file")
    return label


def _show(line: bytes) -> str:
    """Quote the beginning of a line for a message."""
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
