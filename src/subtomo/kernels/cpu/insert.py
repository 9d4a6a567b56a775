"""Trilinear insertion of slices into a volume, and its unpacking (relion-conventions.md §7.1 to §7.3).

The volume keeps four numbers per voxel side by side: real and imaginary part of the data, CTF², multiplicity. The two
voxels of a pair along x are then eight neighbouring numbers, which is one vector of the processor. Rows and sections
run from -c/2 - 1 to c/2, one more than is wanted on either side, so that no neighbour has to be tested.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]


def padded_shape(crop_size: int) -> tuple[int, int, int, int]:
    """Give the shape of the volume for `add_slices`: z, y, x, channel."""
    return crop_size + 2, crop_size + 2, crop_size // 2 + 2, 4


@njit(nogil=True, cache=True)
def add_slices(
    slices: Complex64, weights: Float32, axes: Float, limits: NDArray[np.int32], checkered: bool, volume_out: Float32
) -> None:
    """Add m·(re, im, weight, 1) to the eight neighbours of every pixel, m = |u||v| Π(1 - |p - g|).

    Pixel (x, y) of a slice lies at p = x u + y v; where p.x < 0 its mirror image is taken. If ``checkered``, slices
    change sign from pixel to pixel.
    """
    n, box, _ = slices.shape
    flat = volume_out.reshape(-1)
    stride_y = volume_out.shape[2] * 4
    stride_z = volume_out.shape[1] * stride_y
    offset = (volume_out.shape[0] - 2) // 2 + 1
    last_x, last = volume_out.shape[2] - 2, volume_out.shape[0] - 2
    for i in range(n):
        ux, uy, uz = axes[i, 0]
        vx, vy, vz = axes[i, 1]
        scale = math.sqrt(ux * ux + uy * uy + uz * uz) * math.sqrt(vx * vx + vy * vy + vz * vz)
        for row in range(box):
            upper = row < box // 2
            y = row if upper else row - box
            for x in range(0 if upper else 1, limits[i, row]):
                px, py, pz = x * ux + y * vx, x * uy + y * vy, x * uz + y * vz
                value = slices[i, row, x]
                re, im, weight = value.real, value.imag, weights[i, row, x]
                if checkered and (x + row) & 1:
                    re, im = -re, -im
                if px < 0.0:
                    px, py, pz, im = -px, -py, -pz, -im
                base_x, base_y, base_z = math.floor(px), math.floor(py), math.floor(pz)
                ix, iy, iz = int(base_x), int(base_y) + offset, int(base_z) + offset
                if ix > last_x or iy < 0 or iy > last or iz < 0 or iz > last:
                    continue
                fx, fy, fz = np.float32(px - base_x), np.float32(py - base_y), np.float32(pz - base_z)
                one = np.float32(1.0)
                left, right = np.float32(scale) * (one - fx), np.float32(scale) * fx
                for corner in range(4):
                    dy, dz = corner & 1, corner >> 1
                    share = (fy if dy else one - fy) * (fz if dz else one - fz)
                    at = (iz + dz) * stride_z + (iy + dy) * stride_y + ix * 4
                    first, second = share * left, share * right
                    flat[at] += first * re
                    flat[at + 1] += first * im
                    flat[at + 2] += first * weight
                    flat[at + 3] += first
                    flat[at + 4] += second * re
                    flat[at + 5] += second * im
                    flat[at + 6] += second * weight
                    flat[at + 7] += second


@njit(nogil=True, cache=True)
def unpack_volume(volume: Float32, data_scale: np.float32, spectrum_out: Complex64, weights_out: Float32) -> None:
    """Turn the padded volume into a half transform with its centre at c // 2, and weights with the origin first.

    ``spectrum_out`` (c, c, c // 2 + 1) is scaled; ``weights_out`` (2 c, c, c // 2 + 1) holds CTF², then multiplicity.
    In the plane x = 0 every voxel also receives the conjugate of its mirror image, itself included (quirk 6).
    """
    c, half = spectrum_out.shape[0], spectrum_out.shape[2]
    for z in range(c):
        iz = (z + c // 2) % c + 1
        mirror_z = (c - z + c // 2) % c + 1
        for y in range(c):
            iy = (y + c // 2) % c + 1
            mirror_y = (c - y + c // 2) % c + 1
            for x in range(half):
                re, im, ctf2, multiplicity = volume[iz, iy, x]
                if x == 0:
                    mirror = volume[mirror_z, mirror_y, 0]
                    re, im = re + mirror[0], im - mirror[1]
                    ctf2, multiplicity = ctf2 + mirror[2], multiplicity + mirror[3]
                factor = -data_scale if (x + y + z) & 1 else data_scale
                spectrum_out[z, y, x] = complex(factor * re, factor * im)
                weights_out[z, y, x] = ctf2
                weights_out[z + c, y, x] = multiplicity
