"""Checks on where particles are: inside the tomogram and the images, and in the units they should be in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import MISSING_TOMOGRAM_SIZE
from subtomo.doctor.contrast import Contrast, contrast, low_tilts
from subtomo.doctor.findings import Finding, error, info, listed, warning
from subtomo.doctor.places import Placed
from subtomo.doctor.readings import AS_IT_STANDS, Reading, coordinate_readings, image_readings, swapped
from subtomo.io.relion import labels
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.projection import project

Float = NDArray[np.float64]

MARGIN = 0.05
"""Particles may lie outside the tomogram by this fraction of its side."""
MANY = 0.1
"""Fraction of particles outside from which the units are in doubt."""
MANY_AT_LEAST = 3
FEW = 0.02
"""Fraction that another reading may leave outside."""
CENTRAL = 0.35
"""Particles that all lie within this fraction of the tomogram's sides seem to be scaled down."""
FILLED = 0.6
"""Fraction of the sides that another reading must fill."""
CLEARLY_MORE = 0.15
"""Fraction of particles that swapped images must show on top."""
DISTINCT_ANGSTROM, DISTINCT = 150.0, 0.5
"""Another reading must put this fraction of the picks into different cells of this side."""
SHARE_OF = 2000
"""Particles from which that fraction is counted, at most."""
ENOUGH = 20
"""Particles from which their distribution says something."""
IS_DENSITY, IS_STRONG, MARGIN_Z = 4.0, 5.0, 3.0
"""Contrast that confirms the files as they stand; that a reading needs against them; and its lead."""
PICKS, PICKS_PER_READING = 48, 32


@dataclass(frozen=True)
class Placement:
    """What was found out about places."""

    findings: tuple[Finding, ...]
    contrast: Contrast | None
    """None if no pixel was looked at."""


def check_coordinates(placed: Sequence[Placed], source: str, seed: int, *, read_images: bool) -> Placement:
    """Judge coordinates by geometry and, where images are there, by the density at the picks."""
    sized = [one for one in placed if MISSING_TOMOGRAM_SIZE not in one.tomogram.size_px and len(one.particles)]
    with_images = [one for one in placed if one.tomogram.images is not None] if read_images else []
    measured = contrast(with_images, PICKS, seed) if with_images else None
    found = list(_outside(sized, source))
    confirmed = measured is not None and measured.z >= IS_DENSITY
    suspicions = [] if confirmed else [*_small(sized), *_swapped_axes(placed)]
    better = None
    if measured is not None and not confirmed:
        better = _better_reading(with_images, measured, seed)
    if better is not None and measured is not None:
        reading, z = better
        found.append(
            error(
                "placement",
                source,
                f"there is no density at the picks (z = {measured.z:.1f}), but there is if the files are "
                f"read as {reading.name} (z = {z:.1f})",
                reading.advice,
            )
        )
    else:
        found += suspicions
    if measured is not None:
        found += _told(measured, source)
    return Placement(tuple(found), measured)


def _told(measured: Contrast, source: str) -> Iterator[Finding]:
    if measured.z <= -IS_STRONG:
        yield warning(
            "contrast",
            source,
            f"picks are brighter than what is beside them (z = {measured.z:.1f} over {measured.n} picks)",
            "images whose density is positive already need invert_contrast=False",
            field="invert_contrast",
        )
    elif measured.z >= IS_DENSITY:
        yield info("contrast", source, f"there is density at the picks (z = {measured.z:.1f} over {measured.n} picks)")
    elif measured.n:
        yield info(
            "contrast",
            source,
            f"density at the picks is not beyond doubt (z = {measured.z:.1f} over {measured.n} picks)",
            "look at subtomo report after extracting a few",
        )


def relative(one: Placed, reading: Reading = AS_IT_STANDS) -> Float:
    """Give (n, 3) places relative to the tomogram: -1 to 1 is inside."""
    result: Float = (reading.positions_px(one) - one.tomogram.centre_px) / np.maximum(one.tomogram.centre_px, 1.0)
    return result


def _pooled(placed: Iterable[Placed], reading: Reading = AS_IT_STANDS) -> Float:
    return np.concatenate([np.zeros((0, 3)), *(relative(one, reading) for one in placed)])


def _pooled_alike(placed: Iterable[Placed], index: int) -> Float:
    """Give the places of all tomograms, each in its own reading of this number."""
    return np.concatenate(
        [np.zeros((0, 3)), *(relative(one, next(islice(coordinate_readings(one), index, None))) for one in placed)]
    )


def _outside(placed: Sequence[Placed], source: str) -> Iterator[Finding]:
    """Find particles outside their tomogram, and units that would bring them in."""
    beyond = [np.any(np.abs(relative(one)) > 1 + 2 * MARGIN, axis=1) for one in placed]
    names = [str(name) for one, out in zip(placed, beyond, strict=True) for name in one.particles.names[out].tolist()]
    total = sum(len(one.particles) for one in placed)
    if not names:
        return
    what = f"{len(names)} of {total} particles lie outside their tomogram: {listed(names)}"
    are_many = len(names) > MANY * total and len(names) >= MANY_AT_LEAST
    reading = _first_that_fits(placed) if are_many else None
    if reading is not None:
        what = f"{what}; all would be inside if these were {reading.name}"
        yield error("coordinates", source, what, reading.advice)
    elif are_many:
        advice = (
            "check the units of coordinates and of the tomogram's size: Å from the centre in "
            f"{labels.CENTRED}, unbinned pixels from the corner in {labels.DECENTRED}"
        )
        yield error("coordinates", source, what, advice)
    else:
        yield warning("coordinates", source, what, "remove them, or correct their coordinates or the tomogram's size")


