"""The verbs of the fast backend: buffers, transforms, and calls of the loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.kernels.cpu.insert import add_slices, padded_shape, unpack_volume
from subtomo.kernels.cpu.modulate import modulate_slices
from subtomo.kernels.cpu.patches import circle_crop, crop_rolled
from subtomo.kernels.fft import complex_to_complex, half_to_real, real_to_half
from subtomo.kernels.protocol import BoxGeometry, FourierVolume, TiltFilters
from subtomo.physics.ctf import CtfTerms
from subtomo.physics.window import circle_crop_window

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_BATCH_PIXELS = 1 << 17
"""Patches of a batch together have about this many pixels, so that all of its buffers stay in the cache."""
_MAX_BATCH = 16


class Spectra(NamedTuple):
    """Transforms of patches that are still to be shifted."""

    values: Complex64
    """(n, rows, columns): all rows of the patch, columns as far as they are needed."""
    shifts: Float
    """(n, 2): x and y position of the particle, binned pixels."""


class Modulated(NamedTuple):
    """Slices (n, b, b // 2 + 1) with their weights, same shape, and the sign pattern that slices carry."""

    slices: Complex64
    weights: Float32
    checkered: bool
    """Whether every second pixel is negative, which places the centre of the image at b // 2."""


class CpuBackend:
    """Numba and ducc0 (or scipy), for one thread."""

    def __init__(self, geometry: BoxGeometry) -> None:
        self.geometry = g = geometry
        self.tilts_at_once = n = max(1, min(_MAX_BATCH, _BATCH_PIXELS // g.patch_size**2))
        patch, box, half = g.patch_size, g.box_size, g.half_box
        self._patches = np.empty((n, patch, patch), np.float32)
        self._rows = np.empty((n, patch, patch // 2 + 1), np.complex64)
        self._spectra = np.empty((n, patch, g.n_columns), np.complex64)
        self._slices = np.empty((n, box, half), np.complex64)
        self._weights = np.empty((n, box, half), np.float32)
        self._images = np.empty((n, box, box), np.float32)
        self._volume = np.zeros(padded_shape(g.crop_size), np.float32)
        self._crop_mask, self._crop_background = _window(box, g.boundary, roll=False)
        self._patch_window: tuple[Float32, NDArray[np.bool_]] | None = None

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Float32:
        """Cut patches with edge pixels repeated and roll them by half (§6.1)."""
        for i, image in enumerate(images):
            crop_rolled(image, corners[i, 0], corners[i, 1], self._patches[i])
        return self._patches[: len(images)]

    def circle_crop_patches(self, patches: Float32) -> Float32:
        """Mask patches with the largest soft circle."""
        if self._patch_window is None:
            self._patch_window = _window(self.geometry.patch_size, 0, roll=True)
        circle_crop(patches, *self._patch_window)
        return patches

    def transform(self, patches: Float32, shifts: Float) -> Spectra:
        """Transform patches (§6.1); when binning, only the columns that will be kept."""
        g, n = self.geometry, len(patches)
        if g.binning == 1.0:
            return Spectra(real_to_half(patches, self._rows[:n], (1, 2)), shifts)
        rows = real_to_half(patches, self._rows[:n], (2,))
        return Spectra(complex_to_complex(rows[:, :, : g.n_columns], self._spectra[:n], 1), shifts)

    def modulate(
        self, slices: Spectra, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None
    ) -> Modulated:
        """Crop in Fourier space, shift, and multiply by all filters (§6.2 to §6.6)."""
        g, n = self.geometry, len(tilts)
        modulate_slices(
            slices.values,
            slices.shifts,
            (g.n_rows, g.n_columns, 1.0 / (g.box_size * filters.pixel_size_angstrom), filters.sign / g.binning),
            tilts,
            filters.dose_weights,
            filters.whitening,
            filters.even_phase,
            filters.odd_factor,
            ctf,
            self._slices[:n],
            self._weights[:n],
        )
        return Modulated(self._slices[:n], self._weights[:n], checkered=True)

    def to_images(self, modulated: Modulated) -> Float32:
        """Transform to real space, the centre at b // 2."""
        slices = modulated.slices
        return half_to_real(slices, self._images[: len(slices)], (1, 2))

    def circle_crop(self, images: Float32) -> Float32:
        """Mask images outside the circle that fits the crop."""
        circle_crop(images, self._crop_mask, self._crop_background)
        return images

    def multiply(self, images: Float32, factor: Float) -> Float32:
        """Multiply images by a factor per pixel."""
        return np.multiply(images, factor.astype(np.float32), out=images)

    def to_slices(self, images: Float32, modulated: Modulated) -> Modulated:
        """Transform back; the centre stays at b // 2, as the sign pattern says."""
        slices = real_to_half(images, modulated.slices, (1, 2))
        return Modulated(slices, modulated.weights, checkered=True)

    def window(self, images: Float32) -> Float32:
        """Copy the central window."""
        start, stop = self.geometry.boundary, self.geometry.boundary + self.geometry.crop_size
        return images[:, start:stop, start:stop].copy()

    def insert(self, modulated: Modulated, axes: Float, limits: NDArray[np.int32]) -> None:
        """Spread every pixel over its eight neighbours in the volume (§7.1, §7.2)."""
        add_slices(modulated.slices, modulated.weights, axes, limits, modulated.checkered, self._volume)

    def finish(self, data_scale: float) -> FourierVolume:
        """Transform the volume to real space (§7.3)."""
        c = self.geometry.crop_size
        spectrum = np.empty((c, c, c // 2 + 1), np.complex64)
        weights = np.empty((2 * c, c, c // 2 + 1), np.float32)
        unpack_volume(self._volume, np.float32(data_scale), spectrum, weights)
        self._volume[...] = 0.0
        data = half_to_real(spectrum, np.empty((c, c, c), np.float32), (0, 1, 2))
        return FourierVolume(data, weights)


def _window(size: int, boundary: int, *, roll: bool) -> tuple[Float32, NDArray[np.bool_]]:
    mask, background = circle_crop_window(size, boundary)
    if roll:
        shift = (-(size // 2), -(size // 2))
        mask, background = np.roll(mask, shift, (0, 1)), np.roll(background, shift, (0, 1))
    return mask.astype(np.float32), background
