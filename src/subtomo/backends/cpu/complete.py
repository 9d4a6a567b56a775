"""Whiten data, and put noise where they hold too little; see `subtomo.physics.completion`, which this agrees with."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.whiten import whitening_factor, whitening_floor

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]


@njit(nogil=True, cache=True, error_model="numpy")
def least_weights(ctf2: Float32, thresholds: Float32, nearest: Int16, counts: Float) -> Float32:
    """Give the CTF² at and below which voxels are completed, (c // 2 + 1,): shares of the means of their shells.

    ``ctf2`` (c, c, c // 2 + 1), ``thresholds`` (c // 2 + 1,), ``nearest`` the shell by the square of the radius,
    ``counts`` voxels within c / 2 by shell.
    """
    c, half = ctf2.shape[1], ctf2.shape[2]
    floor = whitening_floor(ctf2)
    # by x modulo four, for neighbours are of one shell, and one sum would wait for the last
    totals = np.zeros((4, half))
    for z in range(c):
        fz = z if z < c // 2 else z - c
        for y in range(c):
            fy = y if y < c // 2 else y - c
            across, row = fz * fz + fy * fy, ctf2[z, y]
            if 4 * across > c * c:
                continue
            for x in range(int(np.sqrt(c * c / 4.0 - across)) + 1):
                shell = nearest[across + x * x]
                totals[x & 3, shell] += row[x] if row[x] > floor else np.float32(0.0)
    least: Float32 = (thresholds * (totals.sum(axis=0) / counts)).astype(np.float32)
    return least


@njit(nogil=True, cache=True, error_model="numpy")
def complete_terms(
    spectrum_out: Float32,
    weights_out: Float32,
    least: Float32,
    amplitudes: Float32,
    nearest: Int16,
    phases: Float32,
    seed: np.uint64,
) -> None:
    """Divide by √CTF² where it is above the least of its shell; elsewhere put noise, and set CTF² to zero.

    ``spectrum_out`` (c, c, 2 (c // 2 + 1)) holds complex numbers as pairs, ``weights_out`` (2 c, c, c // 2 + 1) CTF²,
    then multiplicity. ``least`` and ``amplitudes`` are per shell (c // 2 + 1,), ``nearest`` gives the shell by the
    square of the radius, ``phases`` (256, 2) are unit numbers.
    """
    c, half = weights_out.shape[1], weights_out.shape[2]
    # by the square of the radius; the origin, whose least is negative, may hold nothing and get nothing
    floors = np.maximum(least, whitening_floor(weights_out[:c]))[nearest]
    noise = np.where(least >= 0, amplitudes, np.float32(0.0))[nearest]
    factors, added, choices = np.empty(half, np.float32), np.empty(half, np.float32), np.empty(half, np.uint8)
    for z in range(c):
        fz = z if z < c // 2 else z - c
        for y in range(c):
            fy = y if y < c // 2 else y - c
            across = fz * fz + fy * fy
            data, ctf2 = spectrum_out[z, y], weights_out[z, y]
            first = (z * c + y) * half
            # one short loop after another, so that each runs in vector lanes
            for x in range(half):
                factors[x], added[x] = floors[across + x * x], noise[across + x * x]
            for x in range(half):
                factors[x] = whitening_factor(ctf2[x], factors[x])
            for x in range(half):
                added[x] = added[x] if factors[x] == 0 else np.float32(0.0)
                ctf2[x] = ctf2[x] if factors[x] > 0 else np.float32(0.0)
            # all voxels of the row draw, whether they need to or not: a branch would be guessed wrong too often
            for x in range(half):
                choices[x] = _drawn(seed, first + x)
            for x in range(half):
                choice = choices[x]
                data[2 * x] = data[2 * x] * factors[x] + added[x] * phases[choice, 0]
                data[2 * x + 1] = data[2 * x + 1] * factors[x] + added[x] * phases[choice, 1]
            # in two planes, voxels are there twice; the mirror image of (z, y, x) is (-z, -y, x)
            mirror = (((c - z) % c) * c + (c - y) % c) * half
            for x in (0, half - 1):
                if factors[x] == 0:
                    real, imaginary = _pair(seed, first + x, mirror + x, phases)
                    data[2 * x], data[2 * x + 1] = added[x] * real, added[x] * imaginary


@njit(nogil=True, cache=True, inline="always")
def _pair(seed: np.uint64, own: np.int64, other: np.int64, phases: Float32) -> tuple[np.float32, np.float32]:
    """Draw for a voxel that has a mirror image: both by the lower of their two numbers."""
    choice = _drawn(seed, min(own, other))
    if own == other:
        return np.float32(1.0 if choice < len(phases) // 2 else -1.0), np.float32(0.0)
    return phases[choice, 0], phases[choice, 1] if own < other else -phases[choice, 1]


@njit(nogil=True, cache=True, inline="always")
def _drawn(seed: np.uint64, place: np.int64) -> np.uint8:
    """Choose one of 256 for a place; the upper bits of the hash are the best mixed ones."""
    return np.uint8(_split_mix(seed + np.uint64(place)) >> np.uint64(56))


@njit(nogil=True, cache=True, inline="always")
def _split_mix(counter: np.uint64) -> np.uint64:
    """Hash a 64-bit number (SplitMix64)."""
    z = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
