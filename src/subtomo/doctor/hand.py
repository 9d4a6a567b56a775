"""Which hand do the data favour? Compares particles with the average of others, with CTFs of either hand.

The hand says on which side of the tilt axis defocus grows; only particles away from the tomogram's centre
feel it. How the two are compared, and how sure that is, stands in ``subtomo.doctor.likelihood``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from subtomo.doctor.likelihood import SWAPS, Sample, compare_hands
from subtomo.doctor.places import Placed
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.settings import CircleCrop, DataTerm, ExtractionSettings, Output, Weighting
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.tilt_series import TomogramSet
from subtomo.physics.ctf import wavelength_angstrom
from subtomo.physics.frequency import half_index, wrapped_index

Float = NDArray[np.float64]
Complex64 = NDArray[np.complex64]

LARGEST_CROP = 64
"""Larger boxes are binned to this, so that all particles stay in memory."""
FIELD_ANGSTROM = 250.0
"""Side of the volumes if no box is given."""
FEWEST = 16
"""Particles below which nothing is said."""
SURE_P = 0.003
"""Probability of chance up to which there is an answer; that is |z| of about 3."""
SMALL_PHASE_RAD = 0.3
"""If CTFs of the two hands differ by less at the resolution that is reached, they can hardly be told apart."""
_HANDS = (1.0, -1.0)


@dataclass(frozen=True)
class HandTest:
    """What the data say about the hand."""

    n: int
    """Particles that were compared."""
    z: float = 0.0
    """Mean difference against what chance makes of it; positive favours the hand of the file."""
    p: float = 1.0
    """Probability of a |z| as large if neither hand were better."""
    resolution_angstrom: float = math.inf
    """To which the averages agree."""
    phase_rad: float = 0.0
    """Root mean square of the difference between the hands' CTF phases at that resolution."""
    by_tomogram: tuple[tuple[str, float, int], ...] = ()
    """Name, z and particles of every tomogram with enough of them."""
    reason: str = ""
    """Why nothing can be said, if so."""

    @property
    def is_sure(self) -> bool:
        """Whether the data favour one hand beyond doubt."""
        return self.p <= SURE_P

    @property
    def favours_other(self) -> bool:
        """Whether that hand is not the one of the file."""
        return self.is_sure and self.z < 0


def hand_test(placed: Sequence[Placed], settings: ExtractionSettings | None, most: int, seed: int) -> HandTest:
    """Ask at most so many particles, those that the hand changes most.

    Raises:
        InputError: Images cannot be read.
    """
    usable = [one for one in placed if one.tomogram.images is not None and len(one.particles)]
    chosen = _choose(usable, most, seed)
    n = sum(len(which) for which in chosen)
    if n < FEWEST:
        return HandTest(n, reason=f"only {n} particles with images, {FEWEST} are needed")
    if not any(one.particles.angles_deg.any() or one.particles.subtomogram_angles_deg.any() for one in usable):
        return HandTest(n, reason="particles have no orientations yet; refine first")
    sample = _extract(usable, chosen, settings)
    if len(sample.owner) < FEWEST:
        return HandTest(len(sample.owner), reason=f"only {len(sample.owner)} particles lie in the images")
    differences = compare_hands(sample, seed)
    if differences.last_shell < 1:
        return HandTest(len(sample.owner), reason="the average of these particles shows no signal")
    resolution = sample.size * sample.pixel_size_angstrom / differences.last_shell
    z = differences.z()
    p = float(2.0 * student.sf(abs(z), SWAPS))
    phase = _phase(usable, chosen, resolution)
    doubt = ""
    if p > SURE_P:
        doubt = "the difference could be chance; more particles may tell"
        if phase < SMALL_PHASE_RAD:
            doubt = f"CTF phases of the hands differ by only {phase:.2f} rad at the {resolution:.0f} Å that is reached"
    owners = np.array(sample.owner)
    each = [(name, differences.z(owners == name), int((owners == name).sum())) for name in dict.fromkeys(owners)]
    by_tomogram = tuple((str(name), value, count) for name, value, count in each if count >= FEWEST)
    return HandTest(len(sample.owner), z, p, resolution, phase, by_tomogram, doubt)


