"""A STAR table as columns of text: what a file says, unchanged, with typed views on demand.

Columns are numpy ``StringDType`` arrays: they keep every token exactly (``001``, ``1e-3``), store short tokens in
16 bytes and let long paths cost only their own length, where fixed-width dtypes pad every row to the longest one.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.errors import InputError, InputWarning
from subtomo.model.notebook import Shown
from subtomo.words import listed, nearest

# Always of dtype StringDType; its type parameters differ between the numpy versions in use, hence Any.
TextArray = NDArray[Any]
TEXT = np.dtypes.StringDType()
_LABELS_SHOWN = 40
_VECTOR_SEPARATORS = str.maketrans("[],", "   ")
_MAX_EXACT = 2.0**53
_WHOLE_PART = re.compile(r"[-+]?\d*")
_LONGEST_NUMBER = 64
_NEARLY = 0.01
"""A number that is short of a whole one by less than this was probably meant to be it."""


def text_array(texts: Iterable[str] | TextArray) -> TextArray:
    """Turn texts (n,) into a text array of shape (n,)."""
    if isinstance(texts, np.ndarray):
        # Each text array has a dtype of its own, equal to TEXT yet not identical, so that astype would copy it.
        return texts if isinstance(texts.dtype, np.dtypes.StringDType) else texts.astype(TEXT)
    return np.asarray(list(texts), dtype=TEXT)


def _parse_float(token: str) -> float:
    """Read one number; Python's digit separators (``1_0``) and digits of other scripts are no numbers here."""
    if "_" in token or not token.isascii():
        raise ValueError(token)
    return float(token)


def _whole_part(token: str) -> int:
    """Read as far as a whole number goes, as C does."""
    match = _WHOLE_PART.match(token)
    digits = match[0] if match else ""
    return int(digits) if digits.strip("+-") else 0


def _is_plain(tokens: TextArray) -> bool:
    """Tell whether tokens hold nothing that Python takes for part of a number, but nobody else."""
    longest = int(np.strings.str_len(tokens).max(initial=1))
    if longest > _LONGEST_NUMBER:
        text = "\n".join(tokens.tolist())
        return "_" not in text and text.isascii()
    try:
        characters = tokens.astype(f"S{longest}")
    except UnicodeEncodeError:
        return False
    return not (characters.view(np.uint8) == ord("_")).any()


def _parse_vector(token: str) -> NDArray[np.float64]:
    """Read ``[a,b,c]`` as float64 of shape (3,); brackets and commas all separate."""
    return np.array([_parse_float(part) for part in token.translate(_VECTOR_SEPARATORS).split()], dtype=np.float64)


