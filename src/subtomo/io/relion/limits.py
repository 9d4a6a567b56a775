"""Refusing numbers that make no sense, by row and label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.model.table import Table

LARGEST_ANGLE_DEG = 1e6
"""Beyond this an angle has lost its fraction in single precision, and was never meant."""
LARGEST_DEFOCUS_ANGSTROM = 1e7
"""A millimetre."""
HALF_SETS = (0, 1, 2)
"""0 for none."""


def angles_deg(table: Table, label: str) -> NDArray[np.float64]:
    """Read angles (n,), degrees.

    Raises:
        InputError: One is no number, or far beyond all angles.
    """
    return _within(table, label, LARGEST_ANGLE_DEG, "an angle in degrees")


def defocus_angstrom(table: Table, label: str) -> NDArray[np.float64]:
    """Read defoci (n,), Å.

    Raises:
        InputError: One is no number, or more than a millimetre.
    """
    return _within(table, label, LARGEST_DEFOCUS_ANGSTROM, "a defocus in Å")


def half_sets(table: Table, label: str) -> NDArray[np.int64]:
    """Read half sets (n,): 1, 2, or 0 for none.

    Raises:
        InputError: One is something else.
    """
    halves = table.whole_numbers(label)
    wrong = np.flatnonzero(~np.isin(halves, HALF_SETS))
    if wrong.size:
        row = int(wrong[0])
        others = f" ({wrong.size} rows are like this)" if wrong.size > 1 else ""
        raise InputError(
            f"{table.source}: table data_{table.name}, row {row + 1}: {label} is {halves[row]}{others}, but half sets "
            "are 1 and 2 (0 for none); correct it"
        )
    return halves


def _within(table: Table, label: str, largest: float, kind: str) -> NDArray[np.float64]:
    values = table.floats(label)
    wrong = np.flatnonzero(np.abs(values) > largest)
    if wrong.size:
        row = int(wrong[0])
        others = f" ({wrong.size} rows are like this)" if wrong.size > 1 else ""
        raise InputError(
            f"{table.source}: table data_{table.name}, row {row + 1}: {label} is {values[row]:g}{others}, expected "
            f"{kind}, within ±{largest:g}; correct it"
        )
    return values
