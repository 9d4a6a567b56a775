"""Rows of a noun: fields that hold one value per particle, or per tilt, are declared so, and taken together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Noun = TypeVar("Noun")

ONE_PER_ROW: Mapping[str, bool] = MappingProxyType({"one_per_row": True})
"""Metadata of a field with one value per row: an array, a sequence, or a noun with a method ``take``; or None."""


def take_rows(noun: Noun, indices: ArrayLike, **changes: Any) -> Noun:
    """Take some rows of all fields that have one value per row; the other fields stay.

    Args:
        noun: A dataclass whose fields are declared with `ONE_PER_ROW`.
        indices: Rows (m,) counted from 0, in the order that is wanted; or a mask (n_rows,).
        changes: New values of fields, which are taken as they are.

    Raises:
        IndexError: There are no such rows.
        TypeError: Rows are no whole numbers.
    """
    declared = [field.name for field in fields(noun) if field.metadata.get("one_per_row")]  # type: ignore[arg-type]
    chosen = row_numbers(indices, len(getattr(noun, declared[0])))
    rows = {name: _taken(getattr(noun, name), chosen) for name in declared if name not in changes}
    return replace(noun, **rows, **changes)  # type: ignore[type-var]


def row_numbers(indices: ArrayLike, n_rows: int) -> NDArray[np.intp]:
    """Turn rows (m,) or a mask (n_rows,) into numbers of rows.

    Raises:
        IndexError: They are neither.
        TypeError: They are no whole numbers.
    """
    chosen = np.asarray(indices)
    is_mask = chosen.dtype == np.bool_
    if chosen.ndim != 1 or (is_mask and len(chosen) != n_rows):
        kind = "a mask" if is_mask else "rows"
        raise IndexError(
            f"{kind} of the shape {chosen.shape} for {n_rows} rows; give numbers (m,) or a mask ({n_rows},)"
        )
    if is_mask:
        return np.flatnonzero(chosen)
    return chosen.astype(np.intp, casting="same_kind" if chosen.size else "unsafe", copy=False)


def _taken(values: Any, rows: NDArray[np.intp]) -> Any:
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        return values[rows]
    if hasattr(values, "take"):
        return values.take(rows)
    return tuple(values[row] for row in rows.tolist())
