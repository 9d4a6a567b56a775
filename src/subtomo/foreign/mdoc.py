"""Dose, order and nominal tilts from SerialEM's .mdoc files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.extras import import_reader
from subtomo.foreign.series_names import match_name
from subtomo.foreign.text import read_text
from subtomo.model.foreign import Float

_MONTHS = ("%d-%b-%Y  %H:%M:%S", "%d-%b-%y  %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d-%b-%y %H:%M:%S")
_ENDING = ".mdoc"


@dataclass(frozen=True, eq=False)
class Mdoc:
    """What was noted when the images of a series were taken; one entry per section, in the order of the file."""

    path: str
    tilt_deg: Float
    """(n,)"""
    dose_e_per_a2: Float
    """(n,) of each image; 0 where nothing is noted."""
    order: Float
    """(n,) 0 for the image that was taken first."""
    pixel_size_angstrom: float | None
    image_names: tuple[str, ...] = ()
    """Files of the images' frames, one per section; empty unless all are named."""

    def accumulated(self, per_tilt_e_per_a2: float | None = None) -> Float | None:
        """Sum the dose before each image, (n,); None if no dose is known."""
        dose = self.dose_e_per_a2 if per_tilt_e_per_a2 is None else np.full(len(self.order), per_tilt_e_per_a2)
        if not dose.any():
            return None
        sequence = np.argsort(self.order, kind="stable")
        before = np.zeros(len(dose))
        before[sequence] = np.cumsum(dose[sequence]) - dose[sequence]
        return before


def find_mdoc(series_name: str, folders: tuple[str, ...]) -> Path | None:
    """Find the .mdoc file of a series by its name; None if there is none.

    Raises:
        InputError: Several may be meant.
    """
    for folder in folders:
        paths = {path.name.removesuffix(_ENDING): path for path in sorted(Path(folder).glob("*.mdoc"))}
        if paths:
            try:
                return paths[match_name(series_name, paths, "mdoc files").name]
            except InputError as error:
                if "may be" in str(error):
                    raise
    return None


def read_mdoc(path: Path) -> Mdoc:
    """Read an .mdoc file with one section per tilt image.

    Raises:
        InputError: It cannot be read, or lacks tilt angles.
    """
    reader = import_reader("mdocfile.data_models", "mdoc files").Mdoc
    text = read_text(path, "an mdoc file of SerialEM")
    logging.getLogger("mdocfile").setLevel(logging.ERROR)  # it warns of every field that it does not know
    try:
        document = reader.from_string(text)
    except Exception as error:  # the reader raises whatever its parsing stumbles on
        raise InputError(f"{path}: is no mdoc file that can be read ({_first_line(error)})") from None
    sections = list(document.section_data)
    if not sections:
        raise InputError(f"{path}: has no section, expected one [ZValue = 0] per tilt image")
    tilts = [section.TiltAngle for section in sections]
    missing = next((number for number, tilt in enumerate(tilts) if tilt is None), None)
    if missing is not None:
        raise InputError(f"{path}: section {missing} has no TiltAngle")
    pixel = document.global_data.PixelSpacing or sections[0].PixelSpacing
    return Mdoc(
        path=str(path),
        tilt_deg=np.array(tilts, np.float64),
        dose_e_per_a2=np.array([section.ExposureDose or 0.0 for section in sections], np.float64),
        order=_order(sections),
        pixel_size_angstrom=float(pixel) if pixel else None,
        image_names=_names(sections),
    )


def _names(sections: list[Any]) -> tuple[str, ...]:
    names = [str(section.SubFramePath or "") for section in sections]
    return tuple(PureWindowsPath(name).name for name in names) if all(names) else ()


def _order(sections: list[Any]) -> Float:
    """Number images by the time at which they were taken; without times, by their dose before, or as listed."""
    times = [_time(getattr(section, "DateTime", None)) for section in sections]
    if all(time is not None for time in times):
        keys: list[Any] = times
    elif all(section.PriorRecordDose is not None for section in sections):
        keys = [section.PriorRecordDose for section in sections]
    else:
        keys = list(range(len(sections)))
    sequence = sorted(range(len(sections)), key=keys.__getitem__)
    order = np.empty(len(sections))
    order[sequence] = np.arange(len(sections))
    return order


def _time(text: object) -> datetime | None:
    for pattern in _MONTHS:
        try:
            return datetime.strptime(str(text).strip(), pattern)
        except ValueError:
            continue
    return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
