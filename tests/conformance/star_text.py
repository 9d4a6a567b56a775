"""A second, independent STAR reader and the comparison of two STAR files; it shares nothing with the program's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

NUMBER_TOLERANCE = 1e-5
ROTATION_TOLERANCE = 1e-6
# RELION prints every non-integer number with a point or an exponent; whole numbers and names must agree as text.
REAL_NUMBER = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?")
PERIODIC_LABEL = re.compile(r"_rln\w*(Rot|Psi)(Prior)?")
SUBTOMOGRAM_ANGLES = ("_rlnTomoSubtomogramRot", "_rlnTomoSubtomogramTilt", "_rlnTomoSubtomogramPsi")


@dataclass
class StarTable:
    """A table as text: a loop with any number of rows, or a list of pairs, which is one row."""

    name: str
    is_loop: bool = False
    labels: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def read_star(path: Path) -> list[StarTable]:
    """Read all tables of a STAR file whose values hold no blanks (RELION's dialect)."""
    tables: list[StarTable] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#", 1)[0].split() if line.lstrip().startswith(("_", "#")) else line.split()
        if not words:
            continue
        if words[0].startswith("data_"):
            tables.append(StarTable(words[0].removeprefix("data_")))
        elif words[0] == "loop_":
            tables[-1].is_loop = True
        elif words[0].startswith("_") and (not tables[-1].rows or not tables[-1].is_loop):
            tables[-1].labels.append(words[0])
            if not tables[-1].is_loop:
                tables[-1].rows = [[*(tables[-1].rows[0] if tables[-1].rows else []), *words[1:]]]
        else:
            tables[-1].rows.append(words)
    return tables


def star_differences(ours: Path, theirs: Path, undefined_angles: frozenset[int] = frozenset()) -> Iterator[str]:
    """Say in words where two STAR files differ by more than rounding.

    `undefined_angles` holds the rows of the table `particles` whose subtomogram angles are compared as a rotation.
    """
    our_tables, their_tables = read_star(ours), read_star(theirs)
    names, expected = [table.name for table in our_tables], [table.name for table in their_tables]
    if names != expected:
        yield f"{ours.name}: tables {names}, expected {expected}"
        return
    for our_table, their_table in zip(our_tables, their_tables, strict=True):
        rows = undefined_angles if our_table.name == "particles" else frozenset()
        for difference in _table_differences(our_table, their_table, rows):
            yield f"{ours.name}: table {their_table.name!r}: {difference}"


def _table_differences(ours: StarTable, theirs: StarTable, undefined_angles: frozenset[int]) -> Iterator[str]:
    if ours.is_loop != theirs.is_loop:
        yield f"loop {ours.is_loop}, expected {theirs.is_loop}"
    if ours.labels != theirs.labels:
        yield f"columns {ours.labels}, expected {theirs.labels}"
        return
    if len(ours.rows) != len(theirs.rows):
        yield f"{len(ours.rows)} rows, expected {len(theirs.rows)}"
        return
    for number, (our_row, their_row) in enumerate(zip(ours.rows, theirs.rows, strict=True)):
        if not len(our_row) == len(their_row) == len(theirs.labels):
            yield f"row {number + 1}: {len(our_row)} values for {len(theirs.labels)} columns"
            continue
        as_rotation = SUBTOMOGRAM_ANGLES if number in undefined_angles else ()
        for label, our_value, their_value in zip(theirs.labels, our_row, their_row, strict=True):
            if label not in as_rotation and not _same_value(label, our_value, their_value):
                yield f"row {number + 1}: {label} is {our_value}, expected {their_value}"
        if as_rotation and not _same_rotation(theirs.labels, our_row, their_row):
            yield f"row {number + 1}: the subtomogram angles are another rotation"


def _same_value(label: str, ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    if not (REAL_NUMBER.fullmatch(ours) and REAL_NUMBER.fullmatch(theirs)):
        return False
    difference = abs(float(ours) - float(theirs))
    if PERIODIC_LABEL.fullmatch(label):
        difference = min(difference % 360.0, -difference % 360.0)
    # One unit of the fifth decimal is within the tolerance, also after its rounding to binary.
    return difference <= NUMBER_TOLERANCE * (1 + 1e-6)


def _same_rotation(labels: list[str], ours: list[str], theirs: list[str]) -> bool:
    def matrix(row: list[str]) -> np.ndarray:
        rot, tilt, psi = (np.deg2rad(float(row[labels.index(label)])) for label in SUBTOMOGRAM_ANGLES)
        return _about_z(psi) @ _about_y(tilt) @ _about_z(rot)

    return bool(np.max(np.abs(matrix(ours) - matrix(theirs))) <= ROTATION_TOLERANCE)


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
