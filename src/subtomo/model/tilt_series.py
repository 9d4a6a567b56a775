"""Tomograms: the geometry, optics and images of tilt series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.errors import InputError
from subtomo.model.frames import Tabular
from subtomo.model.lookup import numbers_of
from subtomo.model.notebook import Shown
from subtomo.model.optics import Microscope
from subtomo.model.rows import ONE_PER_ROW, row_numbers, take_rows
from subtomo.words import listed

Float = NDArray[np.float64]


class TiltImageSequence(Protocol):
    """The images of one tilt series: an array (n_tilts, height, width), or something that reads them one by one.

    It may have a method ``reopened()`` that gives an equal sequence with no file open; extraction then uses that, and
    drops it with its tomogram. It may have a method ``read_ahead(tilt, first, end)``, which is told of rows that will
    be needed soon, a method ``give_back_pages()``, which is told that what was read is not needed any more, and a
    method ``window(tilt, rows, columns)``, which copies what lies between two rows and columns;
    with an attribute ``is_read_in_parts`` that is true, extraction asks for windows only, several at a time if
    ``is_remote`` is true as well.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of tilts, height, width."""

    def __getitem__(self, tilt: int, /) -> NDArray[Any]:
        """Give one image, (height, width)."""


class StoredVolume(Protocol):
    """A volume that is read when it is needed."""

    def read(self) -> NDArray[np.float32]:
        """Give the voxels, (z, y, x)."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The tomogram that was reconstructed from a tilt series."""

    volume: StoredVolume
    binning: float
    """Against the tilt images."""


@dataclass(frozen=True, eq=False, repr=False)
class Deformation(Shown):
    """In-plane deformation of the images of a tilt series."""

    kind: str
    """``linear``, ``spline`` or ``Fourier``."""
    grid: tuple[int, int]
    coefficients: tuple[Float, ...] = field(metadata=ONE_PER_ROW)
    """One 1-D array per tilt."""

    def take(self, indices: ArrayLike) -> Deformation:
        """Take the deformation of some images, (m,) or a mask (n_tilts,)."""
        return take_rows(self, indices)

    def _facts(self) -> list[tuple[str, Any]]:
        return [("", f"{self.kind}, grid {self.grid[0]} x {self.grid[1]}, {len(self.coefficients)} images")]


@dataclass(frozen=True, eq=False, repr=False)
class Tilts(Shown, Tabular):
    """What is known of every tilt image; row order is the order of the tilt table, not of angle or dose."""

    projection: Float = field(metadata=ONE_PER_ROW)
    """(n_tilts, 4, 4): decentred tomogram pixels to image x, y and depth z, pixels."""
    dose_e_per_a2: Float = field(metadata=ONE_PER_ROW)
    """(n_tilts,) accumulated before the image, e/Å²."""
    defocus_u_angstrom: Float = field(metadata=ONE_PER_ROW)
    """(n_tilts,) of the tomogram's centre; positive is underfocus."""
    defocus_v_angstrom: Float = field(metadata=ONE_PER_ROW)
    astigmatism_deg: Float = field(metadata=ONE_PER_ROW)
    phase_shift_deg: Float = field(metadata=ONE_PER_ROW)
    scale: Float = field(metadata=ONE_PER_ROW)
    """(n_tilts,) amplitude of the CTF."""
    b_factor_a2: Float = field(metadata=ONE_PER_ROW)
    nominal_tilt_deg: Float | None = field(default=None, metadata=ONE_PER_ROW)
    deformation: Deformation | None = field(default=None, metadata=ONE_PER_ROW)

    def __len__(self) -> int:
        return len(self.projection)

    def take(self, indices: ArrayLike) -> Tilts:
        """Take some tilts, in the order of the indices (m,), or by a mask (n_tilts,)."""
        return take_rows(self, indices)

    def columns(self) -> dict[str, Any]:
        """Give the columns of a data frame, a row per tilt."""
        names = [field.name for field in fields(self) if field.name not in ("projection", "deformation")]
        found = {name: getattr(self, name) for name in names}
        return {name: values.tolist() for name, values in found.items() if values is not None}

    def _facts(self) -> list[tuple[str, Any]]:
        if not len(self):
            return [("", "0 tilts")]
        angles, dose = self.nominal_tilt_deg, self.dose_e_per_a2
        focus = (self.defocus_u_angstrom + self.defocus_v_angstrom) / 2e4
        return [
            ("", f"{len(self)} tilts"),
            ("nominal tilt", None if angles is None else f"{angles.min():g}° to {angles.max():g}°"),
            ("dose before the last", f"{dose.max():g} e/Å²"),
            ("underfocus", f"{focus.min():.2f} to {focus.max():.2f} µm"),
            ("deformation", None if self.deformation is None else self.deformation.kind),
        ]


