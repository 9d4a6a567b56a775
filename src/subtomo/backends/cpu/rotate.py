"""Look up a half transform at any frequencies, or at all of another half transform, rotated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.backends.cpu.rows import first_of_other_sign

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@njit(nogil=True, cache=True, inline="always")
def _spline(t: float) -> tuple[float, float, float, float]:
    """Give the four weights of a cubic B-spline at a fraction of a grid step."""
    s = 1.0 - t
    return (
        s * s * s / 6.0,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
        (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0,
        t * t * t / 6.0,
    )


@njit(nogil=True, cache=True, inline="always")
def _spline_slope(t: float) -> tuple[float, float, float, float]:
    """Give the derivatives of the four weights by t."""
    s = 1.0 - t
    return -s * s / 2.0, (3.0 * t - 4.0) * t / 2.0, (4.0 - 3.0 * s) * s / 2.0, t * t / 2.0


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _row_sum(row: Float32, first: int, wx: Float) -> tuple[float, float]:
    """Weigh four neighbours along x."""
    real = imaginary = 0.0
    for i in range(4):
        real += wx[i] * row[2 * (first + i)]
        imaginary += wx[i] * row[2 * (first + i) + 1]
    return real, imaginary


@njit(nogil=True, cache=True)
def _mirrored_sum(spectrum: Float32, z: int, y: int, first: int, wx: Float) -> tuple[float, float]:
    """Weigh four neighbours along x, some of which lie in the half that is not stored."""
    size = spectrum.shape[0]
    half = size // 2
    real = imaginary = 0.0
    for i in range(4):
        x = first + i
        if 0 <= x <= half:
            real += wx[i] * spectrum[z, y, 2 * x]
            imaginary += wx[i] * spectrum[z, y, 2 * x + 1]
        else:
            # beyond either end of the stored half: the mirror image, conjugated
            x = -x if x < 0 else size - x
            row = spectrum[(size - z) % size, (size - y) % size]
            real += wx[i] * row[2 * x]
            imaginary -= wx[i] * row[2 * x + 1]
    return real, imaginary


@njit(nogil=True, cache=True)
def _interpolate(spectrum: Float32, px: float, py: float, pz: float, work: Float) -> tuple[float, float]:
    """Interpolate at a frequency with px >= 0, in grid steps; |p| must be below half the size."""
    wx, wy, wz = work[0], work[1], work[2]
    ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
    wx[0], wx[1], wx[2], wx[3] = _spline(px - ix)
    wy[0], wy[1], wy[2], wy[3] = _spline(py - iy)
    wz[0], wz[1], wz[2], wz[3] = _spline(pz - iz)
    return _weighted_sum(spectrum, ix, iy, iz, wx, wy, wz)


@njit(nogil=True, cache=True, inline="always")
def _weighted_sum(spectrum: Float32, ix: int, iy: int, iz: int, wx: Float, wy: Float, wz: Float) -> tuple[float, float]:
    """Weigh 64 values, from one step before (ix, iy, iz) to two behind it, by products of weights, (4,) each."""
    size = spectrum.shape[0]
    first = ix - 1
    inside = first >= 0 and first + 3 <= size // 2
    real = imaginary = 0.0
    for k in range(4):
        # frequencies wrap around, as the transform is periodic
        z = (iz - 1 + k + size) % size
        for j in range(4):
            y = (iy - 1 + j + size) % size
            if inside:
                a, b = _row_sum(spectrum[z, y], first, wx)
            else:
                a, b = _mirrored_sum(spectrum, z, y, first, wx)
            weight = wz[k] * wy[j]
            real += weight * a
            imaginary += weight * b
    return real, imaginary


@njit(nogil=True, cache=True)
def rotate_spectrum(spectrum: Float32, matrix: Float, offset: Float, padding: int, spectrum_out: Float32) -> None:
    """Give every frequency k the value at p = matrix · k, times exp(-2πi p · offset / c); zero from c / 2 on.

    ``spectrum`` (P, P, 2 (P // 2 + 1)), P = padding · c, and ``spectrum_out`` (c, c, 2 (c // 2 + 1)) are half
    transforms with complex numbers as pairs and their origin at [0, 0, 0]. Interpolation is by cubic B-splines,
    for which ``spectrum`` must have been prepared. ``offset`` is in voxels, x, y, z.
    """
    c = spectrum_out.shape[0]
    work = np.empty((3, 4))
    moved = offset[0] != 0.0 or offset[1] != 0.0 or offset[2] != 0.0
    for row_z in range(c):
        z = row_z if row_z < c // 2 else row_z - c
        for row_y in range(c):
            y = row_y if row_y < c // 2 else row_y - c
            for x in range(c // 2 + 1):
                # by whole numbers, so that rounding decides nothing
                if 4 * (x * x + y * y + z * z) >= c * c:
                    spectrum_out[row_z, row_y, 2 * x] = spectrum_out[row_z, row_y, 2 * x + 1] = 0.0
                    continue
                px = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z
                py = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z
                pz = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z
                # in steps of the finer transform, on the side that is stored
                side = -padding if px < 0.0 else padding
                real, imaginary = _interpolate(spectrum, side * px, side * py, side * pz, work)
                if px < 0.0:
                    imaginary = -imaginary
                if moved:
                    # a shift by the offset
                    phase = -2.0 * math.pi * (px * offset[0] + py * offset[1] + pz * offset[2]) / c
                    cosine, sine = math.cos(phase), math.sin(phase)
                    real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
                spectrum_out[row_z, row_y, 2 * x] = real
                spectrum_out[row_z, row_y, 2 * x + 1] = imaginary


@njit(nogil=True, cache=True)
def sample_spectrum(spectrum: Float32, points: Float, padding: int, values_out: Float, slopes_out: Float) -> None:
    """Interpolate at points p, and give the derivatives of what is interpolated; zero from |p| = c / 2 on.

    Args:
        spectrum: As in `rotate_spectrum`.
        points: (n, 3) x, y, z in steps of the frequency 1 / c.
        padding: Steps of ``spectrum`` in one of these.
        values_out: (2 n,) real and imaginary parts.
        slopes_out: (n, 6) real and imaginary part of the derivative by x, y and z, per step 1 / c; (0, 6) for none.
    """
    limit = spectrum.shape[0] / (2.0 * padding)
    work, slope, with_slopes = np.empty((3, 4)), np.empty((3, 4)), len(slopes_out) > 0
    for i in range(len(points)):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        values_out[2 * i] = values_out[2 * i + 1] = 0.0
        if with_slopes:
            slopes_out[i] = 0.0
        if px * px + py * py + pz * pz >= limit * limit:
            continue
        # the half that is stored has x >= 0; the other is its complex conjugate, with slopes of the other sign
        side = -padding if px < 0.0 else padding
        conjugate = -1.0 if px < 0.0 else 1.0
        px, py, pz = side * px, side * py, side * pz
        values_out[2 * i], imaginary = _interpolate(spectrum, px, py, pz, work)
        values_out[2 * i + 1] = conjugate * imaginary
        if not with_slopes:
            continue
        ix, iy, iz = math.floor(px), math.floor(py), math.floor(pz)
        slope[0, 0], slope[0, 1], slope[0, 2], slope[0, 3] = _spline_slope(px - ix)
        slope[1, 0], slope[1, 1], slope[1, 2], slope[1, 3] = _spline_slope(py - iy)
        slope[2, 0], slope[2, 1], slope[2, 2], slope[2, 3] = _spline_slope(pz - iz)
        for axis in range(3):
            # the same sum, with the derivative's weights along one axis
            wx = slope[0] if axis == 0 else work[0]
            wy = slope[1] if axis == 1 else work[1]
            wz = slope[2] if axis == 2 else work[2]
            real, imaginary = _weighted_sum(spectrum, ix, iy, iz, wx, wy, wz)
            slopes_out[i, 2 * axis], slopes_out[i, 2 * axis + 1] = side * real, side * conjugate * imaginary


@njit(nogil=True, cache=True)
def sum_rotated_weights(
    weights: Float32, matrix: Float, stops: NDArray[np.int32], scratch: Float32, sum_out: Float32
) -> None:
    """Add to every frequency k the weight at matrix · k, trilinear, so never negative; nothing from c / 2 on.

    Args:
        weights: (c, c, c // 2 + 1) origin at [0, 0, 0].
        matrix: (3, 3)
        stops: (c, c) how many voxels of the row (z, y) are nearer to the origin than c / 2.
        scratch: (c + 1, c + 1, c // 2 + 1)
        sum_out: As the weights.
    """
    c = len(weights)
    half = c // 2
    # from -c/2 to c/2, so that neighbours lie beside each other
    for z in range(c + 1):
        for y in range(c + 1):
            scratch[z, y] = weights[(z + half) % c, (y + half) % c]
    # unsigned indices need no test for negative ones
    stride_y, one = half + 1, np.uint64(1)
    stride_z = stride_y * (c + 1)
    to_row, to_section = np.uint64(stride_y), np.uint64(stride_z)
    flat = scratch.reshape(-1)
    for row_z in range(c):
        z = row_z if row_z < half else row_z - c
        for row_y in range(c):
            y = row_y if row_y < half else row_y - c
            x_start = matrix[0, 1] * y + matrix[0, 2] * z
            y_start = matrix[1, 1] * y + matrix[1, 2] * z
            z_start = matrix[2, 1] * y + matrix[2, 2] * z
            row, start, stop = sum_out[row_z, row_y], 0, stops[row_z, row_y]
            while start < stop:
                # weights are even, so that the mirror image has the same value; a row changes sides once at most
                end = first_of_other_sign(start, stop, matrix[0, 0], x_start)
                side = -1.0 if start * matrix[0, 0] + x_start < 0.0 else 1.0
                for x in range(start, end):
                    px = side * (matrix[0, 0] * x + x_start)
                    py = side * (matrix[1, 0] * x + y_start) + half
                    pz = side * (matrix[2, 0] * x + z_start) + half
                    ix, iy, iz = int(px), int(py), int(pz)
                    fx, fy, fz = np.float32(px - ix), np.float32(py - iy), np.float32(pz - iz)
                    at = np.uint64(iz * stride_z + iy * stride_y + ix)
                    near = _bilinear(flat, at, one, to_row, fx, fy)
                    far = _bilinear(flat, at + to_section, one, to_row, fx, fy)
                    row[np.uint64(x)] += near + fz * (far - near)
                start = end


@njit(nogil=True, cache=True, inline="always")
def _bilinear(flat: Float32, at: Any, one: Any, stride: Any, fx: Any, fy: Any) -> Any:
    """Interpolate between four neighbours of a section."""
    first = flat[at] + fx * (flat[at + one] - flat[at])
    at += stride
    second = flat[at] + fx * (flat[at + one] - flat[at])
    return first + fy * (second - first)
