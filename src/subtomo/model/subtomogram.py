"""Results: the pseudo-subtomogram or the image stack of one particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.notebook import Shown, central_planes, central_sections, panels

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class PseudoSubtomogram(Shown):
    """The terms of one particle's alignment cost in 3-D Fourier space.

    Whitened particles hold ``data / √ctf2`` as data. Voxels whose CTF² is too small to be divided by (see
    `subtomo.conventions.WHITENING_FLOOR`) are zero in both.
    """

    name: str
    particle: int
    """Index into the particle set."""
    data: Float32
    """(c, c, c) real space, centre at ``c // 2``: sum of the CTF-weighted observations."""
    ctf2: Float32
    """(c, c, c // 2 + 1) half transform, origin at [0, 0, 0]: sum of CTF², dose weighting included."""
    multiplicity: Float32
    """(c, c, c // 2 + 1): how many slices touched each voxel."""
    pixel_size_angstrom: float
    visible: NDArray[np.bool_]
    """(n_tilts,) which tilts contributed."""
    orientation: NDArray[np.float64]
    """(3, 3) from the frame of the volume to the tomogram's."""
    is_whitened: bool = False
    """Whether data are divided by the root of CTF², so that their noise is white."""

    @property
    def weights(self) -> Float32:
        """(c, c, c // 2 + 1) what a reference is multiplied by to resemble the data: CTF², or its root if whitened."""
        return np.sqrt(self.ctf2) if self.is_whitened else self.ctf2

    def _facts(self) -> list[tuple[str, Any]]:
        return [
            ("", f"{self.name}, {len(self.data)}³ voxels of {self.pixel_size_angstrom:g} Å"),
            ("visible in", f"{self.visible.sum()} of {len(self.visible)} tilts"),
            ("noise", "white" if self.is_whitened else None),
        ]

    def _pictures(self) -> list[tuple[str, bytes]]:
        return [
            ("data: central sections x y, x z, y z", central_sections(self.data)),
            ("CTF²: planes x y, x z, y z through the origin", central_planes(self.ctf2)),
        ]


@dataclass(frozen=True, eq=False, repr=False)
class TiltStack(Shown):
    """The images of one particle in its visible tilts."""

    name: str
    particle: int
    """Index into the particle set."""
    images: Float32
    """(n_visible, c, c) in the order of the tilt table; the particle's centre is pixel ``c // 2``."""
    pixel_size_angstrom: float
    visible: NDArray[np.bool_]
    """(n_tilts,) which tilts the images belong to."""
    orientation: NDArray[np.float64]
    """(3, 3) from the frame of the subtomogram to the tomogram's."""

    def _facts(self) -> list[tuple[str, Any]]:
        n, side = self.images.shape[:2]
        return [
            ("", f"{self.name}, {n} images of {side} x {side} pixels of {self.pixel_size_angstrom:g} Å"),
            ("visible in", f"{self.visible.sum()} of {len(self.visible)} tilts"),
        ]

    def _pictures(self) -> list[tuple[str, bytes]]:
        n = len(self.images)
        shown = sorted({0, n // 2, n - 1}) if n else []
        numbers = ", ".join(str(number + 1) for number in shown)
        return [(f"images {numbers} of {n}", panels([self.images[number] for number in shown]))] if shown else []


Extracted = PseudoSubtomogram | TiltStack
