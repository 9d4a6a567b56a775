"""Where picks of other programs come from: one class per format, and the registry that recognises them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path

from subtomo.errors import InputError
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


_SOURCES = {
    "dynamo": ("subtomo.foreign.dynamo", "DynamoTable"),
    "stopgap": ("subtomo.foreign.motl", "StopgapStar"),
    "em": ("subtomo.foreign.motl", "EmMotivelist"),
    "star": ("subtomo.foreign.star", "StarPicks"),
    "imod": ("subtomo.foreign.imod_model", "ImodPoints"),
    "copick": ("subtomo.foreign.copick", "CopickJson"),
    "portal": ("subtomo.foreign.portal", "PortalNdjson"),
    "csv": ("subtomo.foreign.picks_csv", "CsvPicks"),
}
"""Format to the module and class that read it, in the order in which they are asked: a new format is one file, and one
line here."""
FORMATS = tuple(_SOURCES)


def picks_source(path: Path, format_name: str | None = None) -> PicksSource:
    """Give the reader of a file.

    Args:
        path: Of the file.
        format_name: One of `FORMATS`; None to recognise it.

    Raises:
        InputError: The file cannot be opened, or is of no known format.
    """
    if format_name is not None:
        if format_name not in _SOURCES:
            raise InputError(f"format is {format_name!r}, expected one of {', '.join(_SOURCES)}", field="format_name")
        return _made(format_name)
    with open_file(path, "picks of another program") as stream:
        beginning = stream.read(_BEGINNING)
    if not beginning:
        raise InputError(f"{path}: is empty, expected picks; copy or make it again")
    for name in _SOURCES:
        source = _made(name)
        if source.recognises(path, beginning):
            return source
    raise InputError(
        f"{path}: is none of the known formats of picks ({', '.join(_SOURCES)}); name it (format_name)",
        field="format_name",
    )


def _made(name: str) -> PicksSource:
    module, class_name = _SOURCES[name]
    source: PicksSource = getattr(import_module(module), class_name)()
    return source
