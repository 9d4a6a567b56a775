"""Divide a volume by its weights, or undo that, and lay weights out for people (spec/conventions.md §7.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import DIVISION_FLOOR
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.physics.frequency import half_index, shell_average, shell_values, wrapped_index

Float = NDArray[np.float64]
Real = NDArray[np.floating]


def divide(volume: Real, ctf2: Real, snr: float | None) -> Float:
    """Divide a volume by its CTF² in Fourier space.

    Args:
        volume: (c, c, c) real space.
        ctf2: (c, c, c // 2 + 1) half transform.
        snr: Signal-to-noise ratio of a Wiener filter, ``ctf2 + 1 / snr``. None for the heuristic: weights are clamped
            at a thousandth of their shell's average, and what lies beyond the last shell is set to zero.

    Returns:
        (c, c, c) real space.
    """
    divisor = np.asarray(ctf2, dtype=np.float64) + 1.0 / snr if snr is not None else _clamped(ctf2)
    factor = np.divide(1.0, divisor, out=np.ones_like(divisor), where=divisor > 0)
    return np.fft.irfftn(np.fft.rfftn(np.asarray(volume, dtype=np.float64)) * factor, s=volume.shape, axes=(0, 1, 2))


def data_term(particle: PseudoSubtomogram) -> NDArray[np.float32]:
    """Give the sum of the CTF-weighted observations, (c, c, c) real space, undoing whitening where data exist."""
    if not particle.is_whitened:
        return particle.data
    spectrum = np.fft.rfftn(particle.data) * particle.weights
    return np.fft.irfftn(spectrum, s=particle.data.shape, axes=(0, 1, 2)).astype(np.float32)


def _clamped(ctf2: Real) -> Float:
    size = ctf2.shape[0]
    wrapped = wrapped_index(size)
    radius = np.sqrt(wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + half_index(size) ** 2)
    n_bins = size // 2 + 1
    threshold = DIVISION_FLOOR * shell_values(shell_average(ctf2, radius, n_bins), radius)
    # an infinite divisor sets to zero what lies beyond the last shell
    return np.maximum(ctf2, np.where(radius < n_bins - 1, threshold, np.inf))


def centred_full(half: Real) -> NDArray[np.float32]:
    """Lay a real half transform (c, c, c // 2 + 1) out as a full volume (c, c, c) with its origin at c // 2.

    In the plane x = c / 2 a voxel and its mirror image compete; the one with the larger index z c + y wins.
    """
    size = half.shape[0]
    middle = size // 2
    full = np.empty((size, size, size), dtype=np.float32)
    full[:, :, :middle] = half[:, :, :middle]
    mirror = -np.arange(size) % size
    full[:, :, middle + 1 :] = half[mirror][:, mirror][:, :, middle - 1 : 0 : -1]
    order = np.arange(size * size).reshape(size, size)
    nyquist = half[:, :, middle]
    mirrored = nyquist[mirror][:, mirror]
    full[:, :, middle] = np.where(order[mirror][:, mirror] > order, mirrored, nyquist)
    return np.roll(full, (middle, middle, middle), axis=(0, 1, 2))
