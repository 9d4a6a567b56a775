"""The reference backend: slow, obvious NumPy in double precision, the oracle for every other backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import Backend, BoxGeometry, Consumed, TiltFilters
from subtomo.backends.reference.accumulators import Modulated, ReferenceExact, TrilinearAccumulator
from subtomo.backends.reference.alignment import ReferenceAlignment
from subtomo.backends.reference.volumes import ReferenceVolumes
from subtomo.backends.spectra import FourierVolume, Spectra, Step
from subtomo.physics.ctf import CtfTerms, ctf_values
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.window import circle_crop_window

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


class ReferenceBackend(Backend[Float, Complex, Modulated, Float, Modulated, Spectra]):
    """Does what the specification says, line by line."""

    tilts_at_once = 1000

    def __init__(self, geometry: BoxGeometry) -> None:
        self.geometry = geometry
        self._trilinear, self._exact = TrilinearAccumulator(geometry), ReferenceExact(geometry)

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Float:
        """Cut patches with edge pixels repeated and roll them by half (§6.1)."""
        size = self.geometry.patch_size
        patches = np.zeros((len(images), size, size))
        for i, (image, (x, y)) in enumerate(zip(images, corners, strict=True)):
            rows = np.clip(np.arange(y, y + size), 0, image.shape[0] - 1)
            columns = np.clip(np.arange(x, x + size), 0, image.shape[1] - 1)
            patches[i] = image[np.ix_(rows, columns)]
        return np.roll(patches, (-(size // 2), -(size // 2)), axis=(1, 2))

    def circle_crop_patches(self, patches: Consumed[Float]) -> Float:
        """Mask patches with the largest soft circle."""
        size = self.geometry.patch_size
        mask, background = circle_crop_window(size, 0)
        shift = (-(size // 2), -(size // 2))
        return _masked(patches, np.roll(mask, shift, (0, 1)), np.roll(background, shift, (0, 1)))

    def transform(self, patches: Consumed[Float], shifts: Float) -> Complex:
        """Transform, crop in Fourier space and shift (§6.1, §6.2)."""
        g = self.geometry
        spectra = np.fft.rfft2(patches) / g.patch_size
        if g.binning != 1.0:
            row = np.arange(g.n_rows)
            row = np.where(row < g.n_rows // 2, row, row - g.n_rows + g.patch_size)
            spectra = spectra[:, row, : g.n_columns] / g.binning
        # with odd patches the width that enters the phase is not the box size (quirk 7)
        width, height = 2 * (g.n_columns - 1), g.n_rows
        phase_x = (shifts[:, 0, None] - width // 2) * half_index(width) / width
        phase_y = (shifts[:, 1, None] - height // 2) * wrapped_index(height) / height
        slices = np.zeros((len(patches), g.box_size, g.half_box), dtype=np.complex128)
        turns = phase_x[:, None, :] + phase_y[:, :, None]
        slices[:, :, : g.n_columns] = spectra * np.exp(2j * np.pi * turns)
        return slices

    def modulate(
        self, slices: Complex, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None
    ) -> Modulated:
        """Multiply by CTF, dose weights, aberrations and whitening (§6.6)."""
        amplitude = np.ones(slices.shape)
        if ctf is not None:
            grid = half_frequency(self.geometry.box_size, filters.pixel_size_angstrom)
            amplitude = ctf_values(ctf, *grid, filters.even_phase) * filters.dose_weights[tilts]
        slices, weights = filters.sign * amplitude * slices, amplitude**2
        if filters.odd_factor is not None:
            slices = slices * filters.odd_factor
        if filters.whitening is not None:
            # once, not squared (quirk 3)
            slices, weights = slices * filters.whitening[tilts], weights * filters.whitening[tilts]
        return Modulated(slices, weights)

    def to_images(self, modulated: Consumed[Modulated]) -> Float:
        """Transform to real space, the centre at b // 2."""
        size = self.geometry.box_size
        sign = (-1.0) ** (np.arange(size)[:, None] + half_index(size))
        return np.fft.irfft2(modulated.slices * sign, s=(size, size)) * size

    def circle_crop(self, images: Consumed[Float]) -> Float:
        """Mask images outside the circle that fits the crop."""
        return _masked(images, *circle_crop_window(self.geometry.box_size, self.geometry.boundary))

    def multiply(self, images: Consumed[Float], factor: Float) -> Float:
        """Multiply images by a factor per pixel."""
        return images * factor

    def to_slices(self, images: Consumed[Float], modulated: Consumed[Modulated]) -> Modulated:
        """Transform back, the centre at the origin."""
        half = self.geometry.box_size // 2
        rolled = np.roll(images, (-half, -half), axis=(1, 2))
        return Modulated(np.fft.rfft2(rolled) / self.geometry.box_size, modulated.weights)

    def to_crop_slices(self, images: Float) -> Modulated:
        """Cut the central window out and transform it, the centre at the origin."""
        half = self.geometry.crop_size // 2
        rolled = np.roll(self.window(images), (-half, -half), axis=(1, 2))
        slices = np.fft.rfft2(rolled) / self.geometry.crop_size
        slices[:, 0, 0] *= self.geometry.origin_share
        return Modulated(slices, np.zeros(slices.shape))

    def window(self, images: Float) -> NDArray[np.float32]:
        """Cut the central window."""
        start, stop = self.geometry.boundary, self.geometry.boundary + self.geometry.crop_size
        return images[:, start:stop, start:stop].astype(np.float32)

    def trilinear(self) -> TrilinearAccumulator:
        """Spread pixels over their eight neighbours."""
        return self._trilinear

    def exact(self) -> ReferenceExact:
        """Sum over pixels, exactly."""
        return self._exact

    def apply(self, sums: Consumed[Spectra], step: Step) -> Spectra:
        """Do what the step says."""
        return step(sums)

    def to_volume(self, sums: Consumed[Spectra]) -> FourierVolume:
        """Transform to real space, in single precision."""
        return sums.volume()

    @classmethod
    def volumes(cls) -> ReferenceVolumes:
        """Give the exact, slow verbs of volumes."""
        return ReferenceVolumes()

    @classmethod
    def alignment(cls) -> ReferenceAlignment:
        """Give the slow verbs of alignment."""
        return ReferenceAlignment()


def _masked(images: Float, mask: Float, background: NDArray[np.bool_]) -> Float:
    if background.any():
        images = images - images[:, background].mean(axis=1)[:, None, None]
    return images * mask
