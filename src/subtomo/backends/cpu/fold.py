"""Let neighbours take over data of completed voxels; see `subtomo.physics.folding`, which this agrees with."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.fft import half_to_real, real_to_half
from subtomo.conventions import FOLDING_ROUNDS
from subtomo.physics.folding import block_shells, folding_window, last_shell, low_block

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


def fold_terms(spectrum_out: Complex64, ctf2: Float32, least: Float) -> None:
    """Add to voxels of low shells what those hold whose CTF² is not above the least of their shell.

    ``spectrum_out`` is not whitened, (c, c, c // 2 + 1) as ``ctf2``, ``least`` per shell (c // 2 + 1,).
    """
    size = len(spectrum_out)
    block, shells = low_block(size), block_shells(size)
    low = shells <= last_shell(size)
    gone = (ctf2[block] <= least[np.minimum(shells, size // 2)]) & low
    takes = low & ~gone
    rest = np.where(gone, spectrum_out[block], np.complex64(0.0))
    taken = np.zeros_like(rest)
    window, near = _window(len(shells)), np.empty_like(rest)
    real = np.empty(window.shape, np.float32)
    for _ in range(FOLDING_ROUNDS):
        half_to_real(rest, real, (0, 1, 2))
        real *= window
        real_to_half(real, near, (0, 1, 2))
        near *= takes
        taken += near
        rest -= near
    spectrum_out[block] += taken


@cache
def _window(n: int) -> Float32:
    return folding_window(n).astype(np.float32)
