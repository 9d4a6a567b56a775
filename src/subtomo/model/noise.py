"""The noise of a tilt series as its whitened particles hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """Noise power per shell, and which voxels get noise in its place; (c // 2 + 1,) each.

    Powers are those of orthonormal transforms of whitened data.
    """

    spectrum: Float
    """σ0²: mean noise power of the voxels that hold data."""
    fill: Float
    """Power of what completed voxels get, so that the mean over all voxels of a shell is σ0²."""
    thresholds: Float
    """Voxels are completed whose weight is not above this share of their shell's mean."""