def _choose(placed: Sequence[Placed], most: int, seed: int) -> list[NDArray[np.int64]]:
    """Take of every tomogram its share of particles, those first whose defocus the hand changes most."""
    random = np.random.default_rng(seed)
    share = math.ceil(most / max(1, len(placed)))
    chosen = []
    for one in placed:
        spread = np.where(one.plan.visible, one.plan.defocus_offset_angstrom, 0.0).std(axis=1)
        spread[~one.kept] = -1.0
        best = np.argsort(-spread, kind="stable")[: min(share, int(one.kept.sum()))]
        chosen.append(random.permutation(best))
    return chosen


def _test_settings(settings: ExtractionSettings | None, pixel_size_angstrom: float) -> ExtractionSettings:
    """Choose sizes for the test: those of the extraction, binned if they are large."""
    if settings is None:
        binning = max(1.0, FIELD_ANGSTROM / (LARGEST_CROP * pixel_size_angstrom))
        return ExtractionSettings(2 * LARGEST_CROP, LARGEST_CROP, binning, apply_orientations=True)
    more = max(1.0, settings.crop / LARGEST_CROP)
    crop = min(settings.crop, LARGEST_CROP)
    return replace(
        settings,
        box_size=max(crop, 2 * round(settings.box_size / more / 2)),
        crop_size=crop,
        binning=settings.binning * more,
        output=Output.PSEUDO_SUBTOMOGRAM,
        apply_ctf=True,
        apply_orientations=True,
        circle_crop=CircleCrop.SLICE,
        min_tilts=max(1, settings.min_tilts),
        cone=None,
        gridding_precorrection=False,
        weighting=Weighting.RELION,
        data_term=DataTerm.RELION,
    )


def _extract(
    placed: Sequence[Placed], chosen: Sequence[NDArray[np.int64]], settings: ExtractionSettings | None
) -> Sample:
    """Make all particles in their own frames, with CTFs of either hand."""
    pixel = placed[0].tomogram.pixel_size_angstrom
    asked = _test_settings(settings, pixel)
    c = asked.crop
    radius = np.sqrt(wrapped_index(c)[:, None, None] ** 2 + wrapped_index(c)[:, None] ** 2 + half_index(c) ** 2)
    inside = (radius < c / 2) & (radius > 0)
    count = np.broadcast_to(np.where(np.arange(c // 2 + 1) == 0, 1.0, 2.0), inside.shape)[inside]
    data, ctf2 = ([], []), ([], [])  # type: tuple[list[Complex64], ...], tuple[list[NDArray[np.float32]], ...]
    owner = list[str]()
    for one, which in zip(placed, chosen, strict=True):
        particles = one.particles.take(which)
        for hand, sign in enumerate(_HANDS):
            tomogram = replace(one.tomogram, hand=sign * one.tomogram.hand)
            for made in PseudoSubtomograms(TomogramSet((tomogram,)), particles, asked) if len(which) else ():
                assert isinstance(made, PseudoSubtomogram)
                data[hand].append(np.fft.rfftn(np.fft.ifftshift(made.data))[inside].astype(np.complex64))
                ctf2[hand].append(made.ctf2[inside])
                owner += [tomogram.name] if hand == 0 else []
    shell = np.floor(radius[inside] + 0.5).astype(np.int64)
    stacked = np.stack([np.stack(part) for part in data]), np.stack([np.stack(part) for part in ctf2])
    return Sample(*stacked, shell, count, owner, asked.binning * pixel, c)


def _phase(placed: Sequence[Placed], chosen: Sequence[NDArray[np.int64]], resolution_angstrom: float) -> float:
    """Give the root mean square of the phase between the hands: 2 π λ Δz / resolution²."""
    squares = [
        np.square(one.plan.defocus_offset_angstrom[which][one.plan.visible[which]]).ravel()
        for one, which in zip(placed, chosen, strict=True)
    ]
    spread = math.sqrt(float(np.concatenate(squares).mean()))
    wavelength = wavelength_angstrom(placed[0].tomogram.microscope.voltage_kv)
    return 2.0 * math.pi * wavelength * spread / resolution_angstrom**2
