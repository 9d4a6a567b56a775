"""The accumulators of the fast backend: their memory, and the way out of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cpu.exact import ExactVolume
from subtomo.backends.cpu.handed import CropSlices, Modulated
from subtomo.backends.cpu.insert import (
    add_slices,
    clear_padding,
    padded_shape,
    symmetric_plane,
    unpack_sections,
    unpack_weights,
)
from subtomo.backends.cpu.sums import CpuSums, SumsMemory
from subtomo.backends.cpu.tables import sphere
from subtomo.backends.protocol import Accumulator, ExactAccumulator

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]
Limits = NDArray[np.int32]


class CpuTrilinear(Accumulator[Modulated, CpuSums]):
    """Data, CTF² and multiplicity of a voxel side by side; see `insert`.

    Args:
        crop_size: c, even.
        memory: For the sums of one particle after another.
    """

    def __init__(self, crop_size: int, memory: SumsMemory) -> None:
        self._volume = np.zeros(padded_shape(crop_size), np.float32)
        self._plane = np.empty((crop_size, crop_size, 4), np.float32)
        self._memory, self._is_clean = memory, True

    def begin(self) -> None:
        """Forget what a particle that failed has left behind."""
        if not self._is_clean:
            self._volume[...] = 0.0
            self._is_clean = True

    def insert(self, slices: Modulated, axes: Float, limits: Limits) -> None:
        """Spread every pixel over its eight neighbours in the volume."""
        self._is_clean = False
        add_slices(slices.slices.view(np.float32), slices.weights, axes, limits, self._volume)

    def spectra(self) -> CpuSums:
        """Hand over what `unpack` will write out."""
        return CpuSums(self, self._memory)

    def unpack(self, scale: float, data_out: Float32, memory: SumsMemory, weights_out: Float32, *, real: bool) -> bool:
        """Take the volume apart, and transform sections along y while they are in the cache; see `sums.Packed`."""
        symmetric_plane(self._volume, self._plane)

        def fill(first: int, sections: Complex64) -> None:
            part = sections.view(np.float32)
            unpack_sections(self._volume, self._plane, np.float32(scale), first, part, weights_out)

        if real:
            memory.to_real.transform(fill, data_out)
        else:
            fill(0, memory.spectrum)
        clear_padding(self._volume)
        self._is_clean = True
        return real


class CpuExact(ExactAccumulator[Modulated, CropSlices, CpuSums]):
    """Data on the grid of a non-uniform Fourier transform, weights in a volume of two numbers per voxel.

    Args:
        crop_size: c, even.
        memory: For the sums of one particle after another.
    """

    def __init__(self, crop_size: int, memory: SumsMemory) -> None:
        self._weights = np.zeros(padded_shape(crop_size, channels=2), np.float32)
        self._data = ExactVolume(crop_size)
        self._memory, self._is_clean = memory, True

    def begin(self) -> None:
        """Forget what a particle that failed has left behind."""
        self._data.clear()
        if not self._is_clean:
            self._weights[...] = 0.0
            self._is_clean = True

    def insert_weights(self, slices: Modulated, axes: Float, limits: Limits) -> None:
        """Spread weights alone."""
        self._is_clean = False
        add_slices(slices.slices.view(np.float32), slices.weights, axes, limits, self._weights)

    def insert_data(self, slices: Modulated | CropSlices, axes: Float, limits: Limits, scales: Float) -> None:
        """Spread every pixel over the nodes around it."""
        self._data.add(slices.slices, axes, limits, scales)

    def spectra(self) -> CpuSums:
        """Hand over what `unpack` will write out."""
        return CpuSums(self, self._memory)

    def unpack(self, scale: float, data_out: Float32, memory: SumsMemory, weights_out: Float32, *, real: bool) -> bool:
        """Read the data off the grid, always in real space; see `sums.Packed`."""
        unpack_weights(self._weights, weights_out)
        self._is_clean = True
        self._data.read(scale, data_out)
        data_out *= sphere(len(data_out))
        return True
