"""Let neighbours take over data of completed voxels; see `subtomo.physics.folding`, which this agrees with."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.fft import half_to_real, real_to_half
from subtomo.conventions import FOLDING_ROUNDS
from subtomo.physics.folding import block_shells, folding_window, last_shell

Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


def fold_terms(spectrum_out: Complex64, ctf2: Float32, least: Float32) -> None:
    """Add to voxels of low shells what those hold whose CTF² is not above the least of their shell.

    ``spectrum_out`` is not whitened, (c, c, c // 2 + 1) as ``ctf2``, ``least`` per shell (c // 2 + 1,).
    """
    size = len(spectrum_out)
    shells = _shells(size)
    taken, takes = np.zeros(shells.shape, np.complex64), np.empty(shells.shape, np.float32)
    rest, near = np.empty_like(taken), np.empty_like(taken)
    _split(spectrum_out, ctf2, least, shells, last_shell(size), rest, takes)
    window = _window(len(shells))
    real = np.empty(window.shape, np.float32)
    for _ in range(FOLDING_ROUNDS):
        half_to_real(rest, real, (0, 1, 2))
        real *= window
        real_to_half(real, near, (0, 1, 2))
        _take(near, takes, rest, taken)
    _put(taken, spectrum_out)


@njit(nogil=True, cache=True)
def _split(
    spectrum: Complex64,
    ctf2: Float32,
    least: Float32,
    shells: Int16,
    last: int,
    rest_out: Complex64,
    takes_out: Float32,
) -> None:
    """Give what voxels of the block hold that are completed, and one where others can take it over, else zero."""
    n, c = len(shells), len(spectrum)
    for z in range(n):
        from_z = z if z < n // 2 else c - n + z
        for y in range(n):
            from_y = y if y < n // 2 else c - n + y
            for x in range(n // 2 + 1):
                low = shells[z, y, x] <= last
                gone = low and ctf2[from_z, from_y, x] <= least[shells[z, y, x]]
                rest_out[z, y, x] = spectrum[from_z, from_y, x] if gone else np.complex64(0.0)
                takes_out[z, y, x] = 1.0 if low and not gone else 0.0


@njit(nogil=True, cache=True)
def _take(near: Complex64, takes: Float32, rest_out: Complex64, taken_out: Complex64) -> None:
    for z in range(near.shape[0]):
        for y in range(near.shape[1]):
            for x in range(near.shape[2]):
                value = takes[z, y, x] * near[z, y, x]
                taken_out[z, y, x] += value
                rest_out[z, y, x] -= value


@njit(nogil=True, cache=True)
def _put(taken: Complex64, spectrum_out: Complex64) -> None:
    """Add the block to the low frequencies."""
    n, c = len(taken), len(spectrum_out)
    for z in range(n):
        to_z = z if z < n // 2 else c - n + z
        for y in range(n):
            to_y = y if y < n // 2 else c - n + y
            for x in range(n // 2 + 1):
                spectrum_out[to_z, to_y, x] += taken[z, y, x]


@cache
def _shells(size: int) -> Int16:
    return block_shells(size).astype(np.int16)


@cache
def _window(n: int) -> Float32:
    return folding_window(n).astype(np.float32)
