"""Trilinear insertion of slices into a volume, and its unpacking (spec/conventions.md §7.1 to §7.3).

The volume keeps four numbers per voxel side by side: real and imaginary part of the data, CTF², multiplicity. The two
voxels of a pair along x are then eight neighbouring numbers, which one vector instruction loads, adds to, and stores.
A volume of two numbers per voxel, CTF² and multiplicity, serves where the data take another way.
Rows and sections run from -c/2 - 1 to c/2 + 2, more than is wanted, so that no neighbour has to be tested.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.rows import first_of_other_sign, is_near, reach
from subtomo.backends.cpu.vector import KINDS, LANES, add_pixel, place_pixels

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_PADDING = 4


def padded_shape(crop_size: int, channels: int = 4) -> tuple[int, int, int, int]:
    """Give the shape of the volume for `add_slices`: z, y, x, channel."""
    return crop_size + _PADDING, crop_size + _PADDING, crop_size // 2 + 2, channels


@njit(nogil=True, cache=True)
def add_slices(slices: Float32, weights: Float32, axes: Float, limits: NDArray[np.int32], volume_out: Float32) -> None:
    """Add m·(re, im, weight, 1) to the eight neighbours of every pixel, m = |u||v| Π(1 - |p - g|).

    Pixel (x, y) of a slice lies at p = x u + y v; where p.x < 0 its mirror image is taken. ``slices`` are complex
    numbers as pairs along the last axis; they change sign from pixel to pixel, which is undone. A volume of two
    channels takes m·(weight, 1) only.
    """
    # strides and offset of the origin once, as floats: positions become indices by one multiplication per axis
    n, box, half = weights.shape
    shape = volume_out.shape[0], volume_out.shape[2], volume_out.shape[3]
    with_data = shape[2] == 4
    stride_y, stride_z = shape[1] * shape[2], shape[0] * shape[1] * shape[2]
    strides = np.uint64(stride_y), np.uint64(stride_z)
    origin = ((shape[0] - _PADDING) / 2.0 + 1.0) * (stride_y + stride_z)
    steps = float(shape[2]), float(stride_y), float(stride_z), origin
    flat = volume_out.reshape(-1)
    # places of a row are found in blocks of LANES; the last block may run over its end
    room = (half + LANES - 1) // LANES * LANES
    index, place = np.empty(room, np.int32), np.empty(KINDS * room, np.float32)
    # of real part, imaginary part, weight and one; for pixels of even x, then of odd x
    factors = np.empty(8, np.float32)
    limit = (shape[0] - _PADDING) / 2 + 1.0
    for i in range(n):
        # |u||v| makes up for slices that are sampled more finely than the volume
        u, v = axes[i, 0], axes[i, 1]
        factors[:] = math.sqrt((u * u).sum()) * math.sqrt((v * v).sum())
        # most slices cannot leave the volume, and then no pixel is tested
        safe = reach(axes[i], box / 2) < limit - 1e-9
        for row in range(box):
            # column 0 holds both halves of a slice: of its pixels those with y >= 0 are taken
            y = row if row < box // 2 else row - box
            start, stop = 0 if y >= 0 else 1, limits[i, row]
            values, weight = slices[i, row], weights[i, row]
            while start < stop:
                # pixels with p.x < 0 are mirrored; a row changes sides once at most
                end = first_of_other_sign(start, stop, u[0], y * v[0])
                flip = -1.0 if start * u[0] + y * v[0] < 0.0 else 1.0
                # two passes: places of the whole row in vector instructions, then pixel by pixel the eight additions
                line = (flip * u[0], flip * u[1], flip * u[2]), (flip * y * v[0], flip * y * v[1], flip * y * v[2])
                for block in range(0, end - start, LANES):
                    place_pixels(index, place, np.uint64(block), float(start + block), line, steps)
                _set_signs(factors, 1 - 2 * (row & 1), flip)
                for pixel in range(start, end):
                    if safe or is_near(pixel, y, axes[i], limit):
                        x, at = np.uint64(pixel), np.uint64(pixel - start)
                        first = np.uint64(index[at])
                        parity = x & np.uint64(1)
                        # two branches that numba compiles apart: None has a type of its own
                        if with_data:
                            add_pixel(flat, first, strides, place, at, values, weight, x, factors, parity)
                        else:
                            add_pixel(flat, first, strides, place, at, None, weight, x, factors, parity)
                start = end


@njit(nogil=True, cache=True)
def _set_signs(factors_out: Float32, sign: int, flip: float) -> None:
    """Give factors of data the signs of a row: the mirror image of a pixel is its complex conjugate."""
    for x in range(2):
        scale = factors_out[4 * x + 2] * np.float32(sign * (1 - 2 * x))
        factors_out[4 * x], factors_out[4 * x + 1] = scale, scale * np.float32(flip)


@njit(nogil=True, cache=True)
def unpack_sections(
    volume_out: Float32,
    plane: Float32,
    data_scale: np.float32,
    first: int,
    spectrum_out: Float32,
    weights_out: Float32,
) -> None:
    """Turn sections of the padded volume into those of a half transform and weights, and leave them zero.

    The centre of the result is at c // 2. ``spectrum_out`` (n, c, ≥ 2 (c // 2 + 1)) are its sections from ``first`` on,
    which are scaled; ``weights_out`` (2 c, c, c // 2 + 1) holds all of CTF², then of the multiplicity. ``plane`` is
    `symmetric_plane` of the volume before any of this.
    """
    c = weights_out.shape[1]
    flat = volume_out.reshape(-1)
    side, width = volume_out.shape[0], volume_out.shape[2]
    for i in range(spectrum_out.shape[0]):
        # frequency z of the transform lies at z + c / 2 of the volume, after one row of padding
        z = first + i
        iz = (z + c // 2) % c + 1
        for y in range(c):
            iy = (y + c // 2) % c + 1
            start = (iz * side + iy) * width * 4
            source = flat[start : start + width * 4]
            # alternating signs move the centre to c // 2
            sign = -data_scale if (y + z) & 1 else data_scale
            _unpack_row(source, sign, spectrum_out[i, y], weights_out[z, y], weights_out[z + c, y])
            # column 0 comes from the plane that was made symmetric beforehand
            spectrum_out[i, y, 0], spectrum_out[i, y, 1] = sign * plane[z, y, 0], sign * plane[z, y, 1]
            weights_out[z, y, 0], weights_out[z + c, y, 0] = plane[z, y, 2], plane[z, y, 3]
            # the next particle starts here; the row is in the cache now, and would not be later
            source[:] = 0.0
        volume_out[iz, 0] = 0.0
        volume_out[iz, c + 1 :] = 0.0


def clear_padding(volume_out: Float32) -> None:
    """Leave zero what `unpack_sections` of all sections does not touch."""
    volume_out[0] = 0.0
    volume_out[1 - _PADDING :] = 0.0


@njit(nogil=True, cache=True)
def symmetric_plane(volume: Float32, plane_out: Float32) -> None:
    """Add to the plane x = 0 of a padded volume the conjugate of its mirror image, into (c, c, channels).

    So every voxel of that plane is counted twice, as RELION does (quirk 6).
    """
    c, _, channels = plane_out.shape
    for z in range(c):
        # the frequency -c / 2 is its own mirror image
        iz, mirror_z = (z + c // 2) % c + 1, (c - z + c // 2) % c + 1
        for y in range(c):
            voxel = volume[iz, (y + c // 2) % c + 1, 0]
            mirror = volume[mirror_z, (c - y + c // 2) % c + 1, 0]
            for channel in range(channels):
                # the imaginary part of a complex conjugate has the other sign
                sign = np.float32(-1.0 if channels == 4 and channel == 1 else 1.0)
                plane_out[z, y, channel] = voxel[channel] + sign * mirror[channel]


@njit(nogil=True, cache=True)
def _unpack_row(
    source: Float32, sign: np.float32, spectrum_out: Float32, ctf2_out: Float32, multiplicity_out: Float32
) -> None:
    """Take the four channels of a row apart; the spectrum changes sign from pixel to pixel."""
    for x in range(ctf2_out.shape[0]):
        factor = sign * np.float32(1 - 2 * (x & 1))
        spectrum_out[2 * x] = factor * source[4 * x]
        spectrum_out[2 * x + 1] = factor * source[4 * x + 1]
        ctf2_out[x] = source[4 * x + 2]
        multiplicity_out[x] = source[4 * x + 3]


@njit(nogil=True, cache=True)
def unpack_weights(volume_out: Float32, weights_out: Float32) -> None:
    """Take CTF² and multiplicity out of a padded volume of two channels, and leave it zero; see `unpack_sections`."""
    c = weights_out.shape[1]
    plane = np.empty((c, c, volume_out.shape[3]), np.float32)
    symmetric_plane(volume_out, plane)
    for z in range(c):
        iz = (z + c // 2) % c + 1
        for y in range(c):
            source = volume_out[iz, (y + c // 2) % c + 1]
            for x in range(weights_out.shape[2]):
                weights_out[z, y, x], weights_out[z + c, y, x] = source[x, 0], source[x, 1]
            weights_out[z, y, 0], weights_out[z + c, y, 0] = plane[z, y, 0], plane[z, y, 1]
    volume_out[...] = 0.0
