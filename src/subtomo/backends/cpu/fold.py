"""Let neighbours take over data of completed voxels; see `subtomo.physics.folding`, which this agrees with."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.fft import half_to_real, real_to_half
from subtomo.conventions import FOLDING_ROUNDS
from subtomo.physics.folding import block_shells, folding_window, last_shell, low_block

Int = NDArray[np.int64]
Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


def fold_terms(spectrum_out: Complex64, ctf2: Float32, least: Float32) -> None:
    """Add to voxels of low shells what those hold whose CTF² is not above the least of their shell.

    ``spectrum_out`` is not whitened, (c, c, c // 2 + 1) as ``ctf2``, ``least`` per shell (c // 2 + 1,).
    """
    size = len(spectrum_out)
    shells, rows = _shells(size), low_block(size)[0].ravel()
    taken, takes = np.zeros(shells.shape, np.complex64), np.empty(shells.shape, np.float32)
    rest, near = np.empty_like(taken), np.empty_like(taken)
    _split(spectrum_out, ctf2, least, rows, shells, last_shell(size), rest, takes)
    window = _window(len(shells))
    real = np.empty(window.shape, np.float32)
    for _ in range(FOLDING_ROUNDS):
        half_to_real(rest, real, (0, 1, 2))
        real *= window
        real_to_half(real, near, (0, 1, 2))
        _take(near, takes, rest, taken)
    _put(taken, rows, spectrum_out)


@njit(nogil=True, cache=True)
def _split(
    spectrum: Complex64,
    ctf2: Float32,
    least: Float32,
    rows: Int,
    shells: Int16,
    last: int,
    rest_out: Complex64,
    takes_out: Float32,
) -> None:
    """Give what voxels of the block hold that are completed, and one where others can take it over, else zero."""
    for z in range(shells.shape[0]):
        for y in range(shells.shape[1]):
            for x in range(shells.shape[2]):
                low = shells[z, y, x] <= last
                gone = low and ctf2[rows[z], rows[y], x] <= least[shells[z, y, x]]
                rest_out[z, y, x] = spectrum[rows[z], rows[y], x] if gone else np.complex64(0.0)
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
def _put(taken: Complex64, rows: Int, spectrum_out: Complex64) -> None:
    """Add the block to the low frequencies."""
    for z in range(taken.shape[0]):
        for y in range(taken.shape[1]):
            for x in range(taken.shape[2]):
                spectrum_out[rows[z], rows[y], x] += taken[z, y, x]


@cache
def _shells(size: int) -> Int16:
    return block_shells(size).astype(np.int16)


@cache
def _window(n: int) -> Float32:
    return folding_window(n).astype(np.float32)
