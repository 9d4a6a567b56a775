"""Dynamo: picks from and to .tbl files (spec/importing.md, picks)."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.extras import import_reader
from subtomo.foreign.picks_source import PicksSource
from subtomo.foreign.text import finite, read_text
from subtomo.model.foreign_picks import Float, ForeignPicks, Int, PickMarks, zxz_angles_deg, zxz_rotations
from subtomo.model.table import text_array

_COLUMNS = range(35, 43)
"""Numbers of columns that tables of its versions have."""
_MAP_ENDINGS = (".doc", ".vll")
_SCORE, _TOMOGRAM, _CLASS, _REFERENCE = 9, 19, 21, 33


class DynamoTable(PicksSource):
    """A .tbl file: rows of numbers, without names."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the name."""
        return path.suffix.lower() == ".tbl"

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        reader = import_reader("dynamotable", "tables of Dynamo")
        text = read_text(path, "a table of Dynamo")
        _check(text, path)
        table = reader.read(io.StringIO(text))

        def column(name: str) -> Float:
            values: Float = table[name].to_numpy(np.float64)
            return values

        numbers = column("tomo").astype(np.int64)
        names, notes = _names(path, numbers)
        # the table's angles rotate the tomogram to the particle, its inverse swaps them and their signs
        rotations = zxz_rotations(-column("narot"), -column("tilt"), -column("tdrot"))
        score, classes = column("cc"), column("class").astype(np.int64)
        return ForeignPicks(
            source=str(path),
            format_name="Dynamo table",
            series_names=text_array(names),
            positions=np.stack([column(axis) + column(f"d{axis}") for axis in "xyz"], axis=1),
            unit="voxels",
            rotations=rotations,
            score=score if score.any() else None,
            class_number=classes if (classes > 0).all() else None,
            notes=notes,
        )


def write_table(
    path: Path,
    tomogram_numbers: Int,
    positions_voxels: Float,
    rotations: Float | None,
    marks: PickMarks = PickMarks(),
) -> None:
    """Write picks as a table of 35 columns.

    Args:
        path: The file; its folder must exist.
        tomogram_numbers: (n,)
        positions_voxels: (n, 3)
        rotations: (n, 3, 3) from the particle's frame to the tomogram's; None for none.
        marks: Scores and classes; a table holds no half sets.
    """
    from subtomo.io.atomic import atomic_write

    n = len(positions_voxels)
    angles = np.zeros((n, 3)) if rotations is None else -zxz_angles_deg(rotations)[:, ::-1]
    rows = np.zeros((n, 35))
    rows[:, 0] = np.arange(1, n + 1)
    rows[:, 1] = 1
    rows[:, 6:9] = angles
    rows[:, _SCORE] = 0 if marks.score is None else marks.score
    rows[:, _CLASS] = 0 if marks.class_number is None else marks.class_number
    rows[:, 12] = 1
    rows[:, 13:15] = (-60, 60)
    rows[:, _TOMOGRAM] = tomogram_numbers
    rows[:, 23:26] = positions_voxels
    rows[:, 31] = 1
    rows[:, _REFERENCE] = 1
    with atomic_write(path) as stream:
        stream.writelines((" ".join(map(_shown, row)) + "\n").encode() for row in rows.tolist())


def _shown(value: float) -> str:
    """Write a number with all its digits, whole ones without a point."""
    return repr(int(value)) if value.is_integer() else repr(value)


def _check(text: str, path: Path) -> None:
    """Raise InputError for rows that are not those of a table: the reader names no row."""
    counts = set()
    needed = (*range(3, 9), _SCORE, _TOMOGRAM, _CLASS, 23, 24, 25)
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        counts.add(len(words))
        if len(words) not in _COLUMNS or len(counts) > 1:
            expected = f"{_COLUMNS[0]} to {_COLUMNS[-1]}, as many in every row"
            raise InputError(f"{path}, line {number}: has {len(words)} values, expected {expected}")
        for column in needed:
            finite(words[column], f"{path}, line {number}, column {column + 1}")


def _names(path: Path, numbers: Int) -> tuple[Sequence[str], tuple[str, ...]]:
    """Name the tomograms: by the map that stands beside the table, or else by their numbers."""
    for ending in _MAP_ENDINGS:
        beside = path.with_suffix(ending)
        if not beside.is_file():
            continue
        pairs = re.findall(r"^\s*(\d+)\s+(\S+)\s*$", read_text(beside, "a table map of Dynamo"), re.MULTILINE)
        by_number = {int(number): name for number, name in pairs}
        missing = sorted(set(numbers.tolist()) - set(by_number))
        if missing:
            raise InputError(f"{beside}: names no tomogram {missing[0]}, which {path} has; complete the map")
        return [by_number[number] for number in numbers.tolist()], (f"names of tomograms from {beside}",)
    return [str(number) for number in numbers.tolist()], ()
