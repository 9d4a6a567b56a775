"""The transform of real noise, voxel by voxel: amplitudes of one, phases that a seed decides."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]

N_PHASES = 256
"""Directions in the complex plane that random numbers choose from: as good as all, and the same on all machines."""


def random_phases(seed: int, size: int) -> Complex:
    """Make the transform of real noise whose power is one everywhere: (c, c, c // 2 + 1), the phases at random.

    Every voxel draws by itself (a hash of seed and position, SplitMix64), so that one may be had without the others.
    Voxels and their mirror images in the planes x = 0 and x = c / 2 draw the same.
    """
    half = size // 2 + 1
    index = np.arange(size * size * half, dtype=np.uint64).reshape(size, size, half)
    mirror = -np.arange(size) % size
    partner = index[mirror][:, mirror]
    planes = [0, half - 1]
    own, other = index[:, :, planes], partner[:, :, planes]
    drawn = index.copy()
    drawn[:, :, planes] = np.minimum(own, other)
    choice = (_split_mix(np.uint64(seed) + drawn) >> np.uint64(56)).astype(np.int64)
    values: Complex = phase_table()[choice]
    edges = values[:, :, planes]
    edges = np.where(own > other, edges.conj(), edges)
    signs = np.where(choice[:, :, planes] < N_PHASES // 2, 1.0, -1.0)
    values[:, :, planes] = np.where(own == other, signs, edges)
    return values


@cache
def phase_table() -> Complex:
    """List the directions that random numbers choose from, (`N_PHASES`,)."""
    table: Complex = np.exp(2j * np.pi * (np.arange(N_PHASES) + 0.5) / N_PHASES)
    return table


def _split_mix(counter: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash 64-bit numbers (SplitMix64, Steele et al. 2014)."""
    z = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