@dataclass(frozen=True, eq=False, repr=False)
class TiltSeries(Shown):
    """One tilt series with all that is needed to find particles in its images."""

    name: str
    microscope: Microscope
    pixel_size_angstrom: float
    """Of the unbinned tilt images."""
    image_size: tuple[int, int]
    """Width and height of the tilt images, pixels."""
    size_px: tuple[int, int, int]
    """x, y, z of the unbinned tomogram; -999 each if unknown."""
    tilts: Tilts
    images: TiltImageSequence | None = None
    hand: float = 1.0
    defocus_slope: float = 1.0
    dose_b_factor_a2: float = 0.0
    """B factor per dose, Å² per e/Å²; zero selects the critical-dose model."""
    optics_group_name: str = ""
    source: str = ""
    """File and table that the tilts come from, for messages."""
    reconstruction: Reconstruction | None = None
    tomogram_binning: float | None = None
    """Of a reconstructed tomogram against the tilt images, also if the set names no file of it."""
    tilt_series_name: str = ""
    """File of the whole series, if the set names one."""

    @property
    def n_tilts(self) -> int:
        """Number of tilt images."""
        return len(self.tilts)

    @property
    def centre_px(self) -> Float:
        """The exact centre, (3,) decentred pixels: 127.5 for a size of 255."""
        return np.array(self.size_px, dtype=np.float64) / 2.0

    def take_tilts(self, indices: ArrayLike) -> TiltSeries:
        """Take some tilts with their images, in the order of the indices (m,), or by a mask (n_tilts,)."""
        images = None if self.images is None else _SomeImages(self.images, row_numbers(indices, self.n_tilts))
        return replace(self, tilts=self.tilts.take(indices), images=images)

    def _facts(self) -> list[tuple[str, Any]]:
        (_, _), *tilts = self.tilts._facts()
        size = None if min(self.size_px) < 0 else " x ".join(map(str, self.size_px))
        width, height = self.image_size
        images = f"{width} x {height} pixels" + ("" if self.images is not None else " (images not opened)")
        return [
            (
                "",
                f"{self.name}, {self.n_tilts} tilts of {images} of {self.pixel_size_angstrom:g} Å",
            ),
            *tilts[:2],
            ("tomogram", None if size is None else f"{size} pixels"),
            ("from", self.source),
        ]


class _SomeImages:
    """Some images of a series, read from it when they are needed."""

    def __init__(self, images: TiltImageSequence, tilts: NDArray[np.intp]) -> None:
        self._images, self._tilts = images, tilts.tolist()
        self.shape = (len(self._tilts), *images.shape[1:])

    def __getitem__(self, tilt: int, /) -> NDArray[Any]:
        return self._images[self._tilts[tilt]]


@dataclass(frozen=True, eq=False, repr=False)
class TomogramSet(Shown, Tabular):
    """Tilt series by name, in the order of their file.

    ``tomograms["TS_1"]`` and ``tomograms[0]`` are tilt series; slices, lists and masks give sets of them.
    """

    tomograms: tuple[TiltSeries, ...]
    source: str = ""
    """The file they come from, for messages and for optimisation sets."""

    def __post_init__(self) -> None:
        names = [tomogram.name for tomogram in self.tomograms]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            first = names.index(twice)
            raise InputError(
                f"{self.source}: tomogram {twice!r} is listed twice, in rows {first + 1} and "
                f"{names.index(twice, first + 1) + 1}; every name must be unique, so rename or remove one"
            )

    def __len__(self) -> int:
        return len(self.tomograms)

    def __iter__(self) -> Iterator[TiltSeries]:
        return iter(self.tomograms)

    def __contains__(self, name: object) -> bool:
        return any(tomogram.name == name for tomogram in self.tomograms)

    @overload
    def __getitem__(self, key: str | int) -> TiltSeries: ...
    @overload
    def __getitem__(self, key: slice | Sequence[Any] | NDArray[Any]) -> TomogramSet: ...
    def __getitem__(self, key: Any) -> TiltSeries | TomogramSet:
        """Give one by name or number, or a set of those in a slice, a list of these, or a mask (n,).

        Raises:
            IndexError: There is no such number, or a mask has another length.
            KeyError: There is no such name.
        """
        found = numbers_of(key, self.names, len(self), f"tomogram of {self.source or 'this set'}")
        if isinstance(found, int):
            return self.tomograms[found]
        return replace(self, tomograms=tuple(self.tomograms[number] for number in found.tolist()))

    def names(self) -> list[str]:
        """List the names of the tilt series."""
        return [tomogram.name for tomogram in self.tomograms]

    def columns(self) -> dict[str, Any]:
        """Give the columns of a data frame, a row per tilt series."""
        return {
            "name": self.names(),
            "n_tilts": [one.n_tilts for one in self.tomograms],
            "pixel_size_angstrom": [one.pixel_size_angstrom for one in self.tomograms],
            "image_width_px": [one.image_size[0] for one in self.tomograms],
            "image_height_px": [one.image_size[1] for one in self.tomograms],
            "voltage_kv": [one.microscope.voltage_kv for one in self.tomograms],
            "hand": [one.hand for one in self.tomograms],
            "last_dose_e_per_a2": [float(one.tilts.dose_e_per_a2.max(initial=0.0)) for one in self.tomograms],
            "source": [one.source for one in self.tomograms],
        }

    def _facts(self) -> list[tuple[str, Any]]:
        tilts = sorted({one.n_tilts for one in self.tomograms})
        sizes = sorted({one.pixel_size_angstrom for one in self.tomograms})
        return [
            ("", f"{len(self)} tilt series ({listed(self.names(), 3)})"),
            ("tilts", f"{tilts[0]} to {tilts[-1]}" if len(tilts) > 1 else tilts[0] if tilts else None),
            ("pixel size", " and ".join(f"{size:g} Å" for size in sizes[:3])),
            ("from", self.source),
        ]
