"""How much better one hand explains each particle than the other, and how large such differences get by chance.

Each hand gets its own half averages, and every particle is compared with the average of the half it does not belong to.
Up to what both hands share, the logarithm of its likelihood is

    L = Σ_k (Re data*(k) R(k) - CTF²(k) |R(k)|² / 2) / σ²(k),

where R is that average times its Fourier shell correlation (the Wiener factor of one half map for what it is to
predict).

All particles of a half are compared with the same average, whose noise favours one hand or the other for all of them
alike; so the scatter over particles says too little about chance. If no hand were better, the two volumes of any
particle could change places. Averages and differences are therefore made again with those of random particles swapped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Complex64 = NDArray[np.complex64]

NO_SIGNAL = 0.1
"""Shells count up to where the correlation of both hands' half maps first falls below this."""
SWAPS = 96
"""How often particles are swapped at random."""
_AT_ONCE = 32
"""Swaps whose averages are in memory at a time."""


@dataclass(frozen=True, eq=False)
class Sample:
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

    def summed(self, values: NDArray[np.floating]) -> Float:
        """Sum the values of voxels, (m,), over every shell."""
        weights = np.asarray(values * self.count, np.float64)
        return np.bincount(self.shell, weights, self.size // 2 + 1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Differences:
    """Differences of log-likelihood, first hand less second."""

    observed: Float
    """(n,)"""
    by_chance: Float
    """(SWAPS, n) the same with random particles swapped."""
    last_shell: int
    """The last one that counts; 0 if there is no signal."""

    def z(self, members: NDArray[np.bool_] | None = None) -> float:
        """Give the mean difference of all or some particles against what chance makes of it."""
        which = slice(None) if members is None else members
        chance = math.sqrt(float(np.square(self.by_chance[:, which].mean(axis=1)).mean()))
        return float(self.observed[which].mean()) / chance if chance > 0 else 0.0


def compare_hands(sample: Sample, seed: int) -> Differences:
    """Compare every particle with averages of others, as they are and with random particles swapped."""
    n = len(sample.owner)
    swaps = np.random.default_rng(seed).random((SWAPS + 1, n)) < 0.5
    swaps[0] = False
    parts = [_differences(sample, some) for some in np.array_split(swaps, math.ceil(len(swaps) / _AT_ONCE))]
    differences = np.concatenate([part for part, _ in parts])
    return Differences(differences[0], differences[1:], parts[0][1])


def _differences(sample: Sample, swaps: NDArray[np.bool_]) -> tuple[Float, int]:
    """Give (k, n) differences for (k, n) swaps, and the last shell that counts for the first of them."""
    n = len(sample.owner)
    halves = [np.flatnonzero(np.arange(n) % 2 == half) for half in (0, 1)]
    sums = [_sums(sample, swaps, members) for members in halves]
    references = np.empty((2, 2, len(swaps), sample.shell.size), np.complex64)
    last = 0
    for row in range(len(swaps)):
        maps = np.array([_divided(sample, data[:, row], ctf2[:, row]) for data, ctf2 in sums])
        weights, last_shell = _weights(sample, maps)
        references[:, :, row] = maps * weights[sample.shell]
        last = last_shell if row == 0 else last
    factor = (sample.count / _noise(sample)[sample.shell]).astype(np.float32)
    result = np.zeros((len(swaps), n))
    for half, others in enumerate(reversed(halves)):
        likelihood = _likelihood(sample, references[half], others, factor)
        swapped = swaps[:, others]
        as_given = likelihood[0, 0] - likelihood[1, 1]
        result[:, others] = np.where(swapped, likelihood[1, 0] - likelihood[0, 1], as_given)
    return result, last


def _sums(
    sample: Sample, swaps: NDArray[np.bool_], members: NDArray[np.int64]
) -> tuple[Complex64, NDArray[np.float32]]:
    """Sum data and CTF² of one half, (2, k, m) each: a swapped particle counts for the other hand."""
    chosen = swaps[:, members].astype(np.float32)

    def summed(volumes: NDArray[Any]) -> NDArray[Any]:
        moved = chosen @ (volumes[1] - volumes[0])
        return np.stack([volumes[0].sum(axis=0) + moved, volumes[1].sum(axis=0) - moved])

    return summed(sample.data[:, members]), summed(sample.ctf2[:, members])


def _divided(sample: Sample, data: Complex64, ctf2: NDArray[np.float32]) -> NDArray[np.complex128]:
    """Divide the sums of either hand, (2, m), by those of CTF²."""
    maps = []
    for hand in (0, 1):
        mean = sample.summed(ctf2[hand]) / np.maximum(sample.summed(np.ones_like(ctf2[hand])), 1.0)
        # voxels that few slices touch would be mostly noise
        maps.append(data[hand] / np.maximum(ctf2[hand], 0.01 * mean[sample.shell] + 1e-30))
    return np.array(maps)


def _weights(sample: Sample, maps: NDArray[np.complex128]) -> tuple[Float, int]:
    """Give the correlation of half maps (half, hand, m) per shell, and the last shell that counts.

    Both hands get the better of their two curves, so that neither is at a disadvantage.
    """
    curves = []
    for hand in (0, 1):
        first, second = maps[:, hand]
        cross = sample.summed((first * second.conj()).real)
        power = sample.summed(np.abs(first) ** 2) * sample.summed(np.abs(second) ** 2)
        curves.append(np.divide(cross, np.sqrt(power), out=np.zeros(len(power)), where=power > 0))
    best = np.clip(np.max(curves, axis=0), 0.0, 1.0)
    below = np.flatnonzero(best[1:] < NO_SIGNAL)
    last = int(below[0]) if below.size else len(best) - 1
    best[last + 1 :] = 0.0
    return best, last


def _noise(sample: Sample) -> Float:
    """Give the variance of the noise per shell."""
    power = sample.summed((np.abs(sample.data) ** 2).mean(axis=(0, 1)))
    weight = sample.summed(sample.ctf2.mean(axis=(0, 1)))
    return np.divide(power, weight, out=np.ones(len(power)), where=(power > 0) & (weight > 0))


def _likelihood(sample: Sample, reference: Complex64, members: NDArray[np.int64], factor: NDArray[np.float32]) -> Float:
    """Give (volume, reference, k, members): each volume of a particle against the reference (2, k, m) of each hand."""
    result = np.zeros((2, 2, reference.shape[1], len(members)))
    for hand in (0, 1):
        conjugate, square = reference[hand].conj() * factor, np.abs(reference[hand]) ** 2 * factor
        for volume in (0, 1):
            linear = (conjugate @ sample.data[volume, members].T).real
            result[volume, hand] = linear - square @ sample.ctf2[volume, members].T / 2.0
    return result
