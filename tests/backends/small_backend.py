"""A third backend in one module: NumPy and SciPy, float64, complex transforms throughout, volumes as dense sums.

It shares with the others what the seam gives it: the nouns, the steps, the equations of `physics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from subtomo.backends.alignment import AlignmentBackend
from subtomo.backends.protocol import Accumulator, Backend, BoxGeometry, Consumed, ExactAccumulator, TiltFilters
from subtomo.backends.reference.alignment import ReferenceAlignment
from subtomo.backends.spectra import FourierVolume, Spectra, Step
from subtomo.backends.volumes import RangeAndSums, Samples, VolumeBackend, half_frequencies
from subtomo.physics.ctf import CtfTerms, ctf_values
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.window import circle_crop_window, particle_sphere

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex128]
Limits = NDArray[np.int32]
Patches = Float
Transforms = Complex
Images = Float


class Slices(NamedTuple):
    """Slices (n, s, s // 2 + 1) and their weights."""

    values: Complex
    weights: Float


class PointSums(Accumulator[Slices, Spectra]):
    """Remembers points and spreads them all at once, over the whole of Fourier space."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.begin()

    def begin(self) -> None:
        self.points: list[Float] = [np.zeros((0, 3))]
        self.values: list[Complex] = [np.zeros((0, 3), complex)]

    def insert(self, slices: Slices, axes: Float, limits: Limits) -> None:
        for value, weight, axis, limit in zip(*slices, axes, limits, strict=True):
            y, x, points = visited(len(value), axis, limit)
            scale = np.linalg.norm(axis[0]) * np.linalg.norm(axis[1])
            kinds = np.stack([value[y, x], weight[y, x] + 0j, np.ones(len(x)) + 0j], axis=1)
            mirrored = points[:, :1] < 0
            self.points.append(np.where(mirrored, -points, points))
            self.values.append(scale * np.where(mirrored, kinds.conj(), kinds))

    def spectra(self) -> Spectra:
        data, ctf2, multiplicity = np.moveaxis(self.spread(), -1, 0)
        c = self.size
        real = scipy.fft.fftshift(scipy.fft.irfftn(data, s=(c, c, c), norm="ortho"))
        self.begin()
        return Spectra.of_real(real, ctf2.real, multiplicity.real)

    def spread(self) -> Complex:
        """Give data, CTF² and multiplicity, (c, c, c // 2 + 1, 3)."""
        c, points, values = self.size, np.concatenate(self.points), np.concatenate(self.values)
        total = np.zeros((c, c, c // 2 + 2, 3), complex)
        low = np.floor(points)
        for bits in np.ndindex(2, 2, 2):
            node = low + bits
            inside = (node[:, 0] <= c // 2) & (node[:, 1:] >= -c // 2).all(axis=1) & (node[:, 1:] < c // 2).all(axis=1)
            x, y, z = node[inside].astype(int).T
            share = np.prod(1.0 - np.abs(points - node), axis=1)[inside, None]
            np.add.at(total, (z, y, x), share * values[inside])
        total = total[:, :, :-1]
        mirror = -np.arange(c) % c
        total[:, :, 0] += total[mirror][:, mirror, 0].conj()
        return total


class WaveSums(ExactAccumulator[Slices, Slices, Spectra]):
    """Adds waves in real space, axis by axis."""

    def __init__(self, size: int) -> None:
        self.size, self.weights = size, PointSums(size)
        self.begin()

    def begin(self) -> None:
        self.weights.begin()
        self.data = np.zeros((self.size,) * 3)

    def insert_weights(self, slices: Slices, axes: Float, limits: Limits) -> None:
        self.weights.insert(slices, axes, limits)

    def insert_data(self, slices: Slices, axes: Float, limits: Limits, scales: Float) -> None:
        c = self.size
        for value, axis, limit, scale in zip(slices.values, axes, limits, scales, strict=True):
            y, x, points = visited(len(value), axis, limit)
            near = (np.abs(points) < c / 2 + 1e-6).all(axis=1)
            along = [wave.conj() for wave in waves(points[near], c)]
            across = np.einsum("nz,ny->nzy", (scale * value[y, x][near])[:, None] * along[2], along[1])
            self.data += 2.0 * (across.reshape(len(across), -1).T @ along[0]).real.reshape(c, c, c)

    def spectra(self) -> Spectra:
        weights = self.weights.spectra()
        data = self.data * particle_sphere(self.size) / self.size**1.5
        self.begin()
        return Spectra.of_real(data, weights.ctf2, weights.multiplicity)


class DenseSpectrum(NamedTuple):
    """The volume itself."""

    volume: Float

    @property
    def size(self) -> int:
        return len(self.volume)


class SmallVolumes(VolumeBackend[DenseSpectrum]):
    """Sums over all voxels."""

    def spectrum(self, volume: NDArray[Any], damping: NDArray[Any] | None = None) -> DenseSpectrum:
        return DenseSpectrum(volume / (1.0 if damping is None else damping))

    def sample(self, spectrum: DenseSpectrum, points: Float, *, gradient: bool = False) -> Samples:
        c = spectrum.size
        x, y, z = (along * ((points**2).sum(axis=1) < c * c / 4)[:, None] for along in waves(points, c))
        slope = -2j * np.pi / c * (np.arange(c) - c // 2)
        rows = np.einsum("zyx,nx->nzy", spectrum.volume, x, optimize=True)
        values = np.einsum("nzy,ny,nz->n", rows, y, z)
        if not gradient:
            return Samples(values, np.zeros((0, 3), complex))
        by_x = np.einsum("zyx,nx,ny,nz->n", spectrum.volume, slope * x, y, z, optimize=True)
        by_y, by_z = (np.einsum("nzy,ny,nz->n", rows, *pair) for pair in ((slope * y, z), (y, slope * z)))
        return Samples(values, np.stack([by_x, by_y, by_z], axis=1))

    def rotated_weights(self, weights: NDArray[Any], matrix: Float) -> Float32:
        c = len(weights)
        index = np.arange(-c // 2, c // 2 + 1)
        full = np.concatenate(
            [weights[np.ix_(-index % c, -index % c)][:, :, :0:-1], weights[np.ix_(index % c, index % c)]], axis=2
        )
        k = half_frequencies(c)
        place = (k @ matrix.T)[:, ::-1].T + c // 2
        found = map_coordinates(full, place, output=np.float64, order=1, mode="nearest")
        return np.where((k**2).sum(axis=1) < c * c / 4, found, 0.0).reshape(weights.shape).astype(np.float32)

    def range_and_sums(self, values: Float32, origin: float) -> RangeAndSums:
        off = values - np.float64(origin)
        return RangeAndSums(float(values.min()), float(values.max()), float(off.sum()), float(off @ off))


class SmallBackend(Backend[Patches, Transforms, Slices, Images, Slices, Spectra]):
    """One tilt after another would do as well: all are taken together."""

    tilts_at_once = 1000

    def __init__(self, geometry: BoxGeometry) -> None:
        self.geometry = geometry
        self._trilinear, self._exact = PointSums(geometry.crop_size), WaveSums(geometry.crop_size)

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Patches:
        s = np.arange(self.geometry.patch_size)
        cut = [
            np.take(np.take(image, y + s, axis=0, mode="clip"), x + s, axis=1, mode="clip")
            for image, (x, y) in zip(images, corners, strict=True)
        ]
        return scipy.fft.ifftshift(np.array(cut, np.float64), axes=(1, 2))

    def circle_crop_patches(self, patches: Consumed[Patches]) -> Patches:
        window = circle_crop_window(self.geometry.patch_size, 0)
        return masked(patches, *(scipy.fft.ifftshift(part) for part in window))

    def transform(self, patches: Consumed[Patches], shifts: Float) -> Transforms:
        g = self.geometry
        spectra = scipy.fft.fft2(patches) / (g.patch_size * g.binning)
        upper, lower = spectra[:, : g.n_rows // 2], spectra[:, g.patch_size - (g.n_rows - g.n_rows // 2) :]
        kept = np.concatenate([upper, lower], axis=1)[:, :, : g.n_columns]
        width, height = 2 * (g.n_columns - 1), g.n_rows
        along_x = (shifts[:, :1] - width // 2) * half_index(width) / width
        along_y = (shifts[:, 1:] - height // 2) * wrapped_index(height) / height
        kept *= np.exp(2j * np.pi * along_x)[:, None] * np.exp(2j * np.pi * along_y)[:, :, None]
        return np.pad(kept, ((0, 0), (0, 0), (0, g.half_box - g.n_columns)))

    def modulate(
        self, slices: Transforms, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None
    ) -> Slices:
        factor = np.ones(slices.shape)
        if ctf is not None:
            grid = half_frequency(self.geometry.box_size, filters.pixel_size_angstrom)
            factor = ctf_values(ctf, *grid, filters.even_phase) * filters.dose_weights[tilts]
        whitening = 1.0 if filters.whitening is None else filters.whitening[tilts]
        odd = 1.0 if filters.odd_factor is None else filters.odd_factor
        return Slices(filters.sign * factor * slices * odd * whitening, factor**2 * whitening)

    def to_images(self, modulated: Consumed[Slices]) -> Images:
        b = self.geometry.box_size
        return scipy.fft.fftshift(scipy.fft.irfft2(modulated.values, s=(b, b), norm="ortho"), axes=(1, 2))

    def circle_crop(self, images: Consumed[Images]) -> Images:
        return masked(images, *circle_crop_window(self.geometry.box_size, self.geometry.boundary))

    def multiply(self, images: Consumed[Images], factor: Float) -> Images:
        return images * factor

    def to_slices(self, images: Consumed[Images], modulated: Consumed[Slices]) -> Slices:
        return Slices(half_transforms(images), modulated.weights)

    def to_crop_slices(self, images: Images) -> Slices:
        values = half_transforms(self.window(images).astype(np.float64))
        values[:, 0, 0] *= self.geometry.origin_share
        return Slices(values, np.zeros(values.shape))

    def window(self, images: Images) -> Float32:
        inner = slice(self.geometry.boundary, self.geometry.boundary + self.geometry.crop_size)
        return images[:, inner, inner].astype(np.float32)

    def trilinear(self) -> PointSums:
        return self._trilinear

    def exact(self) -> WaveSums:
        return self._exact

    def apply(self, sums: Consumed[Spectra], step: Step) -> Spectra:
        return step(sums)

    def to_volume(self, sums: Consumed[Spectra]) -> FourierVolume:
        return sums.volume()

    @classmethod
    def volumes(cls) -> SmallVolumes:
        return SmallVolumes()

    @classmethod
    def alignment(cls) -> AlignmentBackend:
        return ReferenceAlignment()


def visited(size: int, axes: Float, limit: Limits) -> tuple[NDArray[np.int64], NDArray[np.int64], Float]:
    """List the pixels of a slice that count (§7.1), and their places in Fourier space."""
    y, x = np.indices((size, size // 2 + 1))
    inside = (x < limit[:, None]) & ~((x == 0) & (y >= size // 2))
    y, x = y[inside], x[inside]
    return y, x, np.stack([x, wrapped_index(size)[y]], axis=1) @ axes


def waves(points: Float, size: int) -> list[Complex]:
    """Give exp(-2πi p r / c) along x, y and z, (n, c) each."""
    return [np.exp(-2j * np.pi / size * np.outer(p, np.arange(size) - size // 2)) for p in points.T]


def masked(images: Float, mask: Float, background: NDArray[np.bool_]) -> Float:
    """Subtract the mean of the background, where there is any, and mask."""
    outside = background.sum() or 1
    return mask * (images - (images * background).sum(axis=(1, 2), keepdims=True) / outside)


def half_transforms(images: Float) -> Complex:
    """Transform images, their centre at the origin."""
    return scipy.fft.rfft2(scipy.fft.ifftshift(images, axes=(1, 2)), norm="ortho")
