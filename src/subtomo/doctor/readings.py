"""Other ways to read coordinates and images: what people write who take one unit, or one axis, for another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.doctor.places import Placed
from subtomo.io.relion import labels
from subtomo.model.tilt_series import TiltImageSequence, TiltSeries
from subtomo.physics.projection import project

Float = NDArray[np.float64]

BINNINGS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0)


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read what the files say."""

    name: str
    """What it takes the numbers or images for."""
    advice: str
    positions_px: Callable[[Placed], Float]
    """(n, 3) decentred pixels of the particles of a tomogram."""
    tomogram: Callable[[TiltSeries], TiltSeries] = lambda tomogram: tomogram
    concerns_images: bool = False
    is_known: bool = False
    """Whether its number stands in the files."""


AS_IT_STANDS = Reading("as it stands", "", lambda one: one.plan.positions_px)


def coordinate_readings(one: Placed) -> Iterator[Reading]:
    """List other readings of the coordinates, likely ones first; as many for every tomogram."""
    pixel = one.tomogram.pixel_size_angstrom
    if one.particles.centred:
        yield Reading("pixels from the centre", f"multiply by the pixel size, {pixel:g} Å", _scaled(pixel))
        yield Reading("pixels from the corner", f"put them into {labels.DECENTRED} instead", _from_corner(1.0))
        yield Reading("ångströms from the corner", "subtract half the tomogram's size", _from_corner(1.0 / pixel))
        yield Reading("ångströms divided by the pixel size twice", f"multiply by {pixel:g} squared", _scaled(pixel**2))
        yield Reading("ångströms multiplied by the pixel size twice", f"divide by {pixel:g}", _scaled(1.0 / pixel))
    else:
        yield Reading("ångströms from the corner", f"divide by the pixel size, {pixel:g} Å", _from_corner(1.0 / pixel))
        yield Reading(
            "ångströms from the centre",
            f"put them into {labels.CENTRED} instead",
            _from_centre(1.0 / pixel),
        )
        yield Reading("pixels from the centre", "add half the tomogram's size", _from_centre(1.0))
    scaled = _scaled if one.particles.centred else _from_corner
    for label, factor in known_binnings(one):
        yield Reading(
            f"coordinates of a tomogram binned by {factor:.6g} ({label}) (too small)",
            f"multiply by {factor:.6g}",
            scaled(factor),
            is_known=True,
        )
        yield Reading(
            f"coordinates with a binning of {factor:.6g} ({label}) applied once too often (too large)",
            f"divide by {factor:.6g}",
            scaled(1.0 / factor),
            is_known=True,
        )
    for factor in BINNINGS:
        yield Reading(
            f"coordinates with a binning of about {factor:g} applied once too often (too large)",
            f"divide by about {factor:g}, the binning of the tomogram they were picked in",
            scaled(1.0 / factor),
        )
        yield Reading(
            f"coordinates of a tomogram binned by about {factor:g} (too small)",
            f"multiply by about {factor:g}, the binning of the tomogram they were picked in",
            scaled(factor),
        )


def known_binnings(one: Placed) -> list[tuple[str, float]]:
    """List the binnings that the files name, with where they stand; 1 where one is missing, the same for all tomograms.

    Pickers work on binned tomograms, and what they were binned by is seldom whole.
    """
    groups = [one.particles.optics_groups[i] for i in np.unique(one.particles.optics_group).tolist()]

    def same(values: Iterable[float | None]) -> float:
        found = {value for value in values if value is not None}
        return found.pop() if len(found) == 1 else 1.0

    return [
        (labels.TOMOGRAM_BINNING, one.tomogram.tomogram_binning or 1.0),
        (f"{labels.IMAGE_PIXEL_SIZE} over {labels.PIXEL_SIZE}", same(group.image_binning for group in groups)),
        (labels.SUBTOMOGRAM_BINNING, same(group.subtomogram_binning for group in groups)),
    ]


def image_readings() -> tuple[Reading, ...]:
    """List other readings of the images: axes swapped, upside down, or mirrored."""
    advice = "write the images again with their axes in the order that the alignment saw"
    return (
        Reading("images whose x and y axes are swapped", advice, AS_IT_STANDS.positions_px, swapped, True),
        Reading("images that are upside down", advice, AS_IT_STANDS.positions_px, _upside_down, True),
        Reading("images that are mirrored left to right", advice, AS_IT_STANDS.positions_px, _mirrored, True),
    )


def swapped(tomogram: TiltSeries) -> TiltSeries:
    """Exchange the axes of the images, and keep the middle of the tomogram in the middle of the images."""
    width, height = tomogram.image_size
    projection = tomogram.tilts.projection.copy()
    middle = project(projection, tomogram.centre_px[None])[:, :2].mean(axis=0)
    seen_as = np.array([width, height]) / 2.0
    if np.linalg.norm(middle - seen_as) <= np.linalg.norm(middle - seen_as[::-1]):
        projection[:, :2, 3] += np.array([height // 2 - width // 2, width // 2 - height // 2])
    images = None if tomogram.images is None else _Changed(tomogram.images, np.transpose)
    tilts = replace(tomogram.tilts, projection=projection)
    return replace(tomogram, image_size=(height, width), tilts=tilts, images=images)


def _upside_down(tomogram: TiltSeries) -> TiltSeries:
    images = None if tomogram.images is None else _Changed(tomogram.images, np.flipud)
    return replace(tomogram, images=images)


def _mirrored(tomogram: TiltSeries) -> TiltSeries:
    images = None if tomogram.images is None else _Changed(tomogram.images, np.fliplr)
    return replace(tomogram, images=images)


class _Changed:
    """Images with their axes changed as they are read."""

    def __init__(self, images: TiltImageSequence, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self._images, self._change = images, change
        n, height, width = images.shape
        self.shape = (n, width, height) if change is np.transpose else (n, height, width)

    def __getitem__(self, tilt: int, /) -> NDArray[Any]:
        # a view: large images would take long to copy for every particle
        return self._change(self._images[tilt])


def _scaled(factor: float) -> Callable[[Placed], Float]:
    """Scale positions about the tomogram's centre."""

    def positions(one: Placed) -> Float:
        centre = one.tomogram.centre_px
        scaled: Float = (one.plan.positions_px - centre) * factor + centre
        return scaled

    return positions


def _raw(one: Placed) -> Float:
    """Give the numbers of the file."""
    return one.particles.coordinates


def _from_corner(factor: float) -> Callable[[Placed], Float]:
    return lambda one: _raw(one) * factor


def _from_centre(factor: float) -> Callable[[Placed], Float]:
    return lambda one: _raw(one) * factor + one.tomogram.centre_px
