"""How far what was written is from the model it came from: a lattice of points seen through both, in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from subtomo.model.foreign import ForeignSeries, Frame, ModelPart
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.projection import project

Float = NDArray[np.float64]

LIMIT_PX = 0.1
"""Above this the parts of the model that were left out are named."""
_PER_SIDE = (7, 7, 3)
"""Points of the lattice along x, y and z."""
_FILLED = 0.9
"""Share of the tomogram's sides that the lattice spans."""


@dataclass(frozen=True)
class PartResidual:
    """What leaving out one part of a model does."""

    part: ModelPart
    greatest_px: float
    """By which the part moves a point of the lattice in any view."""


@dataclass(frozen=True, eq=False)
class Residual:
    """Differences between the source's model and the tilt series that was written, over a lattice, in pixels."""

    name: str
    """Of the tilt series."""
    section: NDArray[np.int64]
    """(n_views,) counted from 0."""
    greatest_px: Float
    """(n_views,) with rotations and shifts alone."""
    mean_px: Float
    with_motion_px: Float
    """(n_views,) greatest difference for particles that carry trajectories, as `motion_angstrom` makes them."""
    parts: tuple[PartResidual, ...]
    source_px: Float
    """(n_views, m, 2) where the source's model sees the lattice, pixels of the images."""
    written_px: Float
    """(n_views, m, 2) where the tilt series that was written sees it."""

    @property
    def worst_px(self) -> float:
        """The greatest difference of all views, with rotations and shifts alone."""
        return float(self.greatest_px.max())

    @property
    def worst_with_motion_px(self) -> float:
        """The greatest difference of all views for particles with trajectories."""
        return float(self.with_motion_px.max())

    @property
    def needs_motion(self) -> bool:
        """Whether particles need trajectories to be found where the source's model has them."""
        return self.worst_px > LIMIT_PX and any(one.part.is_carried for one in self.parts)

    def left_out(self) -> str:
        """Name what causes the difference: ``movement grids (3.2 px)``."""
        named = [f"{one.part.name} ({one.greatest_px:.2f} px)" for one in self.parts if one.greatest_px > 0]
        named += [f"{one.part.name} ({one.part.detail})" for one in self.parts if one.part.detail]
        return ", ".join(named) or "no part of the model, so rotations or shifts differ"


def lattice_angstrom(size_angstrom: Float) -> Float:
    """Spread points evenly over a tomogram, (m, 3) from its centre."""
    axes = [np.linspace(-0.5, 0.5, n) * _FILLED * side for n, side in zip(_PER_SIDE, size_angstrom, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def residual_of(series: ForeignSeries, written: TiltSeries, aligned_pixel_size_angstrom: float) -> Residual:
    """Compare a source's model with the tilt series that was written of it.

    Args:
        series: As its files have it.
        written: As it was read again.
        aligned_pixel_size_angstrom: Of the images that were aligned.
    """
    frame = frame_of(written, aligned_pixel_size_angstrom)
    points = lattice_angstrom(np.array(frame.volume_size_angstrom))
    source = _in_pixels(series.model.project(points, frame), written)
    seen = _seen(written, points[None])
    difference = np.linalg.norm(source - seen, axis=-1)
    motion = motion_angstrom(series, written, points, aligned_pixel_size_angstrom)
    moved = np.linalg.norm(source - _seen(written, points[None] + motion.transpose(1, 0, 2)), axis=-1)
    return Residual(
        name=written.name,
        section=series.section,
        greatest_px=difference.max(axis=1),
        mean_px=difference.mean(axis=1),
        with_motion_px=moved.max(axis=1),
        parts=tuple(_parts(series, written, points, frame)),
        source_px=source,
        written_px=seen,
    )


def motion_angstrom(
    series: ForeignSeries, written: TiltSeries, points_angstrom: Float, aligned_pixel_size_angstrom: float
) -> Float:
    """Compute the trajectories that bring particles to where the source's model sees them.

    Args:
        series: As its files have it.
        written: As it was read again.
        points_angstrom: (m, 3) from the tomogram's centre.
        aligned_pixel_size_angstrom: Of the images that were aligned.

    Returns:
        (m, n_tilts, 3) shifts in the tomogram's frame, Å; they lie in the plane of each image.
    """
    frame = frame_of(written, aligned_pixel_size_angstrom)
    source = _in_pixels(series.model.project(points_angstrom, frame), written)
    missing = (source - _seen(written, points_angstrom[None])) * written.pixel_size_angstrom
    in_plane = written.tilts.projection[:, :2, :3]
    motion: Float = np.einsum("tmi,tij->mtj", missing, in_plane)
    return motion


def frame_of(written: TiltSeries, aligned_pixel_size_angstrom: float) -> Frame:
    """Give the sizes that a source's formulas refer to."""
    width, height = (side * written.pixel_size_angstrom for side in written.image_size)
    x, y, z = (side * written.pixel_size_angstrom for side in written.size_px)
    return Frame(aligned_pixel_size_angstrom, (width, height), (x, y, z))


def greatest_in_all(residuals: list[Residual]) -> tuple[float, float]:
    """Give the greatest difference of several series, and the root mean square of their means."""
    worst = max((one.worst_px for one in residuals), default=0.0)
    means = [float(np.mean(one.mean_px)) for one in residuals]
    return worst, sqrt(sum(mean * mean for mean in means) / len(means)) if means else 0.0


def _in_pixels(places_angstrom: Float, written: TiltSeries) -> Float:
    centred: Float = places_angstrom / written.pixel_size_angstrom + np.array(written.image_size) / 2.0
    return centred


def _seen(written: TiltSeries, points_angstrom: Float) -> Float:
    """Project points (1 or n_tilts, m, 3), Å from the centre, to (n_tilts, m, 2) pixels."""
    places = points_angstrom / written.pixel_size_angstrom + written.centre_px
    seen = project(written.tilts.projection, places.transpose(1, 0, 2))
    return seen.transpose(1, 0, 2)[..., :2]


def _parts(series: ForeignSeries, written: TiltSeries, points: Float, frame: Frame) -> list[PartResidual]:
    whole = series.model.project(points, frame)
    found = []
    for part in series.model.parts:
        without = series.model.project(points, frame, frozenset({part.name}))
        moved = np.linalg.norm(whole - without, axis=-1).max() / written.pixel_size_angstrom
        found.append(PartResidual(part, float(moved)))
    return found
