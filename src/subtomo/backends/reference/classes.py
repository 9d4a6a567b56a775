"""The verbs of particles in one common frame, as the formulas say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.classes import ClassBackend

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]


class ReferenceClasses(ClassBackend):
    """Double precision, whole arrays, one thread."""

    def class_costs(
        self, data: Float32, weights: Float32, precision: Float32, models: Float32, rows: Int, threads: int
    ) -> Float:
        """See `ClassBackend`."""
        p, d, w = precision.astype(np.float64)[rows], _complex(data), weights.astype(np.float64)
        costs = [2.0 * (p * (w * np.abs(v) ** 2 - 2.0 * (d.conj() * v).real)).sum(axis=1) for v in _complex(models)]
        return np.stack(costs, axis=1)

    def shared_sums(self, data: Float32, weights: Float32, shares: Float, threads: int) -> tuple[Float, Float]:
        """See `ClassBackend`."""
        total = np.einsum("ns,nmc->smc", shares, data.astype(np.float64))
        return total, shares.T @ weights.astype(np.float64)

    def shared_residuals(
        self, data: Float32, weights: Float32, models: Float32, shares: Float, shells: Int, threads: int
    ) -> tuple[Float, Float]:
        """See `ClassBackend`."""
        d, w, n = _complex(data), weights.astype(np.float64), int(shells.max(initial=0)) + 1
        power = sum(
            share[:, None] * np.abs(d - w * v) ** 2 for share, v in zip(shares.T, _complex(models), strict=True)
        )
        of_shell = (shells[:, None] == np.arange(n)).astype(np.float64)
        return np.asarray(power @ of_shell), shares.sum(axis=1)[:, None] * (w @ of_shell)


def _complex(values: Float32) -> NDArray[np.complex128]:
    found: NDArray[np.complex128] = values[..., 0] + 1j * values[..., 1].astype(np.float64)
    return found
