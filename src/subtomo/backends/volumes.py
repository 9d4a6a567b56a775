"""The seam of whole volumes: transforms that can be looked up anywhere, rotation by them, statistics."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.frequency import half_index, wrapped_index

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex128]
Complex64 = NDArray[np.complex64]
Real = NDArray[np.floating]


class Samples(NamedTuple):
    """Values of a transform."""

    values: Complex
    """(n,)"""
    gradient: Complex
    """(n, 3) derivatives by x, y and z, per step of frequency; (0, 3) if not wanted."""


class RangeAndSums(NamedTuple):
    """What the header of an MRC file is made of."""

    minimum: float
    maximum: float
    total: float
    """Σ (v - origin)"""
    squares: float
    """Σ (v - origin)²"""


class Spectrum(Protocol):
    """The transform of a volume, ready to be looked up."""

    @property
    def size(self) -> int:
        """Side of the volume, voxels."""


class RotatedSum(Protocol):
    """Adds up rotated volumes and their weights; not to be shared between threads.

    The volumes are periodic, band-limited functions: nothing is lost between voxels within |r| = c / 2, whatever the
    rotation.
    """

    @abstractmethod
    def add(self, data: Float32, factor: Float32 | None, weights: Float32, matrix: Float, offset_px: Float) -> None:
        """Add r → v(matrix · r - offset), of the frequencies below c / 2, and k → weights(matrix · k).

        Args:
            data: (c, c, c) v in real space, centre at ``c // 2``.
            factor: (c, c, c // 2 + 1) by which the transform of v is multiplied; None for one.
            weights: (c, c, c // 2 + 1) half transform; between its values it is trilinear, from c / 2 on zero.
            matrix: (3, 3) rotation.
            offset_px: (3,) x, y, z in voxels.
        """

    @abstractmethod
    def read(self) -> tuple[Float32, Float32]:
        """Give the sums, and begin anew.

        Returns:
            (c, c, c) in real space with its centre at ``c // 2``; (c, c, c // 2 + 1).
        """

    @abstractmethod
    def clear(self) -> None:
        """Begin anew after an error."""


AnySpectrum = TypeVar("AnySpectrum", bound=Spectrum)


class VolumeBackend(Protocol[AnySpectrum]):
    """Verbs of volumes; nothing is kept between them, so that threads may share an instance.

    Frequencies are counted in steps of a transform of the volume's size c: x, y, z from -c / 2 to c / 2.
    """

    @abstractmethod
    def spectrum(self, volume: Real, damping: Real | None = None) -> AnySpectrum:
        """Transform a volume so that it can be sampled.

        Args:
            volume: (c, c, c) real space, centre at ``c // 2``; c is even.
            damping: (c, c, c) by which the volume was multiplied, and which is to be undone; None for nothing.
        """

    @abstractmethod
    def sample(self, spectrum: AnySpectrum, points: Float, *, gradient: bool = False) -> Samples:
        """Compute Σ v(r) exp(-2πi p·r / c) at any frequencies p, r counted from the volume's centre.

        Args:
            spectrum: Of the volume.
            points: (n, 3) x, y, z; from |p| = c / 2 on values are zero.
            gradient: Whether derivatives are wanted, too.
        """

    def rotated(self, spectrum: AnySpectrum, matrix: Float, offset_px: Float | None = None) -> Complex64:
        """Compute the transform of r → volume(matrix · r - offset).

        That is `sample` at matrix · k for all k of a half transform; a backend may know a faster way.

        Args:
            spectrum: Of the volume.
            matrix: (3, 3) rotation.
            offset_px: (3,) x, y, z in voxels; None for none.

        Returns:
            (c, c, c // 2 + 1) half transform without normalisation, of a volume with its centre at [0, 0, 0];
            zero from the frequency c / 2 on.
        """
        c = spectrum.size
        frequencies = half_frequencies(c)
        points = frequencies @ np.asarray(matrix, np.float64).T
        # by the frequency before rotation, whose square is a whole number
        inside = (frequencies**2).sum(axis=1) < c * c / 4
        values = np.where(inside, self.sample(spectrum, points).values, 0.0)
        if offset_px is not None:
            values = values * np.exp(-2j * np.pi * (points @ offset_px) / c)
        return values.reshape(c, c, c // 2 + 1).astype(np.complex64)

    @abstractmethod
    def rotated_weights(self, weights: Real, matrix: Float) -> Float32:
        """Compute k → weights(matrix · k), trilinear, zero from c / 2 on; half transforms (c, c, c // 2 + 1)."""

    def rotated_sum(self, size: int) -> RotatedSum:
        """Make a sum of volumes of side ``size``, even; by default a slow one, in double precision."""
        from subtomo.backends.direct_sum import DirectSum

        return DirectSum(size, self)

    @abstractmethod
    def range_and_sums(self, values: Float32, origin: float) -> RangeAndSums:
        """Measure a flat array, with sums in double precision."""


AnyVolumeBackend: TypeAlias = VolumeBackend[Any]


def half_frequencies(size: int) -> Float:
    """List the frequencies x, y, z of a half transform (c, c, c // 2 + 1) in the order of its voxels, (n, 3)."""
    wrapped = wrapped_index(size)
    z, y, x = np.meshgrid(wrapped, wrapped, half_index(size), indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1).astype(np.float64)
