"""Which hand do the data favour? Compares particles with the average of others, with CTFs of either hand.

The hand (rlnTomoHand) says on which side of the tilt axis defocus grows; only particles away from the tomogram's centre
feel it. Each hand gets its own half averages, and every particle is compared with the average of the half it does not
belong to. Up to what both hands share, the logarithm of its likelihood is

    L = Σ_k (Re data*(k) R(k) - CTF²(k) |R(k)|² / 2) / σ²(k),

where R is that average times its Fourier shell correlation (the Wiener factor of one half map for what it is to
predict). The differences between the hands are paired over particles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from subtomo.doctor.places import Placed, taken
from subtomo.model.settings import CircleCrop, DataTerm, ExtractionSettings, Output, Weighting
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.tomogram import TomogramSet
from subtomo.physics.ctf import wavelength_angstrom
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.run.sequence import PseudoSubtomograms

Float = NDArray[np.float64]
Complex64 = NDArray[np.complex64]

LARGEST_CROP = 64
"""Larger boxes are binned to this, so that all particles stay in memory."""
FIELD_ANGSTROM = 250.0
"""Side of the volumes if no box is given."""
FEWEST = 16
"""Particles below which nothing is said."""
SURE_Z, SURE_P = 3.0, 0.003
"""Both must be passed for an answer."""
NO_SIGNAL = 0.1
"""Shells count up to where the correlation of both hands' half maps first falls below this."""
SMALL_PHASE_RAD = 0.3
"""If CTFs of the two hands differ by less at the resolution that is reached, they can hardly be told apart."""
_HANDS = (1.0, -1.0)


@dataclass(frozen=True)
class HandTest:
    """What the data say about the hand."""

    n: int
    """Particles that were compared."""
    z: float = 0.0
    """Mean difference against its standard error; positive favours the hand of the file."""
    p: float = 1.0
    """Of Wilcoxon's signed-rank test, two-sided."""
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
        return abs(self.z) >= SURE_Z and self.p <= SURE_P

    @property
    def favours_other(self) -> bool:
        """Whether that hand is not the one of the file."""
        return self.is_sure and self.z < 0


@dataclass(frozen=True, eq=False)
class _Sample:
    """The volumes of all particles of a test, their voxels within the sphere as rows."""

    data: Complex64
    """(2, n, m): either hand."""
    ctf2: NDArray[np.float32]
    """(2, n, m)"""
    shell: NDArray[np.int64]
    """(m,)"""
    count: Float
    """(m,) one or two: how many voxels of the whole transform a voxel of the half stands for."""
    owner: list[str]
    """(n,) names of the tomograms."""
    pixel_size_angstrom: float
    size: int


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
    difference, last_shell = _differences(sample)
    if last_shell < 1:
        return HandTest(len(sample.owner), reason="the average of these particles shows no signal")
    resolution = sample.size * sample.pixel_size_angstrom / last_shell
    z = _score(difference)
    p = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
    phase = _phase(usable, chosen, resolution)
    doubt = ""
    if not (abs(z) >= SURE_Z and p <= SURE_P):
        doubt = "the difference could be chance; more particles may tell"
        if phase < SMALL_PHASE_RAD:
            doubt = f"CTF phases of the hands differ by only {phase:.2f} rad at the {resolution:.0f} Å that is reached"
    owners = np.array(sample.owner)
    each = [(name, _score(difference[owners == name]), int((owners == name).sum())) for name in dict.fromkeys(owners)]
    by_tomogram = tuple((str(name), value, count) for name, value, count in each if count >= FEWEST)
    return HandTest(len(difference), z, p, resolution, phase, by_tomogram, doubt)


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