def _first_that_fits(placed: Sequence[Placed]) -> Reading | None:
    """Find the first other reading that puts all particles inside and lets them fill the tomogram."""
    for readings in zip(*(tuple(coordinate_readings(one)) for one in placed), strict=False):
        places = np.concatenate([relative(one, reading) for one, reading in zip(placed, readings, strict=True)])
        if _fits(places):
            first: Reading = readings[0]
            return first
    return None


def _fits(places: Float) -> bool:
    outside = (np.abs(places) > 1 + 2 * MARGIN).any(axis=1).mean()
    extent = np.ptp(np.quantile(places[:, :2], [0.02, 0.98], axis=0), axis=0) / 2.0
    return bool(outside <= FEW and extent.max() >= FILLED)


def _small(placed: Sequence[Placed]) -> Iterator[Finding]:
    """Suspect particles that fill but the middle or one corner of their tomograms."""
    places = _pooled(placed)
    if len(places) < ENOUGH:
        return
    first = placed[0]
    advice = "look at where particles are seen (subtomo report), and correct the units"
    middle = np.quantile(np.abs(places[:, :2]), 0.98, axis=0).max()
    pixel = first.tomogram.pixel_size_angstrom
    if first.particles.centred and middle < CENTRAL and pixel > 2 and _fits(places * pixel):
        yield warning(
            "coordinates",
            first.particles.source,
            f"all {len(places)} particles lie in the innermost {100 * middle:.0f} % of their tomograms in x "
            f"and y; they would fill them if these were pixels, not Å",
            advice,
        )
    from_corner = (places + 1.0) / 2.0
    if (from_corner < 0.5).all() and from_corner.min(axis=0).max() < 0.2 and len(placed) > 0:
        fitting = [
            reading
            for index, reading in enumerate(coordinate_readings(first))
            if "binned by" in reading.name and _fits(_pooled_alike(placed, index))
        ]
        if fitting:
            likely = next((reading for reading in fitting if reading.is_known), fitting[-1])
            yield warning(
                "coordinates",
                first.particles.source,
                f"all {len(places)} particles lie in one corner of their tomograms; they would fill them if "
                f"these were {likely.name}",
                likely.advice,
            )


def _swapped_axes(placed: Sequence[Placed]) -> Iterator[Finding]:
    """Suspect images that hold many more of the particles with width and height exchanged."""
    for one in placed:
        width, height = one.tomogram.image_size
        if width == height or len(one.particles) < 8:
            continue
        given, turned = (_seen(low_tilts(tomogram), one) for tomogram in (one.tomogram, swapped(one.tomogram)))
        if turned > given + CLEARLY_MORE and turned > 0.9:
            yield warning(
                "image size",
                f"tomogram {one.tomogram.name}",
                f"images of {width} x {height} pixels show {100 * given:.0f} % of the particles at low tilts, images "
                f"of {height} x {width} would show {100 * turned:.0f} %",
                "width and height seem to be swapped; write the images with their axes in the order that "
                "the alignment saw",
            )


def _seen(tomogram: TiltSeries, one: Placed) -> float:
    """Give the share of images that show a particle, over all tilts and as many particles as tell."""
    positions = one.plan.positions_px[:: math.ceil(len(one.particles) / SHARE_OF)]
    points = project(tomogram.tilts.projection, positions[:, None])[..., :2]
    return float(((points > 0) & (points < np.array(tomogram.image_size))).all(axis=-1).mean())


def _better_reading(placed: Sequence[Placed], measured: Contrast, seed: int) -> tuple[Reading, float] | None:
    """Look for a reading that puts the picks on density, far beyond chance and far beyond the files as they stand."""
    best: tuple[Reading, float] | None = None
    for reading in (*image_readings(), *coordinate_readings(placed[0])):
        if best is not None and best[0].is_known and not reading.is_known:
            continue  # a number that stands in the files is no guess
        if not reading.concerns_images and not _plausible(placed, reading):
            continue
        z = contrast(placed, PICKS_PER_READING, seed, reading).z
        if z >= IS_STRONG and z >= measured.z + MARGIN_Z and (best is None or z > best[1]):
            best = reading, z
    return best


def _plausible(placed: Sequence[Placed], reading: Reading) -> bool:
    """Tell whether a reading leaves most particles inside, and does not put them all into one place."""
    inside = (np.abs(_pooled(placed, reading)) <= 1 + 2 * MARGIN).all(axis=1).mean() > 0.8
    share = max(1, PICKS_PER_READING // len(placed))
    cells = total = 0
    for one in placed[:PICKS_PER_READING]:
        places = reading.positions_px(one)
        some = places[np.linspace(0, len(places) - 1, min(share, len(places))).astype(int)]
        side = DISTINCT_ANGSTROM / one.tomogram.pixel_size_angstrom
        cells, total = cells + len(np.unique(np.floor(some / side), axis=0)), total + len(some)
    return bool(inside and cells >= DISTINCT * total)
