"""What the verbs of the fast backend hand to one another; each says which memory of the backend it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


class Patches(NamedTuple):
    """Patches that are still to be cut out, or already are if something was done to them."""

    images: Sequence[NDArray[Any]]
    corners: NDArray[np.int64]
    cut: Float32 | None = None


class Transforms(NamedTuple):
    """Transforms of patches that are still to be shifted."""

    values: Complex64
    """(n, rows, columns): at least the rows and columns that are needed."""
    shifts: Float
    """(n, 2): x and y position of the particle, binned pixels."""


class Modulated(NamedTuple):
    """Slices (n, b, ≥ b // 2 + 1) with their weights (n, b, b // 2 + 1); slices change sign from pixel to pixel.

    `CpuBackend.to_images` takes the memory of slices, and `CpuBackend.to_slices` fills it again.
    """

    slices: Complex64
    weights: Float32
    n_columns: int
    """As far as pixels will be inserted."""


class CropSlices(NamedTuple):
    """Slices (n, c, c // 2 + 1) of images that were cut to the crop size; they change sign from pixel to pixel."""

    slices: Complex64


class Images(NamedTuple):
    """The rows of images that the circle touches, and the sums over all pixels of the whole images, (n,)."""

    rows: Float32
    totals: Float