def test_settings(settings: ExtractionSettings | None, pixel_size_angstrom: float) -> ExtractionSettings:
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
) -> _Sample:
    """Make all particles in their own frames, with CTFs of either hand."""
    pixel = placed[0].tomogram.pixel_size_angstrom
    asked = test_settings(settings, pixel)
    c = asked.crop
    radius = np.sqrt(wrapped_index(c)[:, None, None] ** 2 + wrapped_index(c)[:, None] ** 2 + half_index(c) ** 2)
    inside = (radius < c / 2) & (radius > 0)
    count = np.broadcast_to(np.where(np.arange(c // 2 + 1) == 0, 1.0, 2.0), inside.shape)[inside]
    data, ctf2 = ([], []), ([], [])  # type: tuple[list[Complex64], ...], tuple[list[NDArray[np.float32]], ...]
    owner = list[str]()
    for one, which in zip(placed, chosen, strict=True):
        particles = taken(one.particles, which)
        for hand, sign in enumerate(_HANDS):
            tomogram = replace(one.tomogram, hand=sign * one.tomogram.hand)
            for made in PseudoSubtomograms(TomogramSet((tomogram,)), particles, asked) if len(which) else ():
                assert isinstance(made, PseudoSubtomogram)
                data[hand].append(np.fft.rfftn(np.fft.ifftshift(made.data))[inside].astype(np.complex64))
                ctf2[hand].append(made.ctf2[inside])
                owner += [tomogram.name] if hand == 0 else []
    shell = np.floor(radius[inside] + 0.5).astype(np.int64)
    stacked = np.stack([np.stack(part) for part in data]), np.stack([np.stack(part) for part in ctf2])
    return _Sample(*stacked, shell, count, owner, asked.binning * pixel, c)


def _differences(sample: _Sample) -> tuple[Float, int]:
    """Give (n,) differences of log-likelihood, first hand less second, and the last shell that counts."""
    n, shells = len(sample.owner), sample.size // 2 + 1
    halves = [np.arange(n) % 2 == half for half in (0, 1)]

    def summed(values: NDArray[np.floating]) -> Float:
        totals: Float = np.bincount(sample.shell, np.asarray(values * sample.count, np.float64), shells).astype(
            np.float64
        )
        return totals

    maps = np.zeros((2, 2, sample.shell.size), np.complex128)
    correlation = np.zeros((2, shells))
    for hand in (0, 1):
        for half, members in enumerate(halves):
            weight = sample.ctf2[hand, members].sum(axis=0, dtype=np.float64)
            mean = summed(weight) / np.maximum(summed(np.ones_like(weight)), 1.0)
            # voxels that few slices touch would be mostly noise
            floor = 0.01 * mean[sample.shell] + 1e-30
            maps[hand, half] = sample.data[hand, members].sum(axis=0, dtype=np.complex128) / np.maximum(weight, floor)
        cross = summed((maps[hand, 0] * maps[hand, 1].conj()).real)
        power = summed(np.abs(maps[hand, 0]) ** 2) * summed(np.abs(maps[hand, 1]) ** 2)
        correlation[hand] = np.divide(cross, np.sqrt(power), out=np.zeros(shells), where=power > 0)
    # the same weights for both hands: the better of the two curves, so that neither is at a disadvantage
    best = np.clip(correlation.max(axis=0), 0.0, 1.0)
    below = np.flatnonzero(best[1:] < NO_SIGNAL)
    last = int(below[0]) if below.size else shells - 1
    best[last + 1 :] = 0.0
    power = summed((np.abs(sample.data) ** 2).mean(axis=(0, 1)))
    noise = np.divide(power, summed(sample.ctf2.mean(axis=(0, 1))), out=np.ones(shells), where=power > 0)
    factor = sample.count / noise[sample.shell]
    likelihood = np.zeros((2, n))
    for hand in (0, 1):
        for half, members in enumerate(halves):
            reference = maps[hand, half] * best[sample.shell]
            others = ~members
            linear = (sample.data[hand, others] @ (reference.conj() * factor)).real
            square = sample.ctf2[hand, others] @ (np.abs(reference) ** 2 * factor)
            likelihood[hand, others] = linear - square / 2.0
    return likelihood[0] - likelihood[1], last


def _score(differences: Float) -> float:
    error = differences.std(ddof=1) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return float(differences.mean() / error) if error > 0 else 0.0


def _phase(placed: Sequence[Placed], chosen: Sequence[NDArray[np.int64]], resolution_angstrom: float) -> float:
    """Give the root mean square of the phase between the hands: 2 π λ Δz / resolution²."""
    squares = [
        np.square(one.plan.defocus_offset_angstrom[which][one.plan.visible[which]]).ravel()
        for one, which in zip(placed, chosen, strict=True)
    ]
    spread = math.sqrt(float(np.concatenate(squares).mean()))
    wavelength = wavelength_angstrom(placed[0].tomogram.microscope.voltage_kv)
    return 2.0 * math.pi * wavelength * spread / resolution_angstrom**2
