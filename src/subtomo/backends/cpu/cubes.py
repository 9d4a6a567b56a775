"""Three-dimensional real transforms: sections while they are in the cache, then planes through all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cpu.planes import ToHalf, ToReal, half_planes

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_SECTIONS = 4
"""Sections that are filled and transformed along y together, so that they stay in the cache."""


class CubeToHalf:
    """Transforms cubes to their half transforms.

    Args:
        size: Side, voxels, even.
    """

    def __init__(self, size: int) -> None:
        self._size, self._planes = size, ToHalf(size, size, slice(0, size), size // 2 + 1)
        self._half: Complex64 | None = None

    def transform(self, cube: Float32) -> Complex64:
        """Give the orthonormal transform (c, c, ≥ c // 2 + 1), whose rows may be longer; the next one overwrites it."""
        if self._half is None:
            self._half = self._planes.half(self._size)
        self._planes.transform(np.ascontiguousarray(cube, np.float32), self._half, self._size // 2 + 1)
        self._planes.transform_columns(self._half.transpose(1, 0, 2))
        return self._half


class CubeToReal:
    """Transforms half transforms back to cubes.

    Args:
        size: Side, voxels, even.
    """

    def __init__(self, size: int) -> None:
        self._size, self._planes = size, ToReal(size, size, slice(0, size), size // 2 + 1)
        self._half: Complex64 | None = None

    def transform(self, fill: Callable[[int, Complex64], None], cube_out: Float32) -> None:
        """Transform what is filled in.

        Args:
            fill: Called with the number of a section and with some sections from this one on, (n, c, ≥ c // 2 + 1), to
                write their orthonormal transforms there.
            cube_out: (c, c, c)
        """
        if self._half is None:
            self._half = half_planes(self._size, self._size, self._planes.pitch)
        for first in range(0, self._size, _SECTIONS):
            part = self._half[first : first + _SECTIONS]
            fill(first, part)
            self._planes.transform_columns(part)
        # planes of z and x, one y after another
        self._planes.transform(self._half.transpose(1, 0, 2), cube_out.transpose(1, 0, 2))
