"""Stacks of projections of a subtomogram cut from the reconstructed tomogram (spec/conventions.md §7.6)."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import AnyBackend
from subtomo.errors import InputError
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings
from subtomo.model.subtomogram import TiltStack
from subtomo.physics.frequency import half_index
from subtomo.physics.window import centre_distance

Float = NDArray[np.float64]
Ints = NDArray[np.int64]
Complex = NDArray[np.complex128]

_RIM_PX = 2


def projection_size(wanted: float) -> int:
    """Round a size to the nearest even number."""
    size = math.floor(wanted + 0.5)
    if size % 2:
        size += 1 if wanted - size >= 0 else -1
    return size


def reaches(shape: tuple[int, ...], position: Float, size: int) -> bool:
    """Tell whether the rim of a particle's sphere has any voxel in a reconstruction; without one it cannot be cut.

    Args:
        shape: Of the reconstruction, voxels along z, y, x.
        position: (3,) x, y, z of the particle, voxels.
        size: Side of the box, voxels.
    """
    within = np.array(shape[::-1])
    if not np.isfinite(position).all() or (position + size < 0).any() or (position - size > within).any():
        return False
    if ((position - size // 2 >= 1) & (position + size // 2 < within)).all():
        return True
    _, radius2, (in_x, in_y, in_z) = _sphere(shape, position, size)
    inside = (radius2 <= size * size // 4) & in_z[:, None, None] & in_y[:, None] & in_x
    return bool((inside & (radius2 >= (size - 2 * _RIM_PX) ** 2 // 4)).any())


def _sphere(shape: tuple[int, ...], position: Float, size: int) -> tuple[list[Ints], Ints, list[NDArray[np.bool_]]]:
    """Give the voxels x, y, z of a box, the squared distances from its centre, and which are in the reconstruction."""
    offset = np.arange(-(size // 2), size // 2)
    radius2 = offset[:, None, None] ** 2 + offset[:, None] ** 2 + offset**2
    # truncated toward zero; index 0 is never used
    voxels = [(offset + p).astype(np.int64) for p in position]
    return voxels, radius2, [(i > 0) & (i < side) for i, side in zip(voxels, shape[::-1], strict=True)]


class TomogramProjector:
    """Cuts particles of one tomogram from its reconstruction and projects them into the visible tilts.

    No orientation is applied, and no CTF.

    Raises:
        InputError: The tomogram has no reconstruction.
    """

    def __init__(self, plan: SeriesPlan, particles: ParticleSet, settings: ExtractionSettings) -> None:
        self.plan, self.particles, self.settings = plan, particles, settings
        tomogram = plan.series
        if tomogram.reconstruction is None:
            raise InputError(f"tomogram {tomogram.name} has no reconstruction to cut particles from")
        self._volume = tomogram.reconstruction.volume.read()
        # the order of multiplication and division decides the last bit, as in RELION
        self._voxel = tomogram.pixel_size_angstrom * tomogram.reconstruction.binning
        pixel = tomogram.pixel_size_angstrom
        self._scale = pixel / self._voxel
        self.size = projection_size(settings.crop * settings.binning * pixel / self._voxel)
        self._inverse = [_inverse(matrix[:3, :3]) for matrix in tomogram.tilts.projection]

    def extract(self, index: int, backend: AnyBackend) -> TiltStack:
        """Cut and project the particle at ``index`` of the plan; the backend is not needed."""
        plan = self.plan
        name = str(self.particles.names[plan.particles[index]])
        spectrum = _oversampled_transform(self._cut(plan.positions_px[index] * self._scale, name))
        tilts = np.flatnonzero(plan.visible[index])
        images = np.stack([_project(spectrum, 2.0 * self._inverse[tilt]) for tilt in tilts])
        return TiltStack(
            name=name,
            particle=int(plan.particles[index]),
            images=images.astype(np.float32),
            pixel_size_angstrom=self._voxel,
            visible=plan.visible[index],
            orientation=plan.orientations[index],
        )

    def _cut(self, position: Float, name: str) -> Float:
        """Copy a sphere of the tomogram, subtract the mean of its rim, and soften the rim."""
        n = self.size
        depth, height, width = self._volume.shape
        (x, y, z), radius2, (in_x, in_y, in_z) = _sphere(self._volume.shape, position, n)
        inside = (radius2 <= n * n // 4) & in_z[:, None, None] & in_y[:, None] & in_x
        values = self._volume[np.ix_(z.clip(0, depth - 1), y.clip(0, height - 1), x.clip(0, width - 1))]
        sign = -1.0 if self.settings.invert_contrast else 1.0
        box = np.where(inside, sign * values.astype(np.float64), 0.0)
        rim = inside & (radius2 >= (n - 2 * _RIM_PX) ** 2 // 4)
        if not rim.any() or np.ptp(box[rim]) == 0:
            raise InputError(
                f"particle {name}: the rim of its sphere in the reconstruction of tomogram {self.plan.series.name} "
                "has no variance; it probably lies outside, so check coordinates and binning"
            )
        box[inside] -= box[rim].mean()
        box[rim] *= (n / 2 - np.sqrt(radius2[rim])) / _RIM_PX
        return box


def _oversampled_transform(box: Float) -> Complex:
    """Transform a box padded to twice its size, made ready for trilinear interpolation."""
    n = box.shape[0]
    radius = centre_distance(n, 3) / (2 * n)
    padded = np.pad(box / np.sinc(radius) ** 2, n // 2)
    spectrum: Complex = np.fft.rfftn(np.fft.ifftshift(padded)) * (8.0 * n / (2.0 * n) ** 3)
    index = np.fft.fftfreq(2 * n, 1 / (2 * n))
    radius2 = index[:, None, None] ** 2 + index[:, None] ** 2 + half_index(2 * n) ** 2
    spectrum[radius2 > n * n] = 0.0
    return spectrum


def _project(spectrum: Complex, inverse: Float) -> Float:
    """Interpolate a central slice and transform it back; the centre comes to n // 2."""
    n = spectrum.shape[0] // 2
    row = np.arange(n)
    y, x = np.broadcast_arrays(np.where(row <= n // 2, row, row - n)[:, None], half_index(n))
    p = x[..., None] * inverse[:, 0] + y[..., None] * inverse[:, 1]
    wanted = (x**2 + y**2 <= (n / 2) ** 2) & ((p**2).sum(axis=-1) <= n * n)
    slice_ = np.zeros(x.shape, dtype=np.complex128)
    slice_[wanted] = _interpolate(spectrum, p[wanted])
    slice_ *= np.exp(-2j * np.pi * (x + y) * (n // 2) / n)
    image: Float = np.fft.irfft2(slice_, s=(n, n)) * n * n
    return image


def _interpolate(spectrum: Complex, points: Float) -> Complex:
    """Interpolate a half transform trilinearly at (m, 3) points x, y, z."""
    mirrored = points[:, 0] < 0
    points = np.where(mirrored[:, None], -points, points)
    base = np.floor(points)
    values = np.zeros(len(points), dtype=np.complex128)
    size, last = spectrum.shape[0], spectrum.shape[2] - 1
    for corner in product((0, 1), repeat=3):
        node = (base + np.array(corner)).astype(np.int64)
        share = np.prod(1.0 - np.abs(points - node), axis=1)
        values += share * spectrum[node[:, 2] % size, node[:, 1] % size, np.minimum(node[:, 0], last)]
    interpolated: Complex = np.where(mirrored, values.conj(), values)
    return interpolated


def _inverse(m: Float) -> Float:
    """Invert a 3 x 3 matrix by cofactors: near the limiting sphere the last bit decides what is kept."""
    cofactor = np.array([[_minor(m, i, j) * (-1) ** (i + j) for j in range(3)] for i in range(3)])
    determinant = m[0, 0] * cofactor[0, 0] + m[0, 1] * cofactor[0, 1] + m[0, 2] * cofactor[0, 2]
    inverse: Float = cofactor.T / determinant
    return inverse


def _minor(m: Float, row: int, column: int) -> float:
    rows, columns = [i for i in range(3) if i != row], [j for j in range(3) if j != column]
    a, b, c, d = (m[i, j] for i in rows for j in columns)
    return float(a * d - b * c)
