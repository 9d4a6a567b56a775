"""The seam of classification: what a backend must do with particles that lie in one common frame."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]


class ClassBackend(Protocol):
    """What classification needs to have computed; D and W are the terms of particles at m voxels."""

    @abstractmethod
    def class_costs(
        self, data: Float32, weights: Float32, precision: Float32, models: Float32, rows: Int, threads: int
    ) -> Float:
        """Give -2 log of the likelihood of each particle under each reference, up to a constant, (n, n_classes).

        Args:
            data: (n, m, 2) D.
            weights: (n, m) W.
            precision: (n_series, m) one over the variance of D / √W.
            models: (n_classes, m, 2) V.
            rows: (n,) row of the precision of each particle.
            threads: Number of them.
        """

    @abstractmethod
    def shared_sums(self, data: Float32, weights: Float32, shares: Float, threads: int) -> tuple[Float, Float]:
        """Add particles up by shares (n, n_sums).

        Returns:
            Σ share D, (n_sums, m, 2), and Σ share W, (n_sums, m).
        """

    @abstractmethod
    def shared_residuals(
        self, data: Float32, weights: Float32, models: Float32, shares: Float, shells: Int, threads: int
    ) -> tuple[Float, Float]:
        """Add up Σ share |D - W V|² and Σ share W by particle and shell, (n, n_shells) each; shells are (m,)."""
