"""The record of an import: where every tilt series came from, so that picks and checks find its source again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write
from subtomo.io.reading import read_bytes

RECORD_NAME = "import.json"
_VERSION = 1


@dataclass(frozen=True)
class ImportedFrom:
    """Where one tilt series came from."""

    name: str
    """Of the tomogram."""
    source: str
    """The alignment's file, as seen from the record's folder."""
    source_name: str
    """Of the series, as its program has it."""
    aligned_pixel_size_angstrom: float
    """Of the images that were aligned."""
    exclude_views: tuple[int, ...]
    """Left out besides those that the source leaves out, counted from 1."""
    tomogram_offset_angstrom: tuple[float, float, float]
    """From the centre of the written tomogram to that of the volume which the program reconstructed."""
    needs_motion: bool
    """Whether particles need trajectories."""


@dataclass(frozen=True)
class ImportRecord:
    """All tilt series of an import."""

    format_name: str
    series: tuple[ImportedFrom, ...]
    folder: str = ""
    """Of the record."""

    def source_of(self, series: ImportedFrom) -> Path:
        """Give the path of a series' alignment."""
        return Path(os.path.normpath(os.path.join(self.folder, series.source)))

    def of(self, name: str) -> ImportedFrom | None:
        """Find a tilt series by the name of its tomogram."""
        return next((one for one in self.series if one.name == name), None)


def write_import_record(
    folder: str, format_name: str, series: Sequence[ImportedFrom], failures: Mapping[str, str]
) -> None:
    """Write the record into a folder, which must exist.

    Args:
        folder: Where the tomogram set is.
        format_name: Of the alignments.
        series: Those that were imported.
        failures: Files that were not, and why.
    """
    content = {
        "version": _VERSION,
        "format": format_name,
        "series": [asdict(one) for one in series],
        "not_imported": dict(failures),
    }
    with atomic_write(os.path.join(folder, RECORD_NAME)) as stream:
        stream.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_import_record(folder: str) -> ImportRecord | None:
    """Read the record of a folder; None if it has none.

    Raises:
        InputError: The record is damaged.
    """
    path = os.path.join(folder, RECORD_NAME)
    if not os.path.exists(path):
        return None
    try:
        content = json.loads(read_bytes(path, "the record of an import"))
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']!r}")
        series = tuple(_read_one(entry) for entry in content["series"])
        return ImportRecord(str(content["format"]), series, folder)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: is no record of an import that can be read ({error}); import again") from None


def _read_one(entry: dict[str, Any]) -> ImportedFrom:
    x, y, z = (float(value) for value in entry["tomogram_offset_angstrom"])
    return ImportedFrom(
        name=str(entry["name"]),
        source=str(entry["source"]),
        source_name=str(entry["source_name"]),
        aligned_pixel_size_angstrom=float(entry["aligned_pixel_size_angstrom"]),
        exclude_views=tuple(int(view) for view in entry["exclude_views"]),
        tomogram_offset_angstrom=(x, y, z),
        needs_motion=bool(entry["needs_motion"]),
    )
