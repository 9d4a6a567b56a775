"""Which voxels of a half transform are compared, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4
"""Side of the cubes that voxels are visited by: what they look up in a reference then lies together in memory."""


@dataclass(frozen=True, eq=False)
class Voxels:
    """Voxels up to some shell of the transform of a cube; of each pair of opposite frequencies one."""

    size: int
    """Side of the cube, c."""
    reach: int
    """The last shell, below c / 2."""
    indices: NDArray[np.int16]
    """(n, 3) x, y, z, x ≥ 0."""
    shells: NDArray[np.int64]
    """(n,) the radius, rounded."""

    def __len__(self) -> int:
        return len(self.shells)

    def up_to(self, reach: int) -> Voxels:
        """Give those up to a lower shell."""
        return voxels_of(self.size, min(reach, self.reach))


@lru_cache(maxsize=32)
def voxels_of(size: int, reach: int) -> Voxels:
    """List the voxels up to a shell, within the sphere that fits into the transform of a cube of a side."""
    reach = min(reach, size // 2 - 1)
    axis = np.arange(-reach, reach + 1)
    z, y, x = (values.ravel() for values in np.meshgrid(axis, axis, axis[reach:], indexing="ij"))
    radius = np.sqrt(x * x + y * y + z * z)
    # in the plane x = 0 both of a pair are there
    once = (x > 0) | (y > 0) | ((y == 0) & (z >= 0))
    keep = once & (radius <= reach)
    x, y, z, radius = x[keep], y[keep], z[keep], radius[keep]
    blocks = [values // _BLOCK for values in (x, y, z)]
    order = np.lexsort((x, y, z, *blocks))
    indices = np.stack([x, y, z], axis=1)[order].astype(np.int16)
    shells = np.floor(radius[order] + 0.5).astype(np.int64)
    for values in (indices, shells):
        values.flags.writeable = False
    return Voxels(size, reach, indices, shells)
