"""Where alignments of other programs come from: one class per format (`formats.TILT_SERIES`)."""

from __future__ import annotations

import glob
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.formats import TILT_SERIES
from subtomo.io.reading import similar_file
from subtomo.model.foreign import Float, ForeignSeries
from subtomo.words import listed

SAME_ANGLE_DEG = 1e-3
"""Views nearer than this are taken for one that stands there twice."""


@dataclass(frozen=True)
class SourceOptions:
    """What the files of a program may not say."""

    exclude_views: frozenset[int] = frozenset()
    """Counted from 1 in the stack of all views."""


class TiltSeriesSource(ABC):
    """Tilt-series alignments of one program."""

    program: ClassVar[str]
    """Its name, as its users write it."""
    suffixes: ClassVar[tuple[str, ...]]
    """How the names of its files end; the first file of a series decides about the series."""
    expected: ClassVar[str]
    """What its files are, for messages."""

    @abstractmethod
    def read(self, path: Path, options: SourceOptions) -> ForeignSeries:
        """Read one tilt series.

        Args:
            path: One of those that `find` gives.
            options: What the files do not say.

        Raises:
            InputError: A file is missing, damaged or inconsistent, or the series is not aligned.
        """

    def find(self, given: Iterable[str], problems: dict[str, str] | None = None) -> list[Path]:
        """List the series that files, folders and patterns name, each once, in the order given and sorted within.

        Args:
            given: Names.
            problems: Gets every name or folder that leads to nothing, and why; None to raise.

        Raises:
            InputError: A name leads to nothing.
        """
        found: dict[Path, None] = {}
        for name in (one for pattern in given for one in _matches(pattern)):
            try:
                paths = self._expanded(name)
                if problems is not None and os.path.isdir(name):
                    problems.update(self.unaligned(Path(name)))
            except InputError as error:
                if problems is None:
                    raise
                problems[name] = str(error)
                continue
            for path in paths:
                found.setdefault(path)
        return list(found)

    def unaligned(self, folder: Path) -> dict[str, str]:
        """Name the folders in a folder that hold a series without its alignment, and say how that is seen."""
        return {}

    def _expanded(self, name: str) -> list[Path]:
        if os.path.isdir(name):
            paths = self.in_folder(Path(name))
            if not paths:
                raise InputError(f"{name}: no file *{' or *'.join(self.suffixes)} in this folder, nor one level below")
            return paths
        if os.path.exists(name):
            return [Path(name)]
        raise InputError(f"{name}: no such file or folder{similar_file(name)}; expected {self.expected}")

    def in_folder(self, folder: Path) -> list[Path]:
        """List the series of a folder, or else of the folders in it."""
        for pattern in ("*", "*/*"):
            paths = sorted(
                path for path in folder.glob(pattern) if path.name.endswith(self.suffixes) and not path.is_dir()
            )
            if paths:
                return paths
        return []


def tilt_series_source(format_name: str) -> TiltSeriesSource:
    """Give the reader of a format.

    Raises:
        InputError: There is none of this name.
    """
    if format_name not in TILT_SERIES:
        raise InputError(f"format is {format_name!r}, expected one of {', '.join(TILT_SERIES)}", field="format_name")
    source: TiltSeriesSource = TILT_SERIES[format_name].make()
    return source


def _matches(name: str) -> list[str]:
    """Expand a pattern; a name that exists, or matches nothing, stays."""
    return [name] if os.path.lexists(name) else sorted(glob.glob(name)) or [name]


def refuse_unequal(counts: dict[str, int], where: str) -> None:
    """Raise InputError if lists with one entry per view differ in length."""
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} in {name}" for name, count in counts.items())
        raise InputError(f"{where}: numbers of views differ: {found}; files of different runs seem to be mixed")


def refuse_repeated(angles_deg: Float, views: Sequence[int], where: str) -> None:
    """Raise InputError if two kept views, numbered as in ``views``, have one tilt angle."""
    order = np.argsort(angles_deg, kind="stable")
    same = np.flatnonzero(np.diff(np.asarray(angles_deg)[order]) < SAME_ANGLE_DEG)
    if same.size:
        first, second = sorted((views[order[same[0]]], views[order[same[0] + 1]]))
        more = f" ({same.size} pairs are like this)" if same.size > 1 else ""
        raise InputError(
            f"{where}: views {first} and {second} both have a tilt angle of {angles_deg[order[same[0]]]:.2f}°{more}; "
            "leave the worse one out (exclude_views), or correct the angles",
            field="exclude_views",
        )


def refuse_unknown_views(views: frozenset[int], n_sections: int, where: str) -> None:
    """Raise InputError for views to be left out that do not exist."""
    unknown = sorted(view for view in views if not 1 <= view <= n_sections)
    if unknown:
        raise InputError(
            f"{where}: view {listed(unknown)} is to be left out, but views are 1 to {n_sections}; correct the list",
            field="exclude_views",
        )
