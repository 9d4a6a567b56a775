"""The verbs of the fast backend: buffers, transforms, and calls of the loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.alignment import AlignmentBackend
from subtomo.backends.cpu.accumulators import CpuExact, CpuTrilinear
from subtomo.backends.cpu.handed import CropSlices, Images, Modulated, Patches, Transforms
from subtomo.backends.cpu.modulate import modulate_slices
from subtomo.backends.cpu.patches import circle_crop_rows, circle_crop_whole, crop_rolled, crop_rows
from subtomo.backends.cpu.steps import apply_step
from subtomo.backends.cpu.sums import CpuSums, SumsMemory
from subtomo.backends.cpu.tables import circle, rolled_window
from subtomo.backends.cpu.volumes import CpuVolumes
from subtomo.backends.fft import complex_to_complex, half_to_real, real_to_half
from subtomo.backends.protocol import Backend, BoxGeometry, Consumed, TiltFilters
from subtomo.backends.spectra import FourierVolume, Step
from subtomo.physics.ctf import CtfTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_BATCH_PIXELS = 1 << 17
"""Boxes of a batch together have about this many pixels, so that its buffers stay in the cache."""
_MAX_BATCH = 16
_BLOCK_PIXELS = 1 << 16
"""Large patches are cropped and transformed along x in blocks of rows of this size, for the same reason."""

# one type for what is there and what is not: every other type would mean another compilation
_NO_WHITENING, _NO_PHASE = np.empty((0, 0, 0), np.float32), np.empty((0, 0))
_NO_FACTOR = np.empty((0, 0), np.complex64)
_NONE = np.empty(0)
_NO_CTF = CtfTerms(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, quartic=0.0)


class CpuBackend(Backend[Patches, Transforms, Modulated, Images, CropSlices, CpuSums]):
    """Numba and ducc0 (or scipy), for one thread."""

    def __init__(self, geometry: BoxGeometry) -> None:
        self.geometry = g = geometry
        self.tilts_at_once = n = max(1, min(_MAX_BATCH, _BATCH_PIXELS // g.box_size**2))
        patch, box, half, crop = g.patch_size, g.box_size, g.half_box, g.crop_size
        # without binning all columns are kept, and small patches stay in the cache anyway
        small = g.binning == 1.0 and patch**2 <= _BLOCK_PIXELS
        self._whole = np.empty((patch, patch), np.float32) if small else None
        self._block_rows = max(1, min(patch, _BLOCK_PIXELS // patch))
        self._block = np.empty((self._block_rows, patch), np.float32)
        self._block_spectrum = np.empty((self._block_rows, patch // 2 + 1), np.complex64)
        self._spectra = np.empty((n, patch, g.n_columns), np.complex64)
        self._slices = np.empty((n, box, half), np.complex64)
        self._weights = np.empty((n, box, half), np.float32)
        # the circle reaches one row further than the crop, where there is one
        self._central = slice(g.boundary, min(box, g.boundary + crop + 1))
        self._rows = np.empty((n, self._central.stop - self._central.start, box), np.float32)
        self._circle = circle(g, self._central)
        self._patch_window: tuple[Float32, NDArray[np.bool_]] | None = None
        self._cut: Float32 | None = None
        self._sums = SumsMemory(crop)
        self._trilinear: CpuTrilinear | None = None
        self._exact: CpuExact | None = None

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Patches:
        """Remember what to cut out; `transform` does it, block by block."""
        return Patches(images, corners)

    def circle_crop_patches(self, patches: Consumed[Patches]) -> Patches:
        """Cut patches out (§6.1) and mask them with the largest soft circle."""
        size = self.geometry.patch_size
        if self._patch_window is None or self._cut is None:
            self._patch_window = rolled_window(size)
            self._cut = np.empty((self.tilts_at_once, size, size), np.float32)
        cut = self._cut[: len(patches.images)]
        for patch, image, corner in zip(cut, patches.images, patches.corners, strict=True):
            crop_rolled(image, corner[0], corner[1], patch)
        circle_crop_whole(cut, *self._patch_window)
        return patches._replace(cut=cut)

    def transform(self, patches: Consumed[Patches], shifts: Float) -> Transforms:
        """Transform patches (§6.1), of which only the columns that will be kept."""
        spectra = self._spectra[: len(patches.images)]
        for i in range(len(spectra)):
            if self._whole is not None and patches.cut is None:
                crop_rolled(patches.images[i], patches.corners[i, 0], patches.corners[i, 1], self._whole)
                real_to_half(self._whole, spectra[i], (0, 1))
                continue
            self._transform_rows(patches, i, spectra[i])
            complex_to_complex(spectra[i], spectra[i], 0)
        return Transforms(spectra, shifts)

    def modulate(
        self, slices: Transforms, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None
    ) -> Modulated:
        """Crop in Fourier space, shift, and multiply by all filters (§6.2 to §6.6)."""
        g, n = self.geometry, len(tilts)
        modulate_slices(
            slices.values.view(np.float32),
            slices.shifts,
            (g.n_rows, g.n_columns, 1.0 / (g.box_size * filters.pixel_size_angstrom), filters.sign / g.binning),
            tilts,
            (
                filters.dose_weights,
                _NO_WHITENING if filters.whitening is None else filters.whitening,
                _NO_PHASE if filters.even_phase is None else filters.even_phase,
                _NO_FACTOR if filters.odd_factor is None else filters.odd_factor,
            ),
            _NO_CTF if ctf is None else ctf,
            self._slices[:n].view(np.float32),
            self._weights[:n],
        )
        return Modulated(self._slices[:n], self._weights[:n], max(1, int(filters.limits[tilts].max())))

    def to_images(self, modulated: Consumed[Modulated]) -> Images:
        """Transform to real space, the centre at b // 2; only rows that can survive circle crop or window."""
        g, slices = self.geometry, modulated.slices
        totals = slices[:, 0, 0].real.astype(np.float64) * g.box_size
        # in place, since buffers that do not fit the cache together cost more than the transform
        half_way = complex_to_complex(slices, slices, 1, forward=False)
        rows = half_to_real(half_way[:, self._central], self._rows[: len(slices)], (2,))
        return Images(rows, totals)

    def circle_crop(self, images: Consumed[Images]) -> Images:
        """Mask images outside the circle that fits the crop."""
        circle_crop_rows(images.rows, images.totals, *self._circle)
        return images

    def multiply(self, images: Consumed[Images], factor: Float) -> Images:
        """Multiply images by a factor per pixel."""
        np.multiply(images.rows, factor[self._central].astype(np.float32), out=images.rows)
        return images

    def to_slices(self, images: Consumed[Images], modulated: Consumed[Modulated]) -> Modulated:
        """Transform back, as far as pixels will be inserted; the centre stays at b // 2."""
        slices, rows = modulated.slices, self._central
        real_to_half(images.rows, slices[:, rows], (2,))
        kept = slices[:, :, : modulated.n_columns]
        # images are black beyond the crop
        kept[:, : rows.start] = 0.0
        kept[:, rows.stop :] = 0.0
        complex_to_complex(kept, kept, 1)
        return modulated

    def to_crop_slices(self, images: Images) -> CropSlices:
        """Cut the central window out and transform it; the centre stays at c // 2."""
        window = self._window(images)
        c = self.geometry.crop_size
        slices = real_to_half(window, np.empty((len(window), c, c // 2 + 1), np.complex64), (1, 2))
        slices[:, 0, 0] *= np.float32(self.geometry.origin_share)
        return CropSlices(slices)

    def window(self, images: Images) -> Float32:
        """Copy the central window."""
        return self._window(images).copy()

    def trilinear(self) -> CpuTrilinear:
        """Spread pixels over their eight neighbours."""
        if self._trilinear is None:
            self._trilinear = CpuTrilinear(self.geometry.crop_size, self._sums)
        return self._trilinear

    def exact(self) -> CpuExact:
        """Spread pixels over the grid of a non-uniform Fourier transform."""
        if self._exact is None:
            self._exact = CpuExact(self.geometry.crop_size, self._sums)
        return self._exact

    def apply(self, sums: Consumed[CpuSums], step: Step) -> CpuSums:
        """Change the sums in place."""
        apply_step(step, sums)
        return sums

    def to_volume(self, sums: Consumed[CpuSums]) -> FourierVolume:
        """Transform to real space, and give away."""
        return FourierVolume(sums.real(), sums.weights)

    @classmethod
    def volumes(cls) -> CpuVolumes:
        """Give the verbs of volumes."""
        return CpuVolumes()

    @classmethod
    def alignment(cls) -> AlignmentBackend:
        """Give the verbs of alignment for one thread."""
        # not needed to extract, and a sixtieth of a second to load
        from subtomo.backends.cpu.alignment import CpuAlignment

        return CpuAlignment()

    def _window(self, images: Images) -> Float32:
        start, stop = self.geometry.boundary, self.geometry.boundary + self.geometry.crop_size
        return images.rows[:, : self.geometry.crop_size, start:stop]

    def _transform_rows(self, patches: Patches, i: int, columns_out: Complex64) -> None:
        """Cut out a patch, rolled, and transform it along x, keeping the columns that will be needed."""
        g, size = self.geometry, self.geometry.patch_size
        half = size // 2
        for start in range(0, size, self._block_rows):
            rows = self._block[: size - start]
            if patches.cut is None:
                crop_rows(patches.images[i], patches.corners[i, 0], patches.corners[i, 1], start, rows)
            else:
                rows = patches.cut[i, start : start + len(rows)]
            spectrum = real_to_half(rows, self._block_spectrum[: len(rows)], (1,))[:, : g.n_columns]
            if patches.cut is not None:
                columns_out[start : start + len(rows)] = spectrum
                continue
            # rows of the lower half go to the end, which brings the centre to the first row
            lower = max(0, min(len(rows), half - start))
            first = size - half + start
            columns_out[first : first + lower] = spectrum[:lower]
            columns_out[start + lower - half : start + len(rows) - half] = spectrum[lower:]
