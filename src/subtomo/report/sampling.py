"""Choose some of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def even_sample(total: int, most: int) -> Indices:
    """Return at most `most` indices, spread evenly over all."""
    if total <= most:
        return np.arange(total)
    return np.linspace(0, total - 1, most).astype(np.int64)
