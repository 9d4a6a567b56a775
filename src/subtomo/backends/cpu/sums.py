"""The sums of one particle on their way from an accumulator to a volume."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cpu.cubes import CubeToHalf, CubeToReal
from subtomo.backends.cpu.results import ResultMemory

Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


class SumsMemory:
    """What all particles of a backend go through, one after another.

    Args:
        crop_size: c, even.
    """

    def __init__(self, crop_size: int) -> None:
        self._crop_size = c = crop_size
        self._spectrum: Complex64 | None = None
        self.to_real, self.to_half = CubeToReal(c), CubeToHalf(c)
        self.data = ResultMemory(c, c, c)
        self.weights = ResultMemory(2 * c, c, c // 2 + 1)

    @property
    def spectrum(self) -> Complex64:
        """(c, c, c // 2 + 1), scratch; allocated when it is needed for the first time."""
        if self._spectrum is None:
            c = self._crop_size
            self._spectrum = np.empty((c, c, c // 2 + 1), np.complex64)
        return self._spectrum


class Packed(Protocol):
    """An accumulator that still holds the sums, in an order of its own."""

    def unpack(self, scale: float, data_out: Float32, memory: SumsMemory, weights_out: Float32, *, real: bool) -> bool:
        """Write the scaled sums out and start anew.

        Args:
            scale: Of the data.
            data_out: (c, c, c) real space, centre at ``c // 2``.
            memory: Its spectrum is the orthonormal transform of the same, or scratch if data are wanted.
            weights_out: (2 c, c, c // 2 + 1) CTF², then multiplicity.
            real: Whether data are wanted in real space.

        Returns:
            Whether they are in real space, in `data_out`; else in the spectrum.
        """


class CpuSums:
    """Data and weights of a particle, the data in real space or in Fourier space, as they were needed last.

    Until something needs them they stay where they were added up: a volume is written once only, and while its sections
    are in the cache they are transformed, too.
    """

    def __init__(self, packed: Packed, memory: SumsMemory) -> None:
        self._packed: Packed | None = packed
        self._memory, self._scale, self._is_real = memory, 1.0, False
        self._data, self._weights = memory.data.lend(), memory.weights.lend()

    @property
    def weights(self) -> Float32:
        """(2 c, c, c // 2 + 1): CTF², then multiplicity."""
        self._unpack(real=True)
        return self._weights

    @property
    def ctf2(self) -> Float32:
        """(c, c, c // 2 + 1); the first half of `weights`."""
        return self.weights[: len(self._data)]

    def real(self) -> Float32:
        """Give the data in real space, (c, c, c); they may be changed."""
        self._unpack(real=True)
        if not self._is_real:
            self._memory.to_real.transform(self._fill, self._data)
            self._is_real = True
        return self._data

    def spectrum(self) -> Complex64:
        """Give the orthonormal transform of the data, (c, c, c // 2 + 1); it may be changed.

        As it comes from insertion, voxels of the plane x = c / 2 differ from their mirror images.
        """
        self._unpack(real=False)
        if self._is_real:
            self._memory.spectrum[...] = self._memory.to_half.transform(self._data)[..., : len(self._data) // 2 + 1]
            self._is_real = False
        return self._memory.spectrum

    def scale(self, factor: float) -> None:
        """Multiply the data by a factor, on their way out if they are packed."""
        if self._packed is not None:
            self._scale *= factor
        else:
            values = self._data if self._is_real else self._memory.spectrum.view(np.float32)
            values *= np.float32(factor)

    def _fill(self, first: int, sections: Complex64) -> None:
        sections[..., : len(self._data) // 2 + 1] = self._memory.spectrum[first : first + len(sections)]

    def _unpack(self, *, real: bool) -> None:
        if self._packed is not None:
            self._is_real = self._packed.unpack(self._scale, self._data, self._memory, self._weights, real=real)
            self._packed = None
