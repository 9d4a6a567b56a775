"""Tomograms: the geometry, optics and images of tilt series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.errors import InputError
from subtomo.model.optics import Microscope
from subtomo.model.rows import ONE_PER_ROW, row_numbers, take_rows

Float = NDArray[np.float64]


class TiltImageSequence(Protocol):
    """The images of one tilt series: an array (n_tilts, height, width), or something that reads them one by one.

    It may have a method ``reopened()`` that gives an equal sequence with no file open; extraction then uses that, and
    drops it with its tomogram. It may have a method ``read_ahead(tilt, first, end)``, which is told of rows that will
    be needed soon, and a method ``window(tilt, rows, columns)``, which copies what lies between two rows and columns.
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


@dataclass(frozen=True, eq=False)
class Deformation:
    """In-plane deformation of the images of a tilt series."""

    kind: str
    """``linear``, ``spline`` or ``Fourier``."""
    grid: tuple[int, int]
    coefficients: tuple[Float, ...] = field(metadata=ONE_PER_ROW)
    """One 1-D array per tilt."""

    def take(self, indices: ArrayLike) -> Deformation:
        """Take the deformation of some images, (m,) or a mask (n_tilts,)."""
        return take_rows(self, indices)


@dataclass(frozen=True, eq=False)
class Tilts:
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


@dataclass(frozen=True, eq=False)
class TiltSeries:
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


class _SomeImages:
    """Some images of a series, read from it when they are needed."""

    def __init__(self, images: TiltImageSequence, tilts: NDArray[np.intp]) -> None:
        self._images, self._tilts = images, tilts.tolist()
        self.shape = (len(self._tilts), *images.shape[1:])

    def __getitem__(self, tilt: int, /) -> NDArray[Any]:
        return self._images[self._tilts[tilt]]


@dataclass(frozen=True, eq=False)
class TomogramSet:
    """Tomograms by name, in the order of their file."""

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

    def __getitem__(self, key: str | int) -> TiltSeries:
        if isinstance(key, int):
            return self.tomograms[key]
        for tomogram in self.tomograms:
            if tomogram.name == key:
                return tomogram
        known = ", ".join(tomogram.name for tomogram in self.tomograms[:10])
        raise KeyError(f"no tomogram {key!r} in {self.source or 'this set'}; there are: {known}")
