"""IMOD models: the points of all contours as picks, and picks as scattered points (spec/importing.md, picks)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.picks_source import PicksSource
from subtomo.io.atomic import atomic_write
from subtomo.io.reading import read_bytes
from subtomo.model.foreign_picks import Float, ForeignPicks
from subtomo.model.table import text_array

_BEGINNING, _VERSION, _END = b"IMOD", b"V1.2", b"IEOF"
_MODEL = ">128s 4i I 4i 6f 5i f 2i 3f"
"""Name, sides, number of objects, flags, display, offsets and scales, selection, pixel size, unit, view."""
_OBJECT = ">64s 16I i I 2i 3f i 8B 2i"
_CONTOUR = ">i I 2i"
_MESH = ">2i I 2h"
_SCATTERED, _SPHERE_PX = 1 << 9, 3
_PIXEL_CENTRE = np.array([0.5, 0.5, 0.0])
"""Coordinates of the middle of the first voxel: sections are counted by their middles, pixels by their edges."""


class ImodPoints(PicksSource):
    """A binary model of IMOD."""

    def recognises(self, path: Path, beginning: bytes) -> bool:
        """Tell by the first bytes."""
        return beginning.startswith(_BEGINNING + _VERSION[:2])

    def read(self, path: Path) -> ForeignPicks:
        """Read the picks; see `PicksSource.read`."""
        raw = read_bytes(path, "a model of IMOD")
        if not raw.startswith(_BEGINNING + _VERSION):
            raise InputError(f"{path}: does not begin with IMODV1.2, expected a binary model of IMOD")
        try:
            contours = list(_contours(raw))
        except (struct.error, ValueError) as error:
            raise InputError(f"{path}: is cut short or damaged ({error}); copy it again") from None
        points = np.concatenate([np.zeros((0, 3)), *contours])
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
    """Write picks (n, 3) of one tomogram as scattered points of one object, in single precision."""
    points = (positions_voxels + _PIXEL_CENTRE).astype(">f4")
    sides = (int(side) + 1 for side in points.max(axis=0, initial=0.0))
    display, selected, resolution, unit = (1, 0, 0, 255), (0, 0, 0), (3, 128), (0, 0)
    offsets, scales, angles = (0.0,) * 3, (1.0,) * 3, (0.0,) * 3
    model = struct.pack(
        _MODEL, b"picks", *sides, 1, 0, *display, *offsets, *scales, *selected, *resolution, 1.0, *unit, *angles
    )
    view = (1, _SPHERE_PX, 1, 1, 0, 0, 0, 0)
    colour, contours = (0.0, 1.0, 0.0), 1
    object_ = struct.pack(_OBJECT, b"", *[0] * 16, contours, _SCATTERED, 0, 1, *colour, _SPHERE_PX, *view, 0, 0)
    contour = struct.pack(_CONTOUR, len(points), 0, 0, 0)
    with atomic_write(path) as stream:
        stream.write(_BEGINNING + _VERSION + model + b"OBJT" + object_ + b"CONT" + contour + points.tobytes() + _END)


def _contours(raw: bytes) -> Iterator[Float]:
    """Give the points (n, 3) of each contour.

    Raises:
        ValueError: A chunk is longer than the file, or there is no end.
    """
    position = 8 + struct.calcsize(_MODEL)
    while (kind := raw[position : position + 4]) != _END:
        position += 4
        if kind == b"OBJT":
            position += struct.calcsize(_OBJECT)
        elif kind == b"CONT":
            n, *_ = struct.unpack_from(_CONTOUR, raw, position)
            position += struct.calcsize(_CONTOUR)
            end = _after(raw, position, 12, n)
            yield np.frombuffer(raw, ">f4", count=3 * n, offset=position).reshape(n, 3).astype(np.float64)
            position = end
        elif kind == b"MESH":
            n_vertices, n_indices, *_ = struct.unpack_from(_MESH, raw, position)
            position = _after(raw, position + struct.calcsize(_MESH), 12, n_vertices)
            position = _after(raw, position, 4, n_indices)
        else:
            (size,) = struct.unpack_from(">i", raw, position)
            position = _after(raw, position + 4, 1, size)


def _after(raw: bytes, position: int, size: int, count: int) -> int:
    """Give the place after some entries; ValueError if that is beyond the file."""
    end = position + size * count
    if count < 0 or end > len(raw):
        raise ValueError(f"{count} entries at byte {position} reach beyond its {len(raw)} bytes")
    return end
