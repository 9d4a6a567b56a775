"""Strong round spots, such as gold: how well a ball explains a particle, wherever it is within the mask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.fft import half_to_real
from subtomo.classification.framed import FramedTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_RADII = (1 / 6, 1 / 3, 1 / 2)
"""Of the mask's."""
_BATCH = 64


def ball_costs(terms: FramedTerms, precision: Float32, rows: Int, mask: Float, last_shell: int, threads: int) -> Float:
    """Give -2 log of the likelihood of the best ball, of whatever density, anywhere in the mask: (n,).

    It counts from the same constant as `class_costs`; what looking in many places finds in noise is taken off.

    Args:
        terms: The particles.
        precision: (n_series, m) one over the variance of the noise of the images.
        rows: (n,) row of the precision of each particle.
        mask: (s, s, s)
        last_shell: Of the comparison; balls have little to show beyond.
        threads: Number of them.
    """
    reach = min(last_shell, terms.voxels.reach)
    size = 2 * (reach + 2)
    inside = np.flatnonzero(terms.voxels.shells <= reach)
    indices = terms.voxels.indices[inside].astype(np.int64)
    x, y, z = indices.T
    where = np.fft.ifftshift(_coarser(mask, size))
    radius = (0.75 / np.pi * float((mask > 0.5).mean())) ** (1.0 / 3.0)
    turn = 2.0 * np.pi * np.sqrt((indices**2).sum(axis=1)) * radius
    shapes = [_ball(turn * share) for share in _RADII]
    looked = 2.0 * np.log(len(_RADII) * max(int(where.sum()), 1))
    costs = np.zeros(len(terms))
    plane = x == 0

    def work(first: int) -> None:
        spectrum, real = np.zeros((size, size, size // 2 + 1), np.complex128), np.empty((size,) * 3)
        for particle in range(first, min(first + _BATCH, len(terms))):
            p = precision[rows[particle], inside].astype(np.float64)
            values = terms.data[particle, inside].astype(np.float64)
            weighted = p * (values[:, 0] + 1j * values[:, 1])
            weights = p * terms.weights[particle, inside]
            best = 0.0
            for shape in shapes:
                explained = float((weights * shape**2).sum())
                if not explained > 0:
                    continue
                spectrum[z, y, x] = weighted * shape
                spectrum[-z[plane], -y[plane], 0] = (weighted * shape)[plane].conj()
                half_to_real(spectrum, real, axes=(0, 1, 2))
                # the orthonormal transform counts each pair of opposite frequencies twice
                fits = 0.5 * size**1.5 * float(np.abs(real[where]).max(initial=0.0))
                best = max(best, fits * fits / explained)
            costs[particle] = looked - 2.0 * best

    firsts = range(0, len(terms), _BATCH)
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="classify") as pool:
        list(pool.map(work, firsts))
    return costs


def _ball(turn: Float) -> Float:
    """Give the transform of a ball, one at the origin, at 2π times frequency times radius."""
    safe = np.maximum(turn, 1e-3)
    shape: Float = 3.0 * (np.sin(safe) - safe * np.cos(safe)) / safe**3
    return shape


def _coarser(mask: Float, size: int) -> NDArray[np.bool_]:
    """Look a mask up on a coarser grid with the same centre."""
    old = len(mask)
    at = np.clip(np.round((np.arange(size) - size // 2) * old / size).astype(np.int64) + old // 2, 0, old - 1)
    return mask[np.ix_(at, at, at)] > 0.5
