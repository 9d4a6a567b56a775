"""Divide data by the root of their weight, so that their noise is white (spec/cost.md)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.conventions import WHITENING_FLOOR

Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True)
def whiten_terms(spectrum_out: Float32, weights_out: Float32) -> None:
    """Divide a half transform by √CTF², and set voxels without data to zero in both.

    ``spectrum_out`` (c, c, 2 (c // 2 + 1)) holds complex numbers as pairs; ``weights_out`` (2 c, c, c // 2 + 1) CTF²,
    then multiplicity.
    """
    c, half = weights_out.shape[1], weights_out.shape[2]
    # a real volume has one number for both, so that whitening must not treat them differently
    _make_even(spectrum_out, weights_out)
    floor = np.float32(WHITENING_FLOOR) * weights_out[:c].max()
    for z in range(c):
        for y in range(c):
            data, ctf2 = spectrum_out[z, y], weights_out[z, y]
            for x in range(half):
                # what is that small is rounding, not data
                weight = ctf2[x] if ctf2[x] > floor else np.float32(0.0)
                factor = np.float32(1.0) / np.sqrt(weight) if weight > 0 else np.float32(0.0)
                ctf2[x] = weight
                data[2 * x] *= factor
                data[2 * x + 1] *= factor


@njit(nogil=True, cache=True)
def _make_even(spectrum_out: Float32, weights_out: Float32) -> None:
    """Let voxels and their mirror images agree in the plane x = c / 2, as they do after a transform to real space."""
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
