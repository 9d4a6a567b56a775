"""Correlation of two maps by spatial frequency, and how much of it a mask adds.

Harauz & van Heel 1986 (the curve), Rosenthal & Henderson 2003 (the threshold 0.143 and the weight of a merged map),
Chen et al. 2013 (phases randomised beyond a shell show how much of a masked curve is due to the mask).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.frequency import half_index, wrapped_index

Float = NDArray[np.float64]
Real = NDArray[np.floating]
Complex = NDArray[np.complexfloating]

GAP_SHELLS = 2
"""Shells next to the first randomised one whose curve is left alone: the mask mixes neighbouring shells."""


def shells(size: int) -> NDArray[np.int64]:
    """Number the shell of every voxel of a half transform, (c, c, c // 2 + 1): its radius, rounded."""
    wrapped = wrapped_index(size)
    radius = np.sqrt(wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + half_index(size) ** 2)
    return np.floor(radius + 0.5).astype(np.int64)


def shell_sums(values: Real, size: int) -> Float:
    """Sum a real half transform (c, c, c // 2 + 1) over the shells 0 to c // 2 of the whole transform."""
    weighted: Float = np.array(values, dtype=np.float64)
    weighted[:, :, 1 : (size + 1) // 2] *= 2.0  # these columns represent their mirror images, too
    n_shells = size // 2 + 1
    sums = np.bincount(shells(size).ravel(), weighted.ravel(), n_shells)
    return sums[:n_shells].astype(np.float64)


def shell_correlation(first: Real, second: Real) -> Float:
    """Compute the Fourier shell correlation of two maps (c, c, c).

    Returns:
        (c // 2 + 1,) one value per shell; zero where a map is zero.
    """
    size = len(first)
    one, two = np.fft.rfftn(first), np.fft.rfftn(second)
    cross = shell_sums((one * two.conj()).real, size)
    power = shell_sums(np.abs(one) ** 2, size) * shell_sums(np.abs(two) ** 2, size)
    return np.divide(cross, np.sqrt(power), out=np.zeros_like(cross), where=power > 0)


def first_shell_below(curve: Float, threshold: float) -> int:
    """Find the first shell, the origin left out, where a curve is below a threshold; its length if there is none."""
    below = np.flatnonzero(curve[1:] < threshold)
    return int(below[0]) + 1 if below.size else len(curve)


def randomise_phases(volume: Real, first_shell: int, random: np.random.Generator) -> Float:
    """Replace the phases of a map (c, c, c) from a shell on by random ones, keeping the amplitudes."""
    spectrum = np.fft.rfftn(volume)
    noise = np.fft.rfftn(random.standard_normal(volume.shape))
    # the phases of real noise have the symmetry that a real map needs
    random_phases = np.abs(spectrum) * noise / np.maximum(np.abs(noise), 1e-300)
    chosen = np.where(shells(len(volume)) >= first_shell, random_phases, spectrum)
    return np.fft.irfftn(chosen, s=volume.shape, axes=(0, 1, 2))


def true_correlation(masked: Float, randomised: Float, first_shell: int) -> Float:
    """Remove from a masked curve what the mask adds to it: (masked - randomised) / (1 - randomised).

    Args:
        masked: (n,) curve of the masked maps.
        randomised: (n,) curve of the masked maps whose phases were randomised.
        first_shell: From which on they were; the curve changes `GAP_SHELLS` beyond it.
    """
    corrected = masked.copy()
    beyond = slice(first_shell + GAP_SHELLS, None)
    share = np.minimum(randomised[beyond], 1.0 - 1e-6)
    corrected[beyond] = (masked[beyond] - share) / (1.0 - share)
    return corrected


def merged_weight(curve: Float) -> Float:
    """Convert the correlation of half maps to the weight of their sum: √(2 FSC / (1 + FSC)), zero from 0.143 on."""
    positive = np.maximum(curve, 0.0)
    weight = np.sqrt(2.0 * positive / (1.0 + positive))
    weight[first_shell_below(curve, 0.143) :] = 0.0
    weight[0] = 1.0
    return weight


def filter_shells(volume: Real, weight: Float) -> Float:
    """Multiply every shell of a map (c, c, c) by its weight (c // 2 + 1,); zero beyond the last shell."""
    factors = np.append(weight, 0.0)[np.minimum(shells(len(volume)), len(weight))]
    return np.fft.irfftn(np.fft.rfftn(volume) * factors, s=volume.shape, axes=(0, 1, 2))
