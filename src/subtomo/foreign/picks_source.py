"""Where picks of other programs come from: one class per format (`formats.PICKS`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from subtomo.errors import InputError
from subtomo.foreign.formats import PICKS, Reader
from subtomo.io.reading import open_file
from subtomo.model.foreign_picks import ForeignPicks

_BEGINNING = 4096


class PicksSource(ABC):
    """Picks of one format."""

    @abstractmethod
    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell whether a file is of this format, by its name and first bytes."""

    @abstractmethod
    def read(self, path: Path) -> ForeignPicks:
        """Read the picks.

        Raises:
            InputError: The file cannot be read, or a value makes no sense.
        """


def picks_source(path: Path, format_name: str | None = None) -> PicksSource:
    """Give the reader of a file.

    Args:
        path: Of the file.
        format_name: One of `formats.PICKS`; None to recognise it.

    Raises:
        InputError: The file cannot be opened, or is of no known format.
    """
    if format_name is not None:
        if format_name not in PICKS:
            raise InputError(f"format is {format_name!r}, expected one of {', '.join(PICKS)}", field="format_name")
        return _made(PICKS[format_name])
    with open_file(path, "picks of another program") as stream:
        beginning = stream.read(_BEGINNING)
    if not beginning:
        raise InputError(f"{path}: is empty, expected picks; copy or make it again")
    for reader in PICKS.values():
        source = _made(reader)
        if source.recognises(path, beginning):
            return source
    raise InputError(
        f"{path}: is none of the known formats of picks ({', '.join(PICKS)}); name it (format_name)",
        field="format_name",
    )


def _made(reader: Reader) -> PicksSource:
    source: PicksSource = reader.make()
    return source
