"""Surfaces of maps: where a density crosses a contour, and which contour shows the molecule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from skimage.filters import threshold_otsu
from skimage.measure import marching_cubes

from subtomo.errors import InputError

Float = NDArray[np.float64]
Volume = NDArray[np.floating]

ANGSTROM3_PER_DALTON = 1.21
"""Volume of protein, from its partial specific volume of 0.73 cm³/g."""
_FINE_VOXELS = 96
"""Maps of fewer voxels per side are resampled to about this many, so that facets are not seen."""


@dataclass(frozen=True)
class Contour:
    """A contour level, and what it amounts to."""

    level: float
    """Density."""
    sigmas: float
    """Standard deviations of the map above its mean."""
    enclosed_angstrom3: float
    """Volume within the surface."""

    @property
    def words(self) -> str:
        """The contour in words: level, sigmas, volume, and the mass of protein that would fill it."""
        mass = self.enclosed_angstrom3 / ANGSTROM3_PER_DALTON
        size = f"{mass / 1e6:.2g} MDa" if mass >= 1e6 else f"{mass / 1e3:.3g} kDa"
        return (
            f"contour at {self.level:.3g} ({self.sigmas:.1f} σ above the mean), which encloses "
            f"{self.enclosed_angstrom3 / 1e3:.4g} nm³, as much as {size} of protein fill"
        )


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangulated surface."""

    vertices: Float
    """(n, 3) x, y, z in Å from the map's centre, ``c // 2``."""
    normals: Float
    """(n, 3) unit vectors out of the density."""
    triangles: NDArray[np.int64]
    """(m, 3) indices of vertices, counter-clockwise from outside."""


def automatic_contour(volume: Volume, pixel_size_angstrom: float) -> Contour:
    """Choose a contour that parts density from what surrounds it (Otsu 1979), within the largest sphere of the map.

    Args:
        volume: (c, c, c) with its centre at ``c // 2``; density is positive.
        pixel_size_angstrom: Å per voxel.
    """
    inside = volume[np.isfinite(volume) & (volume != 0)]
    if not inside.size or inside.min() == inside.max():
        raise InputError("the map has the same value everywhere, so it has no surface")
    return contour_at(volume, pixel_size_angstrom, float(threshold_otsu(inside)))


def contour_of_volume(volume: Volume, pixel_size_angstrom: float, enclosed_angstrom3: float) -> Contour:
    """Choose the contour that encloses a volume, for instance that of a molecule of known mass."""
    wanted = round(enclosed_angstrom3 / pixel_size_angstrom**3)
    if not 0 < wanted < volume.size:
        raise InputError(
            f"a volume of {enclosed_angstrom3:g} Å³ is {wanted} voxels, but a surface encloses between 1 and "
            f"{volume.size - 1} voxels of {pixel_size_angstrom:g} Å"
        )
    ranked = np.partition(volume.ravel(), volume.size - wanted)
    return contour_at(volume, pixel_size_angstrom, float(ranked[volume.size - wanted]))


def contour_at(volume: Volume, pixel_size_angstrom: float, level: float) -> Contour:
    """Describe a contour level of a map (c, c, c)."""
    deviation = float(volume.std()) or 1.0
    enclosed = float((volume >= level).sum()) * pixel_size_angstrom**3
    return Contour(level, (level - float(volume.mean())) / deviation, enclosed)


def isosurface(volume: Volume, pixel_size_angstrom: float, level: float) -> Surface:
    """Triangulate the surface where a map crosses a level, by marching cubes (Lewiner et al. 2003).

    Small maps are resampled in Fourier space first. Normals follow the gradient of the density.

    Args:
        volume: (c, c, c) with its centre at ``c // 2``.
        pixel_size_angstrom: Å per voxel.
        level: Density of the surface.

    Raises:
        InputError: The map does not cross the level.
    """
    if not volume.min() < level < volume.max():
        raise InputError(
            f"the map has densities from {volume.min():.3g} to {volume.max():.3g}, so it has no surface at {level:.3g}"
        )
    size = len(volume)
    factor = max(1, round(_FINE_VOXELS / size))
    fine = np.pad(resampled(volume, factor), 1, constant_values=min(float(volume.min()), level))
    points, triangles, _, _ = marching_cubes(fine, level, gradient_direction="ascent")
    gradient = np.stack([ndimage.map_coordinates(part, points.T, order=1) for part in np.gradient(fine)], axis=1)
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    normals = -gradient / np.maximum(length, 1e-30)
    vertices = ((points - 1) / factor - size // 2) * pixel_size_angstrom
    return Surface(vertices[:, ::-1].astype(np.float64), normals[:, ::-1], triangles[:, ::-1].astype(np.int64))


def resampled(volume: Volume, factor: int) -> NDArray[np.float32]:
    """Resample a map (c, c, c) to (c · factor,)³ by padding its transform with zeros; voxel i becomes i · factor."""
    if factor == 1:
        return np.asarray(volume, np.float32)
    size, wide = len(volume), len(volume) * factor
    half = size // 2
    spectrum = fft.rfftn(np.asarray(volume, np.float32))
    padded = np.zeros((wide, wide, wide // 2 + 1), spectrum.dtype)
    # Nyquist of even sizes, which has no twin to stay real with, is left out
    low, high = slice(0, (size + 1) // 2), slice(half + 1, None)
    for z in (low, high):
        for y in (low, high):
            into = tuple(part if part is low else slice(wide - (size - half - 1), None) for part in (z, y))
            padded[(*into, low)] = spectrum[z, y, low]
    fine: NDArray[np.float32] = fft.irfftn(padded, s=(wide,) * 3) * factor**3
    return fine
