"""The verbs of the fast backend: buffers, transforms, and calls of the loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.cpu.complete import complete_terms
from subtomo.backends.cpu.exact import ExactVolume
from subtomo.backends.cpu.handed import CropSlices, Images, Modulated, Patches, Spectra
from subtomo.backends.cpu.insert import (
    add_slices,
    clear_padding,
    padded_shape,
    symmetric_plane,
    unpack_sections,
    unpack_weights,
)
from subtomo.backends.cpu.modulate import modulate_slices
from subtomo.backends.cpu.patches import circle_crop_rows, circle_crop_whole, crop_rolled, crop_rows
from subtomo.backends.cpu.results import ResultMemory
from subtomo.backends.cpu.tables import circle, inverse_envelope, phases, rolled_window, sphere
from subtomo.backends.cpu.weights import only_sharpen_weights, raise_weights, sharpen_weights
from subtomo.backends.cpu.whiten import whiten_terms
from subtomo.backends.fft import complex_to_complex, half_to_real, real_to_half
from subtomo.backends.protocol import BoxGeometry, Completion, FourierVolume, TiltFilters
from subtomo.physics.ctf import CtfTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_BATCH_PIXELS = 1 << 17
"""Boxes of a batch together have about this many pixels, so that its buffers stay in the cache."""
_MAX_BATCH = 16
_BLOCK_PIXELS = 1 << 16
"""Large patches are cropped and transformed along x in blocks of rows of this size, for the same reason."""
_SECTIONS = 4
"""Sections of the volume that are unpacked and transformed along y together, for the same reason."""

# one type for what is there and what is not: every other type would mean another compilation
_NO_WHITENING, _NO_PHASE = np.empty((0, 0, 0), np.float32), np.empty((0, 0))
_NO_FACTOR = np.empty((0, 0), np.complex64)
_NONE = np.empty(0)
_NO_CTF = CtfTerms(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, quartic=0.0)


class CpuBackend:
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
        self._spectrum = np.empty((crop, crop, crop // 2 + 1), np.complex64)
        # the circle reaches one row further than the crop, where there is one
        self._central = slice(g.boundary, min(box, g.boundary + crop + 1))
        self._rows = np.empty((n, self._central.stop - self._central.start, box), np.float32)
        self._volume = np.zeros(padded_shape(crop), np.float32)
        self._plane = np.empty((crop, crop, 4), np.float32)
        self._data = ResultMemory(crop, crop, crop)
        self._result_weights = ResultMemory(2 * crop, crop, crop // 2 + 1)
        self._circle = circle(g, self._central)
        self._is_clean = True
        self._patch_window: tuple[Float32, NDArray[np.bool_]] | None = None
        self._cut: Float32 | None = None
        self._exact: ExactVolume | None = None

    def begin(self) -> None:
        """Forget what a particle that failed has left behind."""
        if not self._is_clean:
            self._volume[...] = 0.0
            self._is_clean = True
        if self._exact is not None:
            self._exact.clear()

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Patches:
        """Remember what to cut out; `transform` does it, block by block."""
        return Patches(images, corners)

    def circle_crop_patches(self, patches: Patches) -> Patches:
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

    def transform(self, patches: Patches, shifts: Float) -> Spectra:
        """Transform patches (§6.1), of which only the columns that will be kept."""
        spectra = self._spectra[: len(patches.images)]
        for i in range(len(spectra)):
            if self._whole is not None and patches.cut is None:
                crop_rolled(patches.images[i], patches.corners[i, 0], patches.corners[i, 1], self._whole)
                real_to_half(self._whole, spectra[i], (0, 1))
                continue
            self._transform_rows(patches, i, spectra[i])
            complex_to_complex(spectra[i], spectra[i], 0)
        return Spectra(spectra, shifts)

    def modulate(
        self, slices: Spectra, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None
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

    def to_images(self, modulated: Modulated) -> Images:
        """Transform to real space, the centre at b // 2; only rows that can survive circle crop or window."""
        g, slices = self.geometry, modulated.slices
        totals = slices[:, 0, 0].real.astype(np.float64) * g.box_size
        # in place, since buffers that do not fit the cache together cost more than the transform
        half_way = complex_to_complex(slices, slices, 1, forward=False)
        rows = half_to_real(half_way[:, self._central], self._rows[: len(slices)], (2,))
        return Images(rows, totals)

    def circle_crop(self, images: Images) -> Images:
        """Mask images outside the circle that fits the crop."""
        circle_crop_rows(images.rows, images.totals, *self._circle)
        return images

    def multiply(self, images: Images, factor: Float) -> Images:
        """Multiply images by a factor per pixel."""
        np.multiply(images.rows, factor[self._central].astype(np.float32), out=images.rows)
        return images

    def to_slices(self, images: Images, modulated: Modulated) -> Modulated:
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

    def insert(self, modulated: Modulated, axes: Float, limits: NDArray[np.int32]) -> None:
        """Spread every pixel over its eight neighbours in the volume (§7.1, §7.2)."""
        self._is_clean = False
        add_slices(modulated.slices.view(np.float32), modulated.weights, axes, limits, self._volume)

    def insert_weights(self, modulated: Modulated, axes: Float, limits: NDArray[np.int32]) -> None:
        """Spread weights alone, in half of the volume's memory."""
        self._is_clean = False
        add_slices(modulated.slices.view(np.float32), modulated.weights, axes, limits, self._weights_volume)

    def backproject(
        self, slices: Modulated | CropSlices, axes: Float, limits: NDArray[np.int32], scales: Float
    ) -> None:
        """Spread every pixel over the grid of a non-uniform Fourier transform."""
        self._exact_volume.add(slices.slices, axes, limits, scales)

    def finish(
        self, data_scale: float, *, term: str = "inserted", whiten: bool = False, completion: Completion | None = None
    ) -> FourierVolume:
        """Transform the volume to real space (§7.3)."""
        c, spectrum = self.geometry.crop_size, self._spectrum
        data, weights = self._real_space(data_scale, term, is_wanted=term != "inserted" or not whiten)
        if term == "exact" and completion is not None:
            raise_weights(weights[:c])
        elif term != "inserted":
            (sharpen_weights if completion is None else only_sharpen_weights)(weights[:c])
        if whiten:
            if term != "inserted":
                real_to_half(data, spectrum, (0, 1, 2))
            whiten_terms(spectrum.view(np.float32), weights)
            if completion is not None:
                self._complete(weights, completion)
            half_to_real(spectrum, data, (0, 1, 2))
        return FourierVolume(data, weights)

    def finish_plain(self, data_scale: float, *, term: str = "inserted") -> FourierVolume:
        """Leave the weights as they are."""
        return FourierVolume(*self._real_space(data_scale, term, is_wanted=True))

    def _real_space(self, data_scale: float, term: str, *, is_wanted: bool) -> tuple[Float32, Float32]:
        """Give data and inserted weights; without need only the spectrum of inserted data is there."""
        c = self.geometry.crop_size
        data, weights, spectrum = self._data.lend(), self._result_weights.lend(), self._spectrum
        if term == "exact":
            unpack_weights(self._weights_volume, weights)
        else:
            self._unpack(np.float32(data_scale), weights, inverse=is_wanted)
        self._is_clean = True
        if term == "exact":
            self._exact_volume.read(data_scale, data)
            data *= sphere(c)
        elif is_wanted:
            complex_to_complex(spectrum, spectrum, 0, forward=False)
            half_to_real(spectrum, data, (2,))
        if term == "corrected":
            data *= inverse_envelope(c)
        return data, weights

    def _complete(self, weights: Float32, completion: Completion) -> None:
        complete_terms(
            self._spectrum.view(np.float32),
            weights,
            completion.thresholds.astype(np.float32),
            np.sqrt(completion.fill).astype(np.float32),
            phases(),
            np.uint64(completion.seed),
        )

    def _unpack(self, data_scale: np.float32, weights: Float32, *, inverse: bool) -> None:
        """Turn the volume into weights and a spectrum, which may be transformed along y while it is in the cache."""
        symmetric_plane(self._volume, self._plane)
        for first in range(0, self.geometry.crop_size, _SECTIONS):
            sections = self._spectrum[first : first + _SECTIONS]
            unpack_sections(self._volume, self._plane, data_scale, first, sections.view(np.float32), weights)
            if inverse:
                complex_to_complex(sections, sections, 1, forward=False)
        clear_padding(self._volume)

    @property
    def _weights_volume(self) -> Float32:
        shape = padded_shape(self.geometry.crop_size, channels=2)
        return self._volume.reshape(-1)[: math.prod(shape)].reshape(shape)

    @property
    def _exact_volume(self) -> ExactVolume:
        if self._exact is None:
            self._exact = ExactVolume(self.geometry.crop_size)
        return self._exact

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
