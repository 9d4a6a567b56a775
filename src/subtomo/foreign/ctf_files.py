"""Defocus of every view from CTFFIND's or AreTomo's tables and IMOD's .defocus files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.series_names import match_name
from subtomo.foreign.text import finite, read_text
from subtomo.model.foreign import ForeignCtf, Int

_ENDINGS = ("_CTF.txt", "_ctf.txt", "_ctffind4.txt", ".defocus")
_ANGSTROM_PER_NM = 10.0
_ASTIGMATISM, _ASTIGMATISM_RADIANS, _PHASE, _PHASE_RADIANS, _INVERTED, _CUT_ON = 1, 2, 4, 8, 16, 32


def find_ctf_file(series_name: str, folders: tuple[str, ...]) -> Path | None:
    """Find the file with the defocus of a series by its name; None if there is none.

    Raises:
        InputError: Several may be meant.
    """
    for folder in folders:
        for ending in _ENDINGS:
            paths = {path.name.removesuffix(ending): path for path in sorted(Path(folder).glob(f"*{ending}"))}
            if paths:
                try:
                    return paths[match_name(series_name, paths, "defocus files").name]
                except InputError as error:
                    if "may be" in str(error):
                        raise
    return None


def read_ctf_file(path: Path, section: Int, n_sections: int) -> ForeignCtf:
    """Read the defocus of the kept views.

    Args:
        path: Of the file; its ending says its kind.
        section: (n_views,) of the kept views, counted from 0.
        n_sections: Of all views.

    Raises:
        InputError: It cannot be read, or its views are not those of the series.
    """
    return _imod(path, section) if path.suffix == ".defocus" else _ctffind(path, section, n_sections)


def _ctffind(path: Path, section: Int, n_sections: int) -> ForeignCtf:
    text = read_text(path, "a table of CTFFIND or AreTomo")
    comments = " ".join(line for line in text.splitlines() if line.startswith("#")).lower()
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if not 5 <= len(words) <= 12:
            raise InputError(f"{path}, line {number}: has {len(words)} values, expected 7 or 8 of a table of CTFFIND")
        rows.append([finite(word, f"{path}, line {number}") for word in words[:5]])
    table = np.array(rows).reshape(-1, 5)
    if len(table) == n_sections:
        table = table[section]
    elif len(table) != len(section):
        raise InputError(
            f"{path}: has {len(table)} rows, but the series has {n_sections} views, of which {len(section)} are kept; "
            "take the file of this series"
        )
    in_degrees = "phase shift [deg" in comments or "phase shift (deg" in comments
    phase = table[:, 4] if in_degrees else np.rad2deg(table[:, 4])
    return ForeignCtf(table[:, 1], table[:, 2], table[:, 3], phase)


def _imod(path: Path, section: Int) -> ForeignCtf:
    lines = [line.split() for line in read_text(path, "a defocus file of IMOD").splitlines() if line.split()]
    flags, version, rows = _imod_header(path, lines)
    n_values = 5 + 2 * bool(flags & _ASTIGMATISM) + bool(flags & _PHASE) + bool(flags & _CUT_ON)
    table = np.empty((len(rows), n_values))
    for row, words in enumerate(rows):
        if len(words) < n_values:
            raise InputError(f"{path}: row {row + 1} has {len(words)} values, expected {n_values} (version {version})")
        table[row] = [finite(word, f"{path}, row {row + 1}") for word in words[:n_values]]
    first, last = table[:, 0], table[:, 1]
    values = np.empty((len(section), n_values))
    for index, view in enumerate(section + 1):
        inside = np.flatnonzero((first <= view) & (view <= last))
        if not inside.size:
            raise InputError(f"{path}: has no row for view {view}, which is kept; fit it, or leave the view out")
        # ranges overlap; the fit of the one around the view is its own
        nearest = inside[np.argmin(np.abs((first + last)[inside] / 2.0 - view))]
        values[index] = table[nearest]
    u = values[:, 4] * _ANGSTROM_PER_NM
    v, angle, column = u, np.zeros(len(u)), 5
    if flags & _ASTIGMATISM:
        v, angle, column = values[:, 5] * _ANGSTROM_PER_NM, values[:, 6], 7
        angle = np.rad2deg(angle) if flags & _ASTIGMATISM_RADIANS else angle
    phase = values[:, column] if flags & _PHASE else np.zeros(len(u))
    return ForeignCtf(u, v, angle, np.rad2deg(phase) if flags & _PHASE_RADIANS else phase)


def _imod_header(path: Path, lines: list[list[str]]) -> tuple[int, int, list[list[str]]]:
    """Tell the flags, the version and the rows of the views."""
    version = lines[0][-1] if len(lines[0]) == 6 else ""
    if version == "2":
        return 0, 2, [lines[0][:5], *lines[1:]]
    if version == "3":
        flags = lines[0][0]
        known = _ASTIGMATISM | _ASTIGMATISM_RADIANS | _PHASE | _PHASE_RADIANS | _INVERTED | _CUT_ON
        if not flags.isdigit() or int(flags) & ~known:
            raise InputError(f"{path}: has flags {flags!r} in its first row, which this reader does not know")
        return int(flags), 3, lines[1:]
    raise InputError(
        f"{path}: its first row has {len(lines[0])} values and ends in {lines[0][-1]!r}, expected a defocus file of "
        "version 2 or 3; write it again with ctfplotter"
    )