@dataclass(frozen=True, eq=False, repr=False)
class Table(Shown):
    """A named table of equally long text columns, in file order.

    Attributes:
        name: The text after ``data_``; may be empty.
        columns: Label (no leading underscore) to text array of shape (n_rows,).
        is_list: Whether the file shows it as ``_label value`` lines (one row) instead of a loop.
        source: The file it came from, for error messages.
    """

    name: str
    columns: Mapping[str, TextArray]
    is_list: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        """Freeze the columns and check their lengths."""
        columns = MappingProxyType({label: text_array(column) for label, column in self.columns.items()})
        object.__setattr__(self, "columns", columns)
        lengths = {label: column.shape for label, column in columns.items()}
        if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
            raise ValueError(f"columns of table {self.name!r} differ in shape: {lengths}")
        if self.is_list and columns and len(self) != 1:
            raise ValueError(f"list table {self.name!r} must have one row, not {len(self)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the columns as a plain dictionary."""
        return Table, (self.name, dict(self.columns), self.is_list, self.source)

    def _facts(self) -> list[tuple[str, Any]]:
        return [("", f"data_{self.name}, {len(self)} rows"), ("columns", listed(self.labels)), ("from", self.source)]

    def __len__(self) -> int:
        """Count the rows."""
        return next((column.size for column in self.columns.values()), 0)

    def __contains__(self, label: object) -> bool:
        """Tell whether the table has a column of this label."""
        return label in self.columns

    @property
    def labels(self) -> tuple[str, ...]:
        """List the labels in file order."""
        return tuple(self.columns)

    def require(self, *labels: str) -> None:
        """Raise InputError naming all of ``labels`` that are missing."""
        missing = [label for label in labels if label not in self.columns]
        if missing:
            found = listed(self.labels, _LABELS_SHOWN) or "none"
            meant = nearest(missing[0], (label for label in self.labels if label not in labels))
            raise InputError(
                f"{self._where()}: no column {', '.join(missing)} (found: {found}{meant}); add it to the table"
            )

    def text(self, label: str) -> TextArray:
        """Return the tokens (n_rows,) as they stand in the file; InputError if the column is missing."""
        self.require(label)
        return self.columns[label]

    def floats(self, label: str, *, allow_nonfinite: bool = False) -> NDArray[np.float64]:
        """Return a column as float64 (n_rows,); InputError if one is no number or, unless allowed, not finite."""
        tokens = self.text(label)
        values = self._cast(label, tokens)
        if not allow_nonfinite and not np.isfinite(values).all():
            raise self._error(label, int(np.flatnonzero(~np.isfinite(values))[0]), "a finite number")
        return values

    def ints(self, label: str) -> NDArray[np.int64]:
        """Return a column as int64 (n_rows,), taking ``3.000000`` for 3; InputError if one is no whole number."""
        tokens = self.text(label)
        if _is_plain(tokens):
            try:
                return tokens.astype(np.int64)
            except (ValueError, OverflowError):
                pass  # perhaps whole numbers written with decimals
        values = self._cast(label, tokens)
        whole = (np.abs(values) <= _MAX_EXACT) & (values == np.floor(values))
        if not whole.all():
            raise self._error(label, int(np.flatnonzero(~whole)[0]), "a whole number")
        return values.astype(np.int64)

    def whole_numbers(self, label: str, *, warns: bool = True) -> NDArray[np.int64]:
        """Return a column as RELION reads whole numbers, int64 (n_rows,): ``652.37`` is 652, with a warning.

        Args:
            label: The column.
            warns: Give the warning; False where the column was read before.

        Raises:
            InputError: One is no number, or its exponent would make RELION read another number than it means.
        """
        tokens = self.text(label).tolist()
        if not set(".eE").intersection(text := "".join(tokens)) and text.isascii():
            return self.ints(label)
        values = self._cast(label, self.text(label))
        for row, token in enumerate(tokens):
            if not abs(values[row]) <= _MAX_EXACT:
                raise self._error(label, row, "a whole number")
            if "e" in token.lower() and int(values[row]) != _whole_part(token):
                raise self._error(label, row, "a whole number without an exponent, which RELION would not see")
        if not (values % 1).any():
            return self.ints(label)
        if not warns:
            return values.astype(np.int64)
        broken = np.flatnonzero(values % 1)
        row = int(broken[0])
        value, taken, near = values[row], int(values[row]), round(values[row])
        meant = f"; {near} is probably meant" if near != taken and abs(value - near) < _NEARLY else ""
        others = f" ({len(broken)} rows are like this)" if len(broken) > 1 else ""
        warnings.warn(
            f"{self._where()}, row {row + 1}: {label} is {tokens[row]}, but must be a whole number; RELION reads "
            f"{taken}, which is taken here, too{others}{meant}; write whole numbers",
            InputWarning,
            stacklevel=2,
        )
        return values.astype(np.int64)

    def bools(self, label: str) -> NDArray[np.bool_]:
        """Return a column of 0 and 1 as bool (n_rows,); InputError for any other value."""
        values = self.ints(label)
        wrong = np.flatnonzero((values != 0) & (values != 1))
        if wrong.size:
            raise self._error(label, int(wrong[0]), "0 or 1")
        return np.equal(values, 1)

    def vectors(self, label: str) -> list[NDArray[np.float64]]:
        """Return one float64 vector of its own length per row, ``[]`` being empty; InputError for anything else."""
        tokens = self.text(label).tolist()
        try:
            vectors = [_parse_vector(token) for token in tokens]
        except ValueError:
            raise self._error(label, _first_refused(tokens, _parse_vector), "a vector like [1,2,3]") from None
        for row, vector in enumerate(vectors):
            if not all(map(math.isfinite, vector)):
                raise self._error(label, row, "a vector of finite numbers")
        return vectors

    def with_column(self, label: str, texts: Iterable[str] | TextArray) -> Table:
        """Return a table with texts (n_rows,) under ``label``: in its old place, or as the last column if new."""
        return replace(self, columns={**self.columns, label: text_array(texts)})

    def without(self, *labels: str) -> Table:
        """Return a table that lacks ``labels``; labels it never had are ignored."""
        return replace(self, columns={label: column for label, column in self.columns.items() if label not in labels})

    def take(self, indices: ArrayLike) -> Table:
        """Return a table of the rows ``indices``: integers (m,) counted from 0, or a bool mask (n_rows,)."""
        chosen = np.asarray(indices)
        chosen = chosen if chosen.size else chosen.astype(np.intp)
        if chosen.dtype != np.bool_ and np.array_equal(chosen, np.arange(len(self))):
            return self
        return replace(self, columns={label: column[chosen] for label, column in self.columns.items()})

    def renamed(self, name: str) -> Table:
        """Return the same table under another name."""
        return replace(self, name=name)

    def _cast(self, label: str, tokens: TextArray) -> NDArray[np.float64]:
        """Parse tokens as float64, naming the first one that is no number."""
        try:
            # NumPy, too, would take digits of other scripts, and digits with separators
            if not _is_plain(tokens):
                raise ValueError(label)
            return tokens.astype(np.float64)
        except ValueError:
            raise self._error(label, _first_refused(tokens.tolist(), _parse_float), "a number") from None

    def _where(self) -> str:
        return f"{self.source or 'table in memory'}: table data_{self.name}"

    def _error(self, label: str, row: int, expected: str) -> InputError:
        found = str(self.columns[label][row])
        return InputError(f"{self._where()}, row {row + 1}: {label} is {found!r}, expected {expected}; correct it")


def _first_refused(tokens: list[str], parse: Callable[[str], object]) -> int:
    """Find the index of the first token that ``parse`` refuses."""
    for index, token in enumerate(tokens):
        try:
            parse(token)
        except ValueError:
            return index
    return 0
