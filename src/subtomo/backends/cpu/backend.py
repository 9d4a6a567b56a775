"""The verbs of the fast backend: buffers, transforms, and calls of the loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.alignment import AlignmentBackend
from subtomo.backends.classes import ClassBackend
from subtomo.backends.cpu.accumulators import CpuExact, CpuTrilinear
from subtomo.backends.cpu.handed import CropSlices, Images, Modulated, Patches, Transforms
from subtomo.backends.cpu.lanes import LANES
from subtomo.backends.cpu.modulate import modulate_slices
from subtomo.backends.cpu.patches import circle_crop_rows, circle_crop_whole, crop_rows, crop_square
from subtomo.backends.cpu.planes import ToHalf, ToReal
from subtomo.backends.cpu.steps import apply_step
from subtomo.backends.cpu.sums import CpuSums, SumsMemory
from subtomo.backends.cpu.tables import circle, patch_window
from subtomo.backends.cpu.volumes import CpuVolumes
from subtomo.backends.fft import real_to_half
from subtomo.backends.protocol import Backend, BoxGeometry, Consumed, TiltFilters
from subtomo.backends.spectra import FourierVolume, Step
from subtomo.physics.ctf import CtfTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_BATCH_PIXELS = 1 << 19
"""Boxes of a batch together have about this many pixels: more take memory, fewer take more calls."""
_MAX_BATCH = 16
_BLOCK_PIXELS = 1 << 16
"""Patches that cannot be read where they are get copied and transformed in blocks that stay in the cache."""

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
        patch, box, crop = g.patch_size, g.box_size, g.crop_size
        # the circle reaches one row further than the crop, where there is one
        self._central = slice(g.boundary, min(box, g.boundary + crop + 1))
        # binning: rows beyond the kept frequencies lie in the middle of the patch's transform
        wanted = np.arange(box)
        wanted[g.n_rows // 2 :] += patch - g.n_rows
        self._patches = ToHalf(patch, patch, slice(0, patch), g.n_columns, wanted)
        self._inward = ToReal(box, box, self._central, g.half_box)
        self._outward = ToHalf(box, box, self._central, g.half_box)
        # a patch of odd side must be rolled for its centre to come to the origin; else alternating signs do the same
        self._shift = 0 if self._patches.is_fast else patch // 2
        self._block = np.empty((max(LANES, _BLOCK_PIXELS // patch // LANES * LANES), patch), np.float32)
        self._spectra, self._slices = self._patches.half(n), self._outward.half(n)
        self._weights = np.empty((n, box, g.half_box), np.float32)
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
        if self._patch_window is None:
            self._patch_window = patch_window(self.geometry.patch_size, self._shift)
        cut = self._cut_out(patches)
        circle_crop_whole(cut, *self._patch_window)
        return patches._replace(cut=cut)

    def transform(self, patches: Consumed[Patches], shifts: Float) -> Transforms:
        """Transform patches (§6.1), of which only the rows and columns that will be kept."""
        n_columns, spectra = self.geometry.n_columns, self._spectra[: len(patches.images)]
        if patches.cut is not None or not self._patches.is_fast:
            cut = self._cut_out(patches) if patches.cut is None else patches.cut
            self._patches.transform(cut, spectra, n_columns)
        elif self._are_in_place(patches):
            self._patches.transform_parts(patches.images, patches.corners, spectra)
        else:
            for image, (x, y), spectrum in zip(patches.images, patches.corners.tolist(), spectra, strict=True):
                for first in range(0, self.geometry.patch_size, len(self._block)):
                    rows = self._block[: self.geometry.patch_size - first]
                    crop_rows(image, x, y + first, 0, rows)
                    self._patches.transform_rows(first, rows)
                self._patches.finish(spectrum)
        return Transforms(spectra, shifts)

    def modulate(
        self, slices: Transforms, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None
    ) -> Modulated:
        """Crop in Fourier space, shift, and multiply by all filters (§6.2 to §6.6)."""
        g, n = self.geometry, len(tilts)
        step = 1.0 / (g.box_size * filters.pixel_size_angstrom)
        modulate_slices(
            slices.values.view(np.float32),
            slices.shifts,
            (g.n_rows, g.n_columns, step, filters.sign / g.binning),
            1 if self._shift else 0,
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
        slices = modulated.slices
        totals = slices[:, 0, 0].real.astype(np.float64) * self.geometry.box_size
        rows = self._rows[: len(slices)]
        self._inward.transform(slices, rows)
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
        self._outward.transform(images.rows, modulated.slices, modulated.n_columns)
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

    @classmethod
    def classes(cls) -> ClassBackend:
        """Give the verbs of classification."""
        from subtomo.backends.cpu.classes import CpuClasses

        return CpuClasses()

    def _window(self, images: Images) -> Float32:
        start, stop = self.geometry.boundary, self.geometry.boundary + self.geometry.crop_size
        return images.rows[:, : self.geometry.crop_size, start:stop]

    def _cut_out(self, patches: Patches) -> Float32:
        """Copy patches."""
        size = self.geometry.patch_size
        if self._cut is None:
            self._cut = np.empty((self.tilts_at_once, size, size), np.float32)
        cut = self._cut[: len(patches.images)]
        for patch, image, (x, y) in zip(cut, patches.images, patches.corners.tolist(), strict=True):
            crop_square(image, x, y, self._shift, patch)
        return cut

    def _are_in_place(self, patches: Patches) -> bool:
        """Tell whether all patches can be read where they are."""
        first = patches.images[0]
        height, width = first.shape
        corners, size = patches.corners, self.geometry.patch_size
        return (
            bool((corners >= 0).all() and (corners + size <= (width, height)).all())
            and first.strides[1] == 4
            and first.strides[0] % 4 == 0
            and all(image.dtype == np.float32 and image.strides == first.strides for image in patches.images)
        )
