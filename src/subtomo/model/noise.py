"""The noise of a tilt series as its whitened particles hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.notebook import Shown

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class NoiseLevels(Shown):
    """Noise power per shell, and which voxels get noise in its place; (c // 2 + 1,) each.

    Powers are those of orthonormal transforms of whitened data.
    """

    spectrum: Float
    """σ0²: mean noise power of the voxels that hold data."""
    fill: Float
    """Power of what completed voxels get, so that the mean over all voxels of a shell is σ0²."""
    thresholds: Float
    """Voxels are completed whose weight is not above this share of their shell's mean."""

    def _facts(self) -> list[tuple[str, Any]]:
        low, high = self.spectrum.min(), self.spectrum.max()
        return [("", f"{len(self.spectrum)} shells"), ("power", f"{low:.3g} to {high:.3g}")]
