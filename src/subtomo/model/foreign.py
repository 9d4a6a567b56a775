"""What another program knows of a tilt series, in RELION's terms; and what these terms cannot hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.model.optics import Microscope

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RigidAlignment:
    """The alignment of the kept views as RELION 5 writes it."""

    x_tilt_deg: Float
    """(n_views,)"""
    y_tilt_deg: Float
    z_rot_deg: Float
    shift: Float
    """(n_views, 2) x and y, from the exact centre of the image to where the tomogram's centre is seen; Å, or pixels
    where the series says so."""

    @property
    def rotations(self) -> Float:
        """Matrices (n_views, 3, 3) Rz · Ry · Rx from the tomogram's axes to those of the images."""
        return rotation("z", self.z_rot_deg) @ rotation("y", self.y_tilt_deg) @ rotation("x", self.x_tilt_deg)


@dataclass(frozen=True)
class Frame:
    """Sizes that a program's own formulas may refer to."""

    pixel_size_angstrom: float
    """Of the images that were aligned."""
    image_size_angstrom: tuple[float, float]
    """Width and height of the tilt images."""
    volume_size_angstrom: tuple[float, float, float]
    """x, y, z of the tomogram."""


@dataclass(frozen=True)
class ModelPart:
    """A part of a program's model beyond rotations and shifts."""

    name: str
    """As users of the program know it."""
    is_carried: bool
    """Whether trajectories of particles can hold it; otherwise RELION's files cannot."""
    detail: str = ""
    """Its size, in its own units, where it moves no point."""


class SourceModel(ABC):
    """Where a program sees points of the tomogram in its tilt images, by its own formulas."""

    parts: tuple[ModelPart, ...]
    """What these formulas have beyond rotations and shifts."""

    @abstractmethod
    def project(self, points_angstrom: Float, frame: Frame, without: frozenset[str] = frozenset()) -> Float:
        """Project points into all kept views.

        Args:
            points_angstrom: (m, 3) x, y, z from the tomogram's centre, Å.
            frame: Sizes of images and tomogram.
            without: Names of parts of the model that are left out.

        Returns:
            (n_views, m, 2) x and y from the exact centre of the images, Å.
        """


@dataclass(frozen=True, eq=False)
class ForeignCtf:
    """Defocus of the kept views at the tomogram's centre."""

    defocus_u_angstrom: Float
    """(n_views,) positive is underfocus."""
    defocus_v_angstrom: Float
    astigmatism_deg: Float
    phase_shift_deg: Float


@dataclass(frozen=True, eq=False)
class ForeignSeries:
    """One tilt series of another program; arrays have one entry per view that is kept, in the order of its file."""

    name: str
    source: str
    """The file, for messages."""
    files: tuple[str, ...]
    """All files that were read."""
    section: Int
    """(n_views,) counted from 0 in the stack of all views."""
    n_sections: int
    """Of the stack of all views."""
    alignment: RigidAlignment
    model: SourceModel
    lengths_in_pixels: bool = False
    """Whether shifts, sizes and offsets of this series are pixels of the images that were aligned, and not Å."""
    nominal_tilt_deg: Float | None = None
    dose_e_per_a2: Float | None = None
    """(n_views,) before each image."""
    ctf: ForeignCtf | None = None
    image_names: tuple[str, ...] = ()
    """Files that the program made the views of, if it names them."""
    left_out: tuple[str, ...] = ()
    """Views that are not kept, and why."""
    microscope: Microscope | None = None
    original_pixel_size_angstrom: float | None = None
    """Of the unbinned images."""
    hand: float | None = None
    image_size_px: tuple[int, int] | None = None
    """Width and height, as the program's file has them."""
    volume_size: tuple[float | None, float | None, float | None] = (None, None, None)
    """x, y, z of the tomogram, Å or pixels."""
    tomogram_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the tomogram's centre in the alignment to that of the program's own reconstruction, Å or pixels."""
    notes: tuple[str, ...] = ()
    """What else should be known of this import."""

    def __len__(self) -> int:
        return len(self.section)

    def in_angstrom(self, pixel_size_angstrom: float) -> ForeignSeries:
        """Give the same series with all lengths in Å, whatever they are in.

        Args:
            pixel_size_angstrom: Of the images that were aligned.
        """
        if not self.lengths_in_pixels:
            return self
        x, y, z = (None if side is None else side * pixel_size_angstrom for side in self.volume_size)
        offset_x, offset_y, offset_z = (pixel_size_angstrom * offset for offset in self.tomogram_offset)
        return replace(
            self,
            lengths_in_pixels=False,
            alignment=replace(self.alignment, shift=self.alignment.shift * pixel_size_angstrom),
            volume_size=(x, y, z),
            tomogram_offset=(offset_x, offset_y, offset_z),
        )


def rotation(axis: str, angle_deg: Float) -> Float:
    """Rotate about an axis: (n, 3, 3) right-handed matrices of angles (n,), degrees."""
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    along = "xyz".index(axis)
    first, second = (along + 1) % 3, (along + 2) % 3
    matrix = np.zeros((len(cosine), 3, 3))
    matrix[:, along, along] = 1.0
    matrix[:, first, first] = matrix[:, second, second] = cosine
    matrix[:, second, first], matrix[:, first, second] = sine, -sine
    return matrix
