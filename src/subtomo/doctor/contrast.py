"""Is there density where the picks are? Compares images at picks with images beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from subtomo.doctor.places import Placed
from subtomo.doctor.readings import AS_IT_STANDS, Reading
from subtomo.errors import InputError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import CircleCrop, ExtractionSettings, Output
from subtomo.model.subtomogram import TiltStack
from subtomo.model.tilt_series import TiltSeries, TomogramSet

Float = NDArray[np.float64]

PIXEL_ANGSTROM = 12.0
"""Images are binned to about this."""
BOX_ANGSTROM = 400.0
SCALES_ANGSTROM = ((25.0, 40.0, 90.0), (50.0, 80.0, 130.0), (100.0, 130.0, 195.0))
"""Radius of the disc, and inner and outer radius of the ring around it."""
BESIDE_ANGSTROM = 300.0
"""How far beside a pick the images it is compared with are taken."""
TILTS = 21
"""The lowest tilts are read, where the sample is thinnest and the dose often least."""
FEWEST = 8
"""Picks that can be compared, below which nothing is said."""
LARGEST_Z = 30.0
_SMALLEST_SPREAD = 1e-12


@dataclass(frozen=True)
class Contrast:
    """How far the density at picks stands above that beside them."""

    z: float
    """Mean difference against its standard error; positive is density."""
    n: int
    """Picks that were compared."""


def contrast(placed: Sequence[Placed], most: int, seed: int, reading: Reading = AS_IT_STANDS) -> Contrast:
    """Measure the contrast of at most so many picks, spread over all tomograms, in a reading of the files."""
    share = math.ceil(most / max(1, len(placed)))
    differences = [_differences(one, share, seed, reading) for one in placed[:most]]
    pooled = np.concatenate([np.zeros((0, len(SCALES_ANGSTROM))), *differences])
    if len(pooled) < FEWEST:
        return Contrast(0.0, len(pooled))
    scores = [_score(column) for column in pooled.T]
    return Contrast(max(scores, key=abs), len(pooled))


def _score(differences: Float) -> float:
    """Give the mean against its standard error as a normal deviate; outliers, such as gold beads, are pulled in."""
    middle = np.median(differences)
    spread = 1.4826 * np.median(np.abs(differences - middle))
    kept = np.clip(differences, middle - 4 * spread, middle + 4 * spread) if spread > 0 else differences
    error = kept.std(ddof=1) / math.sqrt(len(kept))
    if not error > _SMALLEST_SPREAD * max(1.0, abs(float(middle))):
        return 0.0
    t = float(kept.mean() / error)
    # a few particles easily have a large t by chance: the normal deviate of the same probability tells how sure it is
    return math.copysign(min(LARGEST_Z, float(norm.isf(student.sf(abs(t), len(kept) - 1)))), t)


def _differences(one: Placed, most: int, seed: int, reading: Reading) -> Float:
    """Give (n, scales): density at picks less that beside them."""
    tomogram = low_tilts(reading.tomogram(one.tomogram))
    positions = reading.positions_px(one)
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(positions))[:most]
    step = BESIDE_ANGSTROM / tomogram.pixel_size_angstrom
    turn = random.uniform(0, np.pi / 2)
    beside = [step * np.array([np.cos(turn + k * np.pi / 2), np.sin(turn + k * np.pi / 2), 0.0]) for k in range(4)]
    places = np.concatenate([positions[chosen] + shift for shift in (np.zeros(3), *beside)])
    measured = _measure(tomogram, places).reshape(5, len(chosen), len(SCALES_ANGSTROM))
    usable = np.isfinite(measured[0, :, 0]) & np.isfinite(measured[1:, :, 0]).any(axis=0)
    if not usable.any():
        return np.zeros((0, len(SCALES_ANGSTROM)))
    result: Float = measured[0, usable] - np.nanmean(measured[1:, usable], axis=0)
    return result


def _measure(tomogram: TiltSeries, positions_px: Float) -> Float:
    """Give (n, scales): mean of a disc less that of the ring around it, NaN where a place is not in the images."""
    pixel = tomogram.pixel_size_angstrom
    binning = float(max(1, int(PIXEL_ANGSTROM / pixel)))
    box = 2 * math.ceil(BOX_ANGSTROM / (2 * pixel * binning))
    particles = ParticleSet.at(tomogram.name, positions_px, pixel_size_angstrom=pixel)
    settings = ExtractionSettings(box, binning=binning, output=Output.STACK_2D, circle_crop=CircleCrop.NONE)
    result = np.full((len(positions_px), len(SCALES_ANGSTROM)), np.nan)
    try:
        stacks = PseudoSubtomograms(TomogramSet((tomogram,)), particles, settings)
    except InputError:
        return result
    distance = np.hypot(*np.mgrid[-box // 2 : box // 2, -box // 2 : box // 2]) * pixel * binning
    for stack in stacks:
        assert isinstance(stack, TiltStack)
        image = stack.images.mean(axis=0)
        for scale, (disc, inner, outer) in enumerate(SCALES_ANGSTROM):
            ring = image[(distance > inner) & (distance < outer)]
            result[stack.particle, scale] = image[distance < disc].mean() - ring.mean()
    return result


def low_tilts(tomogram: TiltSeries, most: int = TILTS) -> TiltSeries:
    """Take the lowest tilts of a series."""
    order = np.argsort(-np.abs(tomogram.tilts.projection[:, 2, 2]), kind="stable")[:most]
    return tomogram.take_tilts(order)
