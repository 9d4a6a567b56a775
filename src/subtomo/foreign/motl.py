"""Motivelists: STOPGAP's STAR files and the EM files of AV3 (spec/importing.md, picks)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.picks_source import PicksSource
from subtomo.io.atomic import atomic_write
from subtomo.io.reading import read_bytes
from subtomo.io.star import find_table, format_ints, read_tables, write_tables
from subtomo.model.foreign_picks import Float, ForeignPicks, Int, PickMarks, zxz_angles_deg, zxz_rotations
from subtomo.model.table import Table, TextArray, text_array

_TABLE = "stopgap_motivelist"
_NUMBERS = (
    "motl_idx", "tomo_num", "object", "subtomo_num", "halfset", "orig_x", "orig_y", "orig_z", "score", "x_shift",
    "y_shift", "z_shift", "phi", "psi", "the", "class",
)  # fmt: skip
_HEADER_BYTES, _LITTLE_ENDIAN = 512, 6
_FLOATS = {5: "f4", 9: "f8"}
_ROWS = 20
_HALVES = {"A": 1, "B": 2}


class StopgapStar(PicksSource):
    """A STAR file with a table ``stopgap_motivelist``."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the name of the table."""
        return f"data_{_TABLE}".encode() in beginning

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        table = find_table(read_tables(path), _TABLE)
        if table is None or not len(table):
            raise InputError(f"{path}: has no row in a table data_{_TABLE}")
        table.require("tomo_num", "orig_x", "orig_y", "orig_z", "phi", "psi", "the")
        positions = np.stack(
            [table.floats(f"orig_{axis}") + (table.floats(f"{axis}_shift") if f"{axis}_shift" in table else 0.0)
             for axis in "xyz"], axis=1,
        )  # fmt: skip
        halves = [_HALVES.get(half, 0) for half in table.text("halfset").tolist()] if "halfset" in table else []
        name = "tomo_name" if "tomo_name" in table else "tomo_num"
        return ForeignPicks(
            source=str(path),
            format_name="STOPGAP motivelist",
            series_names=table.text(name),
            positions=positions,
            unit="voxels",
            rotations=zxz_rotations(table.floats("phi"), table.floats("the"), table.floats("psi")),
            score=table.floats("score") if "score" in table else None,
            half_set=np.array(halves, np.int64) if any(halves) else None,
            class_number=table.ints("class") if "class" in table else None,
        )


class EmMotivelist(PicksSource):
    """An EM file of 20 rows per particle."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the name and the number of rows."""
        return path.suffix.lower() == ".em" and _dimensions(beginning)[0] == _ROWS

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        raw = read_bytes(path, "an EM motivelist")
        if len(raw) < _HEADER_BYTES:
            raise InputError(f"{path}: has {len(raw)} bytes, expected an EM file with a header of {_HEADER_BYTES}")
        n_rows, *others = _dimensions(raw)
        kind = _FLOATS.get(raw[3])
        n = max(others[0], 1) * max(others[1], 1)
        if n_rows != _ROWS or kind is None:
            raise InputError(f"{path}: has {n_rows} rows of type {raw[3]}, expected {_ROWS} rows of type 5 or 9")
        order = "<" if raw[0] == _LITTLE_ENDIAN else ">"
        expected = _HEADER_BYTES + n * _ROWS * np.dtype(kind).itemsize
        if len(raw) != expected:
            raise InputError(f"{path}: has {len(raw)} bytes, expected {expected} for {n} particles; copy it again")
        rows = np.frombuffer(raw, f"{order}{kind}", offset=_HEADER_BYTES).reshape(n, _ROWS).astype(np.float64)
        if not np.isfinite(rows).all():
            particle = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise InputError(f"{path}: particle {particle + 1} holds a value that is no number")
        return ForeignPicks(
            source=str(path),
            format_name="EM motivelist",
            series_names=text_array([str(int(number)) for number in rows[:, 4]]),
            positions=rows[:, 7:10] + rows[:, 10:13],
            unit="voxels",
            rotations=zxz_rotations(rows[:, 16], rows[:, 18], rows[:, 17]),
            score=rows[:, 0] if rows[:, 0].any() else None,
            class_number=rows[:, 19].astype(np.int64) if (rows[:, 19] > 0).all() else None,
        )


