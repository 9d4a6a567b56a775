"""Plain CSV files of picks: a header that names the columns (spec/importing.md, picks)."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from subtomo.errors import InputError
from subtomo.foreign.picks_source import PicksSource
from subtomo.foreign.text import finite, read_text
from subtomo.model.foreign_picks import Float, ForeignPicks, Unit
from subtomo.model.table import text_array
from subtomo.words import listed

_SUFFIXES = (".csv", ".tsv", ".txt", ".coords", ".xyz")
_NAMES = ("tomo_name", "tomoname", "tomogram", "tomo", "tilt_series", "series", "name", "micrograph", "run_name")
_SCORES = ("score", "cc", "ccc", "fom", "figure_of_merit", "confidence")
_ANGLES = (("rot", "tilt", "psi"), ("rlnanglerot", "rlnangletilt", "rlnanglepsi"))
_IN_ANGSTROM = re.compile(r"(_a|_ang|_angst|_angstrom|_å| ?\(å\)| ?\(a\)| ?\[å\])$")


class CsvPicks(PicksSource):
    """A table with a header, or rows of x, y and z."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the name."""
        return path.suffix.lower() in _SUFFIXES

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        rows = _rows(read_text(path, "a table of picks"))
        if not rows:
            raise InputError(f"{path}: holds no rows, expected a header with x, y and z, and one row per particle")
        plain = [_IN_ANGSTROM.sub("", word.strip().lower()) for word in rows[0]]
        if not set("xyz") <= set(plain):
            if not all(_is_number(word) for word in rows[0]):
                raise InputError(f"{path}: its header has {listed(rows[0])}, expected columns x, y and z among them")
            plain, rows = list("xyz"), [["x", "y", "z"], *rows]
        places = [plain.index(axis) for axis in "xyz"]
        header = [word.strip().lower() for word in rows[0]]
        unit: Unit = "angstrom" if all(_IN_ANGSTROM.search(header[place]) for place in places) else "voxels"
        width = len(plain)
        for number, row in enumerate(rows[1:], start=2):
            if len(row) != width:
                raise InputError(f"{path}, row {number}: has {len(row)} values, expected {width} as in the header")
        if len(rows) < 2:
            raise InputError(f"{path}: has a header, but no row below it")

        def numbers(column: int) -> Float:
            return np.array(
                [finite(row[column].strip(), f"{path}, row {n}") for n, row in enumerate(rows[1:], start=2)]
            )

        name = next((plain.index(word) for word in _NAMES if word in plain), None)
        score = next((plain.index(word) for word in _SCORES if word in plain), None)
        angles = next((names for names in _ANGLES if set(names) <= set(plain)), None)
        rotations = None
        if angles is not None:
            euler = np.stack([numbers(plain.index(word)) for word in angles], axis=1)
            rotations = Rotation.from_euler("ZYZ", euler, degrees=True).inv().as_matrix()
        return ForeignPicks(
            source=str(path),
            format_name="CSV table",
            series_names=text_array([row[name].strip() if name is not None else "" for row in rows[1:]]),
            positions=np.stack([numbers(place) for place in places], axis=1),
            unit=unit,
            rotations=rotations,
            score=None if score is None else numbers(score),
        )


def _rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and not any(sign in lines[0] for sign in ",;\t"):
        return [line.split() for line in lines]
    sign = next((sign for sign in ",;\t" if lines and sign in lines[0]), ",")
    return [row for row in csv.reader(lines, delimiter=sign) if any(cell.strip() for cell in row)]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
