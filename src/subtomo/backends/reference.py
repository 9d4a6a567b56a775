"""The reference backend: slow, obvious NumPy in double precision, the oracle for every other backend."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.nufft import volume_from_points
from subtomo.backends.protocol import BoxGeometry, Completion, FourierVolume, TiltFilters
from subtomo.conventions import WEIGHT_FLOOR, WHITENING_FLOOR
from subtomo.physics.completion import Levels, completed
from subtomo.physics.ctf import CtfTerms, ctf_values
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.weights import even_last_plane, raised, sharpened
from subtomo.physics.window import circle_crop_window, insertion_envelope, particle_sphere

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Modulated(NamedTuple):
    """Slices (n, b, b // 2 + 1) with their weights, same shape."""

    slices: Complex
    weights: Float


class ReferenceBackend:
    """Does what the specification says, line by line."""

    tilts_at_once = 1000

    def __init__(self, geometry: BoxGeometry) -> None:
        self.geometry = geometry
        self._clear()

    def begin(self) -> None:
        """Start with an empty volume."""
        self._clear()

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Float:
        """Cut patches with edge pixels repeated and roll them by half (§6.1)."""
        size = self.geometry.patch_size
        patches = np.zeros((len(images), size, size))
        for i, (image, (x, y)) in enumerate(zip(images, corners, strict=True)):
            rows = np.clip(np.arange(y, y + size), 0, image.shape[0] - 1)
            columns = np.clip(np.arange(x, x + size), 0, image.shape[1] - 1)
            patches[i] = image[np.ix_(rows, columns)]
        return np.roll(patches, (-(size // 2), -(size // 2)), axis=(1, 2))

    def circle_crop_patches(self, patches: Float) -> Float:
        """Mask patches with the largest soft circle."""
        size = self.geometry.patch_size
        mask, background = circle_crop_window(size, 0)
        shift = (-(size // 2), -(size // 2))
        return _masked(patches, np.roll(mask, shift, (0, 1)), np.roll(background, shift, (0, 1)))

    def transform(self, patches: Float, shifts: Float) -> Complex:
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

    def to_images(self, modulated: Modulated) -> Float:
        """Transform to real space, the centre at b // 2."""
        size = self.geometry.box_size
        sign = (-1.0) ** (np.arange(size)[:, None] + half_index(size))
        return np.fft.irfft2(modulated.slices * sign, s=(size, size)) * size

    def circle_crop(self, images: Float) -> Float:
        """Mask images outside the circle that fits the crop."""
        return _masked(images, *circle_crop_window(self.geometry.box_size, self.geometry.boundary))

    def multiply(self, images: Float, factor: Float) -> Float:
        """Multiply images by a factor per pixel."""
        return images * factor

    def to_slices(self, images: Float, modulated: Modulated) -> Modulated:
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

    def insert(self, modulated: Modulated, axes: Float, limits: NDArray[np.int32]) -> None:
        """Spread every pixel over its eight neighbours in the volume (§7.1, §7.2)."""
        size = self.geometry.box_size
        row, column = np.arange(size)[:, None], np.arange(self.geometry.half_box)
        for slice_, weight, (u, v), limit in zip(*modulated, axes, limits, strict=True):
            visited = (column < limit[:, None]) & ((column > 0) | (row < size // 2))
            y, x = np.nonzero(visited)
            points = x[:, None] * u + wrapped_index(size)[y][:, None] * v
            scale = float(np.linalg.norm(u) * np.linalg.norm(v))
            self._spread(points, scale, slice_[y, x], weight[y, x])

    def insert_weights(self, modulated: Modulated, axes: Float, limits: NDArray[np.int32]) -> None:
        """Spread the weights as `insert` does."""
        self.insert(modulated, axes, limits)

    def backproject(self, slices: Modulated, axes: Float, limits: NDArray[np.int32], scales: Float) -> None:
        """Add slices to the exact data term, by a non-uniform Fourier transform in double precision."""
        c, size = self.geometry.crop_size, slices.slices.shape[1]
        row, column = np.arange(size)[:, None], np.arange(size // 2 + 1)
        for slice_, (u, v), limit, scale in zip(slices.slices, axes, limits, scales, strict=True):
            visited = (column < limit[:, None]) & ((column > 0) | (row < size // 2))
            y, x = np.nonzero(visited)
            points = x[:, None] * u + wrapped_index(size)[y][:, None] * v
            inside = (np.abs(points) < c / 2 + 1e-6).all(axis=1)
            self._exact += volume_from_points(points[inside] / c, scale * slice_[y, x][inside], c)

    def finish(
        self, data_scale: float, *, term: str = "inserted", whiten: bool = False, completion: Completion | None = None
    ) -> FourierVolume:
        """Transform the volume to real space (§7.3)."""
        data, ctf2, multiplicity = self._real_space(data_scale, term), self._ctf2, self._multiplicity
        if completion is not None and term != "inserted":
            ctf2 = raised(ctf2) if term == "exact" else sharpened(ctf2)
        elif term != "inserted":
            ctf2 = np.maximum(sharpened(ctf2), WEIGHT_FLOOR * ctf2.max())
        if whiten:
            data, ctf2, multiplicity = _whitened(data, ctf2, multiplicity, completion)
        return self._result(data, ctf2, multiplicity)

    def finish_plain(self, data_scale: float, *, term: str = "inserted") -> FourierVolume:
        """Leave the weights as they are."""
        return self._result(self._real_space(data_scale, term), self._ctf2, self._multiplicity)

    def _real_space(self, data_scale: float, term: str) -> Float:
        c = self.geometry.crop_size
        if term == "exact":
            exact: Float = self._exact * particle_sphere(c) * data_scale / np.sqrt(float(c) ** 3)
            return exact
        index = np.arange(c)
        sign = (-1.0) ** (index[:, None, None] + index[:, None] + half_index(c))
        data: Float = np.fft.irfftn(self._data * sign * data_scale, s=(c, c, c), axes=(0, 1, 2)) * np.sqrt(
            float(c) ** 3
        )
        return data / insertion_envelope(c) if term == "corrected" else data

    def _result(self, data: Float, ctf2: Float, multiplicity: Float) -> FourierVolume:
        weights = np.concatenate([ctf2, multiplicity])
        self._clear()
        return FourierVolume(data.astype(np.float32), weights.astype(np.float32))

    def _clear(self) -> None:
        c = self.geometry.crop_size
        shape = (c, c, c // 2 + 1)
        self._data = np.zeros(shape, dtype=np.complex128)
        self._exact = np.zeros((c, c, c))
        self._ctf2, self._multiplicity = np.zeros(shape), np.zeros(shape)

    def _spread(self, points: Float, scale: float, values: Complex, weights: Float) -> None:
        c = self.geometry.crop_size
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

    def _add(self, node: NDArray[np.int64], share: Float, values: Complex, weights: Float) -> None:
        c = self.geometry.crop_size
        where = (node[:, 2] % c, node[:, 1] % c, node[:, 0])
        np.add.at(self._data, where, share * values)
        np.add.at(self._ctf2, where, share * weights)
        np.add.at(self._multiplicity, where, share)


def _whitened(
    data: Float, ctf2: Float, multiplicity: Float, completion: Completion | None
) -> tuple[Float, Float, Float]:
    """Divide data by √CTF² in Fourier space, and leave voxels without data zero in both, or complete them."""
    ctf2, multiplicity = even_last_plane(ctf2), even_last_plane(multiplicity)
    ctf2[ctf2 <= WHITENING_FLOOR * ctf2.max()] = 0.0
    factor = np.divide(1.0, np.sqrt(ctf2), out=np.zeros(ctf2.shape), where=ctf2 > 0)
    spectrum = np.fft.rfftn(data, norm="ortho") * factor
    if completion is not None:
        levels = Levels(completion.fill, completion.fill, completion.thresholds)
        spectrum, ctf2 = completed(spectrum, ctf2, levels, completion.seed)
    return np.fft.irfftn(spectrum, s=data.shape, axes=(0, 1, 2), norm="ortho"), ctf2, multiplicity


def _masked(images: Float, mask: Float, background: NDArray[np.bool_]) -> Float:
    if background.any():
        images = images - images[:, background].mean(axis=1)[:, None, None]
    return images * mask