def write_stopgap(
    path: Path,
    tomogram_numbers: Int,
    positions_voxels: Float,
    rotations: Float | None,
    marks: PickMarks = PickMarks(),
) -> None:
    """Write picks as a motivelist of STOPGAP, which cryoCAT reads as well: whole voxels and shifts.

    Args:
        path: The file; its folder must exist.
        tomogram_numbers: (n,)
        positions_voxels: (n, 3)
        rotations: (n, 3, 3) from the particle's frame to the tomogram's; None for none.
        marks: Scores, half sets (A for 1, B for 2) and classes; without half sets every second particle is in B.
    """
    n = len(positions_voxels)
    whole = np.floor(positions_voxels + 0.5)
    angles = _angles(rotations, n)
    numbers = format_ints(np.arange(1, n + 1))
    columns: dict[str, TextArray] = dict.fromkeys(_NUMBERS, text_array(["1"] * n))
    columns |= {"motl_idx": numbers, "subtomo_num": numbers, "tomo_num": format_ints(tomogram_numbers)}
    halves = np.arange(n) % 2 + 1 if marks.half_set is None else marks.half_set
    columns["halfset"] = text_array(["B" if half == _HALVES["B"] else "A" for half in halves.tolist()])
    columns["score"] = text_array(["0"] * n) if marks.score is None else _exact(marks.score)
    if marks.class_number is not None:
        columns["class"] = format_ints(marks.class_number)
    for axis, name in enumerate("xyz"):
        columns[f"orig_{name}"] = format_ints(whole[:, axis].astype(np.int64))
        columns[f"{name}_shift"] = _exact(positions_voxels[:, axis] - whole[:, axis])
    columns |= {name: _exact(angles[:, axis]) for axis, name in enumerate(("phi", "the", "psi"))}
    write_tables(path, [Table(_TABLE, columns)])


def write_em(
    path: Path,
    tomogram_numbers: Int,
    positions_voxels: Float,
    rotations: Float | None,
    marks: PickMarks = PickMarks(),
) -> None:
    """Write picks as an EM motivelist in single precision, which holds no half sets; see `write_stopgap`."""
    n = len(positions_voxels)
    whole = np.floor(positions_voxels + 0.5)
    angles = _angles(rotations, n)
    rows = np.zeros((n, _ROWS), "<f4")
    rows[:, 3] = np.arange(1, n + 1)
    rows[:, 4] = tomogram_numbers
    rows[:, 7:10], rows[:, 10:13] = whole, positions_voxels - whole
    rows[:, 16], rows[:, 17], rows[:, 18] = angles[:, 0], angles[:, 2], angles[:, 1]
    rows[:, 0] = 0 if marks.score is None else marks.score
    rows[:, 19] = 1 if marks.class_number is None else marks.class_number
    header = np.zeros(_HEADER_BYTES, np.uint8)
    header[0], header[3] = _LITTLE_ENDIAN, 5
    header[4:16] = np.frombuffer(np.array([_ROWS, n, 1], "<i4").tobytes(), np.uint8)
    with atomic_write(path) as stream:
        stream.write(header.tobytes() + rows.tobytes())


def _angles(rotations: Float | None, n: int) -> Float:
    return np.zeros((n, 3)) if rotations is None else zxz_angles_deg(rotations)


def _exact(values: Float) -> TextArray:
    return text_array([repr(float(value)) for value in values])


def _dimensions(beginning: bytes) -> tuple[int, int, int]:
    """Read the sides of an EM file; zeros if there is none."""
    if len(beginning) < 16:
        return 0, 0, 0
    order = "<" if beginning[0] == _LITTLE_ENDIAN else ">"
    x, y, z = np.frombuffer(beginning, f"{order}i4", count=3, offset=4).tolist()
    return x, y, z
