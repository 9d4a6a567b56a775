"""Compare two STAR files label by label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.io.star import read_tables
from subtomo.model.table import Table, TextArray
from subtomo.physics.orientation import euler_to_matrix

Float = NDArray[np.float64]
Names = tuple[frozenset[str], frozenset[str]]
"""The files below our folder and below the reference's, relative to them."""

_PERIODIC = ("Rot", "Psi", "RotPrior", "PsiPrior", "DefocusAngle")
_TRIPLE = ("Rot", "Tilt", "Psi")
_LOCKED_DEG = 1e-3
"""So near to a tilt of 0 or 180 degrees, rounding decides how a turn is shared by rot and psi."""
_SEPARATORS = str.maketrans("[],", "   ")


def star_errors(ours: Path, theirs: Path, names: Names) -> tuple[dict[str, float], list[str]]:
    """Compare all tables of two STAR files.

    Numbers are compared by |ours - theirs| / max(1, |theirs|), rot and psi as angles, whole numbers and text exactly.
    Names of files are the same if they name the same file of either folder.

    Args:
        ours: The file to judge.
        theirs: The reference.
        names: The files of both folders.

    Returns:
        Table and label to the largest error, and what cannot be compared, in words.

    Raises:
        InputError: One is no STAR file.
    """
    our_tables, their_tables = read_tables(ours), read_tables(theirs)
    found, expected = ([table.name for table in tables] for tables in (our_tables, their_tables))
    if found != expected:
        return {}, [f"has tables {_listed(found)}, expected {_listed(expected)}"]
    errors: dict[str, float] = {}
    problems: list[str] = []
    for number, (a, b) in enumerate(zip(our_tables, their_tables, strict=True), 1):
        where = f"data_{b.name}" if len(set(expected)) == len(expected) else f"data_{b.name} ({number})"
        problems += [f"{where}: {problem}" for problem in _frame_problems(a, b)]
        if len(a) != len(b):
            continue
        for label in (label for label in b.labels if label in a):
            error = _column_error(label, a, b, names)
            if isinstance(error, str):
                problems.append(f"{where} {label}: {error}")
                errors[f"{where} {label}"] = np.inf
            else:
                errors[f"{where} {label}"] = error
    return errors, problems


def _frame_problems(ours: Table, theirs: Table) -> Iterator[str]:
    missing = [label for label in theirs.labels if label not in ours]
    extra = [label for label in ours.labels if label not in theirs]
    if missing:
        yield f"lacks {_listed(missing)}"
    if extra:
        yield f"has {_listed(extra)}, which the reference has not"
    if len(ours) != len(theirs):
        yield f"has {len(ours)} rows, expected {len(theirs)}"


def _column_error(label: str, ours: Table, theirs: Table, names: Names) -> float | str:
    """Give the largest error of a column, or what is wrong in words."""
    a, b = ours.text(label), theirs.text(label)
    rows = np.flatnonzero(a != b)
    if not rows.size:
        return 0.0
    numbers = _numbers(a[rows]), _numbers(b[rows])
    if numbers[0] is None or numbers[1] is None:
        return _text_error(a, b, rows, names)
    if _are_whole(a[rows]) and _are_whole(b[rows]) and (numbers[0] != numbers[1]).any():
        return _told(a, b, rows[numbers[0] != numbers[1]])
    gap = np.abs(numbers[0] - numbers[1])
    if label.endswith(_PERIODIC):
        gap = np.minimum(gap % 360.0, -gap % 360.0)
    error = gap / np.maximum(1.0, np.abs(numbers[1]))
    turn = _turn_error(label, ours, theirs, rows)
    if turn is not None:
        error = np.where(np.isnan(turn), error, turn)
    worst = float(error.max())
    return worst if np.isfinite(worst) else _told(a, b, rows[~np.isfinite(error)])


def _turn_error(label: str, ours: Table, theirs: Table, rows: NDArray[np.int64]) -> Float | None:
    """Give the difference of whole rotations (n,), degrees, where rot and psi are not told apart; NaN elsewhere."""
    suffix = next((suffix for suffix in ("Rot", "Psi") if label.endswith(suffix)), None)
    if suffix is None:
        return None
    labels = [label.removesuffix(suffix) + part for part in _TRIPLE]
    if not all(name in table for name in labels for table in (ours, theirs)):
        return None
    a, b = (np.stack([table.take(rows).floats(name) for name in labels], axis=1) for table in (ours, theirs))
    lock = np.abs(np.sin(np.deg2rad(np.stack([a[:, 1], b[:, 1]])))).max(axis=0) < np.deg2rad(_LOCKED_DEG)
    gap = np.rad2deg(np.abs(euler_to_matrix(a) - euler_to_matrix(b)).max(axis=(1, 2)))
    return np.where(lock, gap, np.nan)


def _text_error(a: TextArray, b: TextArray, rows: NDArray[np.int64], names: Names) -> float | str:
    """Compare text that differs: it may name the same file of both folders, or be vectors of numbers."""
    worst = 0.0
    for row in rows.tolist():
        ours, theirs = str(a[row]), str(b[row])
        if "/" in theirs and _within(ours, names[0]) == _within(theirs, names[1]) != "":
            continue
        vectors = _vector(ours), _vector(theirs)
        if vectors[0] is None or vectors[1] is None or len(vectors[0]) != len(vectors[1]):
            return _told(a, b, rows, first=row)
        worst = max(worst, float((np.abs(vectors[0] - vectors[1]) / np.maximum(1.0, np.abs(vectors[1]))).max()))
    return worst if np.isfinite(worst) else _told(a, b, rows)


def _within(path: str, names: frozenset[str]) -> str:
    """Give the name of a file relative to its output folder, "" if it does not seem to be in it."""
    section, at, file = path.rpartition("@")
    head, marker, tail = file.rpartition("Subtomograms/")
    if marker and (not head or head.endswith("/")):
        return f"{section}{at}{tail}"
    parts = file.split("/")
    inside = ("/".join(parts[first:]) for first in range(len(parts)))
    return next((f"{section}{at}{name}" for name in inside if name in names), "")


def _vector(text: str) -> Float | None:
    if not text.startswith("["):
        return None
    try:
        values = np.array([float(part) for part in text.translate(_SEPARATORS).split()])
    except ValueError:
        return None
    return values if values.size else None


def _numbers(tokens: TextArray) -> Float | None:
    try:
        return tokens.astype(np.float64)
    except ValueError:
        return None


def _are_whole(tokens: TextArray) -> bool:
    try:
        tokens.astype(np.int64)
    except (ValueError, OverflowError):
        return False
    return True


def _told(a: TextArray, b: TextArray, rows: NDArray[np.int64], *, first: int | None = None) -> str:
    row = int(rows[0]) if first is None else first
    count = f"{len(rows)} of {len(b)} rows differ: " if len(b) > 1 else ""
    return f"{count}row {row + 1} is {str(a[row])!r}, expected {str(b[row])!r}"


def _listed(names: list[str], most: int = 8) -> str:
    return (", ".join(names[:most]) or "none") + (f" and {len(names) - most} more" if len(names) > most else "")
