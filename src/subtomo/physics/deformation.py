"""In-plane deformations of tilt images, as found by frame alignment (spec/conventions.md §4.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

KINDS = ("linear", "spline", "Fourier")


def deformation_shift(
    kind: str, coefficients: Float, grid: tuple[int, int], image_size: tuple[int, int], points_px: Float
) -> Float:
    """Compute the shift of image points under one tilt's deformation.

    Args:
        kind: one of `KINDS`.
        coefficients: 1-D, as stored in the tilt table; see `coefficient_count`.
        grid: grid points in x and y (ignored by ``linear``).
        image_size: width and height, pixels.
        points_px: (..., 2) x and y, pixels.

    Returns:
        (..., 2) shifts in pixels, to be added to the points.

    Raises:
        ValueError: the kind is unknown.
    """
    size = np.array(image_size, dtype=np.float64)
    if kind == "linear":
        return _linear(coefficients, size, points_px)
    if kind == "spline":
        return _spline(coefficients, grid, size, points_px)
    if kind == "Fourier":
        return _fourier(coefficients, grid, size, points_px)
    raise ValueError(f"unknown deformation type {kind!r}, expected one of {', '.join(KINDS)}")


def coefficient_count(kind: str, grid: tuple[int, int]) -> int:
    """Return the number of coefficients that a deformation of this kind needs; more are ignored."""
    if kind == "linear":
        return 3
    if kind == "spline":
        return 8 * grid[0] * grid[1]
    return 4 * len(_fourier_indices(grid))


def _linear(coefficients: Float, size: Float, points: Float) -> Float:
    a, b, c = coefficients[:3]
    r = points - size / 2.0
    return np.stack([a * r[..., 0], b * r[..., 0] + c * r[..., 1]], axis=-1)


def _spline(coefficients: Float, grid: tuple[int, int], size: Float, points: Float) -> Float:
    cells = np.array(grid) - 1
    u = np.clip(points / (size / cells), 0.0, cells - 1e-10)
    cell = u.astype(np.int64)
    hx, hy = np.moveaxis(_hermite(u - cell), -2, 0)
    # (dim, iy, ix, [value, slope_x, slope_y, twist])
    nodes = np.asarray(coefficients[: coefficient_count("spline", grid)]).reshape(2, grid[1], grid[0], 4)
    ix, iy = cell[..., 0], cell[..., 1]
    shift = np.zeros(points.shape)
    for dim in range(2):
        for corner_x in range(2):
            for corner_y in range(2):
                value, slope_x, slope_y, twist = np.moveaxis(nodes[dim, iy + corner_y, ix + corner_x], -1, 0)
                along_y = hy[..., corner_y], hy[..., 2 + corner_y]
                shift[..., dim] += hx[..., corner_x] * (along_y[0] * value + along_y[1] * slope_y)
                shift[..., dim] += hx[..., 2 + corner_x] * (along_y[0] * slope_x + along_y[1] * twist)
    return shift


def _hermite(t: Float) -> Float:
    """Evaluate the cubic Hermite basis at t: value at 0 and 1, slope at 0 and 1, on a new last axis."""
    t2, t3 = t * t, t * t * t
    return np.stack([1 - 3 * t2 + 2 * t3, 3 * t2 - 2 * t3, t - 2 * t2 + t3, -t2 + t3], axis=-1)


def _fourier(coefficients: Float, grid: tuple[int, int], size: Float, points: Float) -> Float:
    indices = _fourier_indices(grid)
    frequencies = indices * np.pi / size
    terms = np.asarray(coefficients[: 4 * len(indices)]).reshape(2, len(indices), 2)
    phase = points @ frequencies.T
    return np.stack([np.cos(phase) @ term[:, 0] + np.sin(phase) @ term[:, 1] for term in terms], axis=-1)


def _fourier_indices(grid: tuple[int, int]) -> Float:
    """List the (n, 2) frequency indices x, y of a half plane, without the origin and its mirror images."""
    grid_x, grid_y = grid
    indices: list[tuple[int, int]] = []
    for row in range(grid_y):
        upper = row < grid_y // 2
        y = row if upper else row - grid_y
        start = 0 if upper and row > 0 else 1
        indices += [(x, y) for x in range(start, grid_x // 2 + 1)]
    return np.array(indices, dtype=np.float64).reshape(-1, 2)
