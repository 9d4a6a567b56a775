"""The sums of the reference backend, pixel by pixel."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.nufft import volume_from_points
from subtomo.backends.protocol import Accumulator, BoxGeometry, ExactAccumulator
from subtomo.backends.spectra import Spectra
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.window import particle_sphere

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Int = NDArray[np.int64]
Limits = NDArray[np.int32]


class Modulated(NamedTuple):
    """Slices (n, s, s // 2 + 1) with their weights, same shape; s is the side of the box, or of the crop."""

    slices: Complex
    weights: Float


class TrilinearAccumulator(Accumulator[Modulated, Spectra]):
    """Spreads every pixel over its eight neighbours in the volume (§7.1, §7.2)."""

    def __init__(self, geometry: BoxGeometry) -> None:
        self._size = geometry.crop_size
        self.begin()

    def begin(self) -> None:
        """Start with an empty volume."""
        shape = (self._size, self._size, self._size // 2 + 1)
        self._data = np.zeros(shape, np.complex128)
        self._ctf2, self._multiplicity = np.zeros(shape), np.zeros(shape)

    def insert(self, slices: Modulated, axes: Float, limits: Limits) -> None:
        """Spread the pixels of slices."""
        for slice_, weight, (u, v), limit in zip(*slices, axes, limits, strict=True):
            y, x, points = _visited(len(slice_), u, v, limit)
            scale = float(np.linalg.norm(u) * np.linalg.norm(v))
            self._spread(points, scale, slice_[y, x], weight[y, x])

    def spectra(self) -> Spectra:
        """Take the sums as the transform of a real volume, whose centre is moved to ``c // 2``."""
        c, index = self._size, np.arange(self._size)
        sign = (-1.0) ** (index[:, None, None] + index[:, None] + half_index(c))
        data = np.fft.irfftn(self._data * sign, s=(c, c, c), axes=(0, 1, 2), norm="ortho")
        return Spectra.of_real(data, *self.weights())

    def weights(self) -> tuple[Float, Float]:
        """Give CTF² and multiplicity away, and start anew."""
        given = self._ctf2, self._multiplicity
        self.begin()
        return given

    def _spread(self, points: Float, scale: float, values: Complex, weights: Float) -> None:
        c = self._size
        mirrored = points[:, 0] < 0
        points = np.where(mirrored[:, None], -points, points)
        values = np.where(mirrored, values.conj(), values)
        base = np.floor(points)
        for corner in product((0, 1), repeat=3):
            node = base + np.array(corner)
            share = scale * np.prod(1.0 - np.abs(points - node), axis=1)
            inside = (node[:, 0] < c // 2 + 1) & (np.abs(node[:, 1:] + 0.5) < c / 2).all(axis=1)
            self._add(node[inside].astype(np.int64), share[inside], values[inside], weights[inside])
            on_plane = inside & (node[:, 0] == 0)
            # the plane x = 0 holds both halves, so each value goes to its mirror image too (quirk 6)
            self._add(-node[on_plane].astype(np.int64), share[on_plane], values[on_plane].conj(), weights[on_plane])

    def _add(self, node: Int, share: Float, values: Complex, weights: Float) -> None:
        c = self._size
        where = (node[:, 2] % c, node[:, 1] % c, node[:, 0])
        np.add.at(self._data, where, share * values)
        np.add.at(self._ctf2, where, share * weights)
        np.add.at(self._multiplicity, where, share)


class ReferenceExact(ExactAccumulator[Modulated, Modulated, Spectra]):
    """Sums data by a non-uniform Fourier transform in double precision."""

    def __init__(self, geometry: BoxGeometry) -> None:
        self._size, self._weights = geometry.crop_size, TrilinearAccumulator(geometry)
        self.begin()

    def begin(self) -> None:
        """Start with an empty volume."""
        self._data = np.zeros((self._size,) * 3)
        self._weights.begin()

    def insert_weights(self, slices: Modulated, axes: Float, limits: Limits) -> None:
        """Spread the weights as trilinear insertion does."""
        self._weights.insert(slices, axes, limits)

    def insert_data(self, slices: Modulated, axes: Float, limits: Limits, scales: Float) -> None:
        """Add the waves of all pixels."""
        c = self._size
        for slice_, (u, v), limit, scale in zip(slices.slices, axes, limits, scales, strict=True):
            y, x, points = _visited(len(slice_), u, v, limit)
            inside = (np.abs(points) < c / 2 + 1e-6).all(axis=1)
            self._data += volume_from_points(points[inside] / c, scale * slice_[y, x][inside], c)

    def spectra(self) -> Spectra:
        """Fade the data to zero beyond the largest sphere; the sums become those of an orthonormal transform."""
        data = self._data * particle_sphere(self._size) / np.sqrt(float(self._size) ** 3)
        sums = Spectra.of_real(data, *self._weights.weights())
        self.begin()
        return sums


def _visited(size: int, u: Float, v: Float, limit: NDArray[np.int32]) -> tuple[Int, Int, Float]:
    """List rows and columns of the pixels of a slice that are added, and where they lie, (n, 3)."""
    row, column = np.arange(size)[:, None], np.arange(size // 2 + 1)
    y, x = np.nonzero((column < limit[:, None]) & ((column > 0) | (row < size // 2)))
    return y, x, x[:, None] * u + wrapped_index(size)[y][:, None] * v
