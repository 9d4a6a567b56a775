"""Divide data by the root of their weight, so that their noise is white (spec/cost.md)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.conventions import WHITENING_FLOOR

Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True, error_model="numpy")
def whiten_terms(spectrum_out: Float32, weights_out: Float32) -> None:
    """Divide a half transform by √CTF², and set voxels without data to zero in both.

    ``spectrum_out`` (c, c, 2 (c // 2 + 1)) holds complex numbers as pairs; ``weights_out`` (2 c, c, c // 2 + 1) CTF²,
    then multiplicity.
    """
    c, half = weights_out.shape[1], weights_out.shape[2]
    make_even(spectrum_out, weights_out)
    floor, factors = whitening_floor(weights_out[:c]), np.empty(half, np.float32)
    for z in range(c):
        for y in range(c):
            data, ctf2 = spectrum_out[z, y], weights_out[z, y]
            for x in range(half):
                factors[x] = whitening_factor(ctf2[x], floor)
                ctf2[x] = ctf2[x] if factors[x] > 0 else np.float32(0.0)
            for x in range(half):
                data[2 * x] *= factors[x]
                data[2 * x + 1] *= factors[x]


@njit(nogil=True, cache=True)
def whitening_floor(ctf2: Float32) -> np.float32:
    """Give the CTF² at and below which there is rounding, not data."""
    floor: np.float32 = np.float32(WHITENING_FLOOR) * ctf2.max()
    return floor


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def whitening_factor(ctf2: np.float32, floor: np.float32) -> np.float32:
    """Compute 1 / √CTF², zero where CTF² is not above its floor."""
    holds = ctf2 > floor
    # a division in any case, by one where there is nothing: a branch would keep lanes apart
    factor = np.float32(1.0) / np.sqrt(ctf2 if holds else np.float32(1.0))
    return factor if holds else np.float32(0.0)


@njit(nogil=True, cache=True)
def make_even(spectrum_out: Float32, weights_out: Float32) -> None:
    """Let voxels and their mirror images agree in the plane x = c / 2, as they do after a transform to real space.

    A real volume has one number for both, so that whitening must not treat them differently. Shapes as in
    `whiten_terms`.
    """
    c, last = weights_out.shape[1], weights_out.shape[2] - 1
    for z in range(c):
        mirror_z = (c - z) % c
        for y in range(c):
            mirror_y = (c - y) % c
            # each pair once
            if mirror_z * c + mirror_y < z * c + y:
                continue
            # weights become their mean, data the Hermitian part
            for slab in (0, c):
                mean = (weights_out[slab + z, y, last] + weights_out[slab + mirror_z, mirror_y, last]) / np.float32(2.0)
                weights_out[slab + z, y, last] = weights_out[slab + mirror_z, mirror_y, last] = mean
            real = (spectrum_out[z, y, 2 * last] + spectrum_out[mirror_z, mirror_y, 2 * last]) / np.float32(2.0)
            imaginary = spectrum_out[z, y, 2 * last + 1] - spectrum_out[mirror_z, mirror_y, 2 * last + 1]
            imaginary /= np.float32(2.0)
            spectrum_out[z, y, 2 * last] = spectrum_out[mirror_z, mirror_y, 2 * last] = real
            spectrum_out[z, y, 2 * last + 1] = imaginary
            spectrum_out[mirror_z, mirror_y, 2 * last + 1] = -imaginary
