"""Maps that are to be alike."""

from __future__ import annotations

import numpy as np


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlate two maps within a sphere."""
    z, y, x = np.indices(one.shape) - len(one) // 2
    inside = x * x + y * y + z * z < (len(one) // 2 - 2) ** 2
    return float(np.corrcoef(one[inside], other[inside])[0, 1])
