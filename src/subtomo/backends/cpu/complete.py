"""Put noise where whitened data hold too little; see `subtomo.physics.completion`, which this agrees with."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True)
def least_weights(ctf2: Float32, thresholds: Float32) -> Float:
    """Give the CTF² at and below which voxels are completed, (c // 2 + 1,): shares of the means of their shells."""
    least = _shell_means(ctf2, _nearest_shells(ctf2.shape[1]))
    for shell in range(least.size):
        least[shell] *= thresholds[shell]
    return least


@njit(nogil=True, cache=True)
def complete_terms(
    spectrum_out: Float32,
    weights_out: Float32,
    least: Float,
    amplitudes: Float32,
    phases: Float32,
    seed: np.uint64,
) -> None:
    """Fill voxels whose CTF² is not above the least of their shell, and set their CTF² to zero.

    ``spectrum_out`` (c, c, 2 (c // 2 + 1)) holds complex numbers as pairs, ``weights_out`` (2 c, c, c // 2 + 1) CTF²,
    then multiplicity. ``least`` and ``amplitudes`` are per shell (c // 2 + 1,), ``phases`` (256, 2) unit numbers.
    """
    c, half = weights_out.shape[1], weights_out.shape[2]
    nearest = _nearest_shells(c)
    for z in range(c):
        for y in range(c):
            # signed frequencies; the mirror image of (z, y, x) in a plane of both halves is (-z, -y, x)
            fz, fy = (z if z < c // 2 else z - c), (y if y < c // 2 else y - c)
            across = fz * fz + fy * fy
            mirror = (((c - z) % c) * c + (c - y) % c) * half
            for x in range(half):
                shell = nearest[across + x * x]
                if weights_out[z, y, x] > least[shell]:
                    continue
                own = (z * c + y) * half + x
                # voxels of these planes are there twice, and must be each other's mirror image
                other = mirror + x if x == 0 or x == half - 1 else own
                # the upper bits of the hash are the best mixed ones; a pair draws by the lower of its two numbers
                choice = np.int64(_split_mix(seed + np.uint64(min(own, other))) >> np.uint64(56))
                real, imaginary = phases[choice, 0], phases[choice, 1]
                if own > other:
                    imaginary = -imaginary
                elif own == other and (x == 0 or x == half - 1):
                    real, imaginary = np.float32(1.0 if choice < len(phases) // 2 else -1.0), np.float32(0.0)
                # noise of the power that the others have, and no weight: neither costs nor averages take it for data
                spectrum_out[z, y, 2 * x] = amplitudes[shell] * real
                spectrum_out[z, y, 2 * x + 1] = amplitudes[shell] * imaginary
                weights_out[z, y, x] = 0.0


@njit(nogil=True, cache=True)
def _nearest_shells(c: int) -> NDArray[np.int64]:
    """List the nearest shell, at most c / 2, by the square of the radius: a root per voxel would cost more."""
    nearest = np.empty(3 * (c // 2) ** 2 + 1, np.int64)
    for square in range(nearest.size):
        nearest[square] = min(int(np.rint(np.sqrt(float(square)))), c // 2)
    return nearest


@njit(nogil=True, cache=True)
def _shell_means(weights: Float32, nearest: NDArray[np.int64]) -> Float:
    """Average over the voxels nearest to each shell, within c / 2."""
    c, half = weights.shape[1], weights.shape[2]
    total, count = np.zeros(half), np.zeros(half)
    for z in range(c):
        fz = z if z < c // 2 else z - c
        for y in range(c):
            fy = y if y < c // 2 else y - c
            across = fz * fz + fy * fy
            for x in range(half):
                square = across + x * x
                if 4 * square > c * c:
                    break
                shell = nearest[square]
                total[shell] += weights[z, y, x]
                count[shell] += 1.0
    return total / count


@njit(nogil=True, cache=True, inline="always")
def _split_mix(counter: np.uint64) -> np.uint64:
    """Hash a 64-bit number (SplitMix64)."""
    z = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
