"""Columns of a noun as a data frame of pandas or polars, where these are installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from subtomo.errors import SettingsError


def data_frame(library: str, columns: Mapping[str, Any]) -> Any:
    """Make a data frame.

    Args:
        library: ``pandas`` or ``polars``.
        columns: Name to values (n,), all of one length.

    Raises:
        SettingsError: The library is not installed.
    """
    try:
        made = import_module(library)
    except ImportError as error:
        raise SettingsError(f"{library} is not installed; pip install {library} adds it") from error
    # lists carry no memory that both would share, and text of any width
    return made.DataFrame(
        {name: values if isinstance(values, list) else list(values) for name, values in columns.items()}
    )


class Tabular:
    """A noun with a value per row in every column."""

    def columns(self) -> dict[str, Any]:
        """Give the columns (n,) of a data frame, under names with their units."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """Give a ``pandas.DataFrame`` of the columns; SettingsError if pandas is not installed."""
        return data_frame("pandas", self.columns())

    def to_polars(self) -> Any:
        """Give a ``polars.DataFrame`` of the columns; SettingsError if polars is not installed."""
        return data_frame("polars", self.columns())
