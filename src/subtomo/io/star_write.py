"""Write STAR files byte for byte as RELION 5.0.1 lays them out (spec/conventions.md §1.2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write
from subtomo.io.star_numbers import NUMBER_WIDTH
from subtomo.model.table import Table

_VERSION = "# version 50001"
_TEXT_WIDTH = 10
_ROWS_AT_ONCE = 10_000
_PLAIN = re.compile(r"[^\x00-\x20\x7f\"'#][^\x00-\x20\x7f]*\Z").match
_INCONSPICUOUS = bytes(code for code in range(33, 256) if code != 127 and chr(code) not in "\"'#")
_WRITABLE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*\Z").match
_LABEL = re.compile(r"[^\x00-\x20\x7f]+\Z").match


@doing_to_file("writing")
def write_tables(path: str | Path, tables: Sequence[Table], *, number_labels: Collection[str] = ()) -> None:
    """Write tables to a STAR file, atomically; tables without rows are left out.

    Args:
        path: The file; its folder must exist.
        tables: The tables in file order.
        number_labels: Labels that RELION types as double, int or bool: their texts fill 12 characters instead of 10.

    Raises:
        InputError: The file cannot be written, or a text cannot be expressed in a STAR file.
    """
    try:
        with atomic_write(path, durable=True) as stream:
            for table in tables:
                if len(table):
                    stream.writelines(piece.encode() for piece in _table_pieces(table, number_labels))
    except OSError as error:
        raise InputError(f"{path}: cannot write this STAR file ({error.strerror}); check the disk") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: {error.object[:60]!r} is no valid Unicode text; correct it") from None


def is_writable(value: str) -> bool:
    """Tell whether a text can stand in a STAR file, if need be in quotes."""
    return bool(_PLAIN(value) or (_WRITABLE(value) and any(_fits(value, quote) for quote in "\"'")))


def _table_pieces(table: Table, number_labels: Collection[str]) -> Iterator[str]:
    """Give the text of one table in pieces."""
    if not _WRITABLE(table.name) or table.name != table.name.strip(" \t"):
        raise InputError(f"table name {table.name!r} cannot stand in a STAR file; remove line breaks and outer blanks")
    for label in table.labels:
        if not _LABEL(label):
            raise InputError(f"table data_{table.name}: label {label!r} cannot stand in a STAR file; remove the blanks")
    yield f"\n{_VERSION}\n\ndata_{table.name}\n\n"
    yield from _list_lines(table, number_labels) if table.is_list else _loop_lines(table, number_labels)
    yield " \n"


def _list_lines(table: Table, number_labels: Collection[str]) -> Iterator[str]:
    """Give one line per label: value columns aligned behind the longest label."""
    longest = max(10, *map(len, table.labels))
    for label in table.labels:
        value = _quoted(str(table.columns[label][0]), table, label)
        padded = value.rjust(NUMBER_WIDTH) if label in number_labels else value
        yield f"_{label}{' ':>{12 + longest - len(label)}}{padded}\n"


def _loop_lines(table: Table, number_labels: Collection[str]) -> Iterator[str]:
    """Give the label lines, then the rows."""
    yield "loop_ \n"
    yield from (f"_{label} #{number} \n" for number, label in enumerate(table.labels, start=1))
    widths = [NUMBER_WIDTH if label in number_labels else _TEXT_WIDTH for label in table.labels]
    row = "".join(f"%{width}s " for width in widths) + "\n"
    for start in range(0, len(table), _ROWS_AT_ONCE):
        texts = []
        for label, column in table.columns.items():
            values = column[start : start + _ROWS_AT_ONCE].tolist()
            if not _are_plain(values):
                values = [_quoted(value, table, label) for value in values]
            texts.append(values)
        if start == 0 and texts[0][0].startswith(("_", ";")):
            texts[0][0] = f'"{texts[0][0]}"'  # directly below the labels it would be taken for one, or for a comment
        yield "".join(map(row.__mod__, zip(*texts, strict=True)))


def _are_plain(values: list[str]) -> bool:
    """Tell quickly whether no value needs a closer look; False if one might."""
    try:
        conspicuous = "\n".join(values).encode().translate(None, _INCONSPICUOUS)
    except UnicodeEncodeError:
        return False
    # as many line breaks as there are between values: none of them is part of a value
    return all(values) and conspicuous == b"\n" * (len(values) - 1)


def _fits(value: str, quote: str) -> bool:
    return f"{quote} " not in value and f"{quote}\t" not in value


def _quoted(value: str, table: Table, label: str) -> str:
    """Wrap a value in quotes if it is empty, holds a blank, or would begin a quote or a comment."""
    if _PLAIN(value):
        return value
    if _WRITABLE(value):
        for quote in "\"'":  # a quote followed by a blank would end the text early
            if _fits(value, quote):
                return f"{quote}{value}{quote}"
    raise InputError(
        f"table data_{table.name}: {label} {value!r} cannot stand in a STAR file; remove line breaks or quotes"
    )
