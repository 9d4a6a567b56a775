"""IMOD models: the points of all contours as picks, and picks as scattered points (spec/importing.md, picks)."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write
from subtomo.io.picks_source import PicksSource
from subtomo.io.reading import read_bytes
from subtomo.model.foreign_picks import Float, ForeignPicks
from subtomo.model.table import text_array

_BEGINNING = b"IMODV1."
_PIXEL_CENTRE = np.array([0.5, 0.5, 0.0])
"""Coordinates of the middle of the first voxel: sections are counted by their middles, pixels by their edges."""


class ImodPoints(PicksSource):
    """A binary model of IMOD."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the first bytes."""
        return beginning.startswith(_BEGINNING)

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        import imodmodel

        if not read_bytes(path, "a model of IMOD").startswith(_BEGINNING):
            raise InputError(f"{path}: does not begin with {_BEGINNING.decode()}, expected a binary model of IMOD")
        try:
            table = imodmodel.read(path)
            points = table[["x", "y", "z"]].to_numpy(np.float64).reshape(-1, 3)
        except Exception as error:  # the reader raises whatever its parsing stumbles on
            what = " ".join(str(error).split())[:100] or type(error).__name__
            raise InputError(f"{path}: is cut short or damaged ({what}); copy it again") from None
        if not len(points) or not np.isfinite(points).all():
            raise InputError(f"{path}: has no points, or some that are no numbers; expected one point per particle")
        return ForeignPicks(
            source=str(path),
            format_name="IMOD model",
            series_names=text_array([""] * len(points)),
            positions=points - _PIXEL_CENTRE,
            unit="voxels",
        )


def write_points(path: Path, positions_voxels: Float) -> None:
    """Write picks (n, 3) of one tomogram as scattered points."""
    import imodmodel
    import pandas as pd

    points = positions_voxels + _PIXEL_CENTRE
    table = pd.DataFrame(points, columns=["x", "y", "z"])
    table["object_id"], table["contour_id"] = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "points.mod"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it calls methods that pydantic renamed
            imodmodel.write(table, made)
        content = made.read_bytes()
    with atomic_write(path) as stream:
        stream.write(content)
