"""EMAN2: tilt series from the JSON files of its folder info (spec/importing.md, EMAN2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.json_values import json_number, json_object
from subtomo.foreign.tilt_series_source import SourceOptions, TiltSeriesSource, refuse_repeated, refuse_unknown_views
from subtomo.model.foreign import Float, ForeignCtf, ForeignSeries, Frame, Int, ModelPart, RigidAlignment, SourceModel
from subtomo.model.optics import Microscope

_ENDING = "_info.json"
_PARAMETERS = "tlt_params"
_TX, _TY, _ALPHA, _Y_TILT, _X_TILT = range(5)
_ANGSTROM_PER_MICROMETRE = 1e4
_USUAL_CONTRAST = 0.1
"""EMAN2 has it as a part of its phase."""


@dataclass(frozen=True, eq=False)
class Eman2Model(SourceModel):
    """EMAN2's transforms: rotations of the coordinates about x and y, then in the image, then shifts."""

    rows: Float
    """(n_views, 5) x and y shifts, unbinned pixels; alpha, tilts about y and about x, degrees."""
    parts: tuple[ModelPart, ...] = ()

    def project(self, points_angstrom: Float, frame: Frame, without: frozenset[str] = frozenset()) -> Float:
        """Project points (m, 3); Å from the centre of the images, (n_views, m, 2)."""
        alpha, y_tilt, x_tilt = np.deg2rad(self.rows[:, (_ALPHA, _Y_TILT, _X_TILT)]).T[..., None]
        x, y, z = points_angstrom.T
        y, z = np.cos(x_tilt) * y + np.sin(x_tilt) * z, np.cos(x_tilt) * z - np.sin(x_tilt) * y
        x = np.cos(y_tilt) * x - np.sin(y_tilt) * z
        seen: Float = np.stack([np.cos(alpha) * x + np.sin(alpha) * y, np.cos(alpha) * y - np.sin(alpha) * x], axis=-1)
        seen += self.rows[:, None, :2] * frame.pixel_size_angstrom
        return seen


class Eman2Info(TiltSeriesSource):
    """One info/…_info.json per tilt series."""

    program = "EMAN2"
    suffixes = (_ENDING,)
    expected = "an info file of EMAN2 (info/…_info.json)"

    def read(self, path: Path, options: SourceOptions) -> ForeignSeries:
        """Read one tilt series; see `TiltSeriesSource.read`."""
        content = json_object(path, self.expected)
        rows = _rows(content, path)
        n = len(rows)
        refuse_unknown_views(options.exclude_views, n, str(path))
        kept = np.array([view for view in range(n) if view + 1 not in options.exclude_views], np.int64)
        if not len(kept):
            raise InputError(f"{path}: no view is left to import")
        rows = rows[kept]
        refuse_repeated(rows[:, _Y_TILT], [int(view) + 1 for view in kept], str(path))
        # EMAN2's matrices rotate coordinates, RELION's the specimen
        alignment = RigidAlignment(
            x_tilt_deg=-rows[:, _X_TILT],
            y_tilt_deg=-rows[:, _Y_TILT],
            z_rot_deg=-rows[:, _ALPHA],
            shift=rows[:, :2],
        )
        pixel = content.get("apix_unbin")
        return ForeignSeries(
            name=path.name.removesuffix(_ENDING).partition("__")[0],
            source=str(path),
            files=(str(path),),
            section=kept,
            n_sections=n,
            alignment=alignment,
            model=Eman2Model(rows),
            lengths_in_pixels=True,
            ctf=_ctf(content, kept, n, path),
            left_out=tuple(f"view {view}: as asked" for view in sorted(options.exclude_views)),
            microscope=_microscope(content, path),
            original_pixel_size_angstrom=None if pixel is None else json_number(pixel, f"{path}: apix_unbin"),
            notes=tuple(_notes(content)),
        )


def _rows(content: dict[str, Any], path: Path) -> Float:
    """Read the parameters of all views, (n, 5)."""
    rows = content.get(_PARAMETERS)
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: has no {_PARAMETERS}, so the tilt series is not aligned; run e2tomogram first")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != 5:
            raise InputError(f"{path}: {_PARAMETERS}, view {number} is no list of 5 numbers; the file is damaged")
    table = np.array([[json_number(value, f"{path}: {_PARAMETERS}") for value in row] for row in rows])
    if not table[:, :3].any():
        raise InputError(f"{path}: shifts and rotations are zero in all views, so the tilt series is not aligned")
    return table


def _ctf(content: dict[str, Any], kept: Int, n: int, path: Path) -> ForeignCtf | None:
    """Read the defocus at the tomogram's centre; EMAN2 fits no astigmatism of tilt series."""
    values = content.get("defocus")
    if not isinstance(values, list) or not values:
        return None
    if len(values) != n:
        raise InputError(f"{path}: defocus has {len(values)} values, but {_PARAMETERS} {n} views; fit the CTF again")
    defocus = np.array([json_number(value, f"{path}: defocus") for value in values])[kept] * _ANGSTROM_PER_MICROMETRE
    return ForeignCtf(defocus, defocus, np.zeros(len(kept)), np.zeros(len(kept)))


def _microscope(content: dict[str, Any], path: Path) -> Microscope | None:
    if content.get("voltage") is None or content.get("cs") is None:
        return None
    voltage, aberration = (json_number(content[name], f"{path}: {name}") for name in ("voltage", "cs"))
    return Microscope(voltage, aberration, _USUAL_CONTRAST)


def _notes(content: dict[str, Any]) -> Iterator[str]:
    yield (
        "directions of EMAN2's axes are those of its manual, and were not compared with files of another program; once "
        "there are picks, subtomo doctor tells by the density there"
    )
    if content.get("phase"):
        yield (
            "EMAN2's phase stands for amplitude contrast and phase plate together and is not taken over; an amplitude "
            f"contrast of {_USUAL_CONTRAST:g} is taken unless another is given (amplitude_contrast)"
        )
