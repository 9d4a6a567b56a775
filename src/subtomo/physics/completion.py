"""Noise completion: which voxels of a whitened particle hold too little, and the noise that takes their place.

``relion_refine`` takes one noise level per shell as the mean over all voxels of the shell. Whitened voxels that hold
data have the power σ0², but those without data have none, and those beside the slices, where exact data leak to, have
the leak divided by a tiny root. Both are completed: their weight becomes zero, which takes them out of every cost and
every average, and their data become noise. Source: spec/cost.md, last section.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.random_phases import random_phases

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Levels(NamedTuple):
    """See `subtomo.model.noise.NoiseLevels`."""

    spectrum: Float
    fill: Float
    thresholds: Float


@cache
def voxel_shells(size: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give the nearest shell of every voxel of a half transform, at most c / 2, and whether it lies within c / 2."""
    wrapped = wrapped_index(size) ** 2
    radius = np.sqrt(wrapped[:, None, None] + wrapped[:, None] + half_index(size) ** 2)
    return np.minimum(np.rint(radius), size // 2).astype(np.int64), radius <= size / 2


@cache
def shell_counts(size: int) -> Float:
    """Count the voxels of a half transform within c / 2 by their nearest shell, (c // 2 + 1,)."""
    shell, inside = voxel_shells(size)
    return np.bincount(shell[inside], minlength=size // 2 + 1).astype(np.float64)


def shell_means(values: Float) -> Float:
    """Average a half transform (c, c, c // 2 + 1) over the voxels nearest to each shell: (c // 2 + 1,)."""
    shell, inside = voxel_shells(len(values))
    return np.bincount(shell[inside], values[inside], len(values) // 2 + 1) / shell_counts(len(values))


def completed(spectrum: Complex, weights: Float, levels: Levels, seed: int) -> tuple[Complex, Float]:
    """Put noise where whitened data hold too little, and make the weights zero there.

    Args:
        spectrum: (c, c, c // 2 + 1) orthonormal transform of whitened data.
        weights: Same shape, CTF² as whitening divided by it.
        levels: Of the tilt series.
        seed: Of the particle.
    """
    shell, _ = voxel_shells(len(weights))
    empty = is_empty(weights, levels.thresholds)
    noise = np.sqrt(levels.fill)[shell] * random_phases(seed, len(weights))
    return np.where(empty, noise, spectrum), np.where(empty, 0.0, weights)


def is_empty(weights: Float, thresholds: Float) -> NDArray[np.bool_]:
    """Tell which voxels are completed, (c, c, c // 2 + 1): those not above a share of the mean of their shell."""
    shell, _ = voxel_shells(len(weights))
    empty: NDArray[np.bool_] = weights <= (thresholds * shell_means(weights))[shell]
    return empty
