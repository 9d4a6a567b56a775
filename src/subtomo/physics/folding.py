"""Data of low shells that are completed are not lost: voxels nearby take them over.

The transform of a particle that leaves the rim of its box empty is smooth, so that it follows, at any voxel, from its
neighbours. What the cost's cross term would lose with a voxel, its neighbours can hold instead: data are sought that
vanish where voxels are completed, and have the same sum with every such transform (Gerchberg's iteration).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import FOLDING_BLOCK, FOLDING_ROUNDS, FOLDING_SHELLS, FOLDING_WINDOW
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.window import centre_distance, soft_disc

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Bool = NDArray[np.bool_]
Block = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def folded(data: Complex, dropped: Bool) -> Complex:
    """Let voxels of low shells take over what those hold that are dropped.

    Args:
        data: (c, c, c // 2 + 1) transform, not whitened; the particle's centre is at c // 2 in real space.
        dropped: Same shape; its voxels beyond the low shells do not count.

    Returns:
        The data with what others take over added to them; at dropped voxels they are what they were.
    """
    block = low_block(len(data))
    shells = block_shells(len(data))
    part, low = data[block], shells <= last_shell(len(data))
    gone = dropped[block] & low
    rest, taken = np.where(gone, part, 0.0), np.zeros_like(part)
    window, axes = folding_window(len(shells)), (0, 1, 2)
    for _ in range(FOLDING_ROUNDS):
        near = np.fft.rfftn(np.fft.irfftn(rest, s=window.shape, axes=axes) * window, axes=axes)
        near = np.where(low & ~gone, near, 0.0)
        taken += near
        rest -= near
    result = data.copy()
    result[block] += taken
    return result


@cache
def low_block(size: int) -> Block:
    """Give the indices of the low frequencies of a half transform (c, c, c // 2 + 1): a half transform, too."""
    n = min(size, FOLDING_BLOCK)
    rows = wrapped_index(n).astype(np.int64) % size
    return rows[:, None, None], rows[None, :, None], np.arange(n // 2 + 1)[None, None, :]


@cache
def block_shells(size: int) -> NDArray[np.int64]:
    """Give the nearest shell of every voxel of `low_block`."""
    n = min(size, FOLDING_BLOCK)
    wrapped = wrapped_index(n) ** 2.0
    shells: NDArray[np.int64] = np.rint(
        np.sqrt(wrapped[:, None, None] + wrapped[:, None] + half_index(n) ** 2.0)
    ).astype(np.int64)
    return shells


def last_shell(size: int) -> int:
    """Give the last shell whose voxels are folded: those of the last plane are no pairs."""
    return min(FOLDING_SHELLS, min(size, FOLDING_BLOCK) // 2 - 1)


@cache
def folding_window(n: int) -> Float:
    """Compute where in its box a particle may be, (n, n, n): one about n // 2, then fading to zero at the rim."""
    inner, outer = FOLDING_WINDOW
    window: Float = soft_disc(centre_distance(n, 3), outer * n, (outer - inner) * n)
    return window
