"""Masks and factors that depend on sizes only; threads share those that are kept."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.protocol import BoxGeometry
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.random_phases import phase_table
from subtomo.physics.window import circle_crop_window, insertion_envelope, particle_sphere

Float32 = NDArray[np.float32]


@cache
def inverse_envelope(size: int) -> Float32:
    """Give what undoes the damping of trilinear insertion; threads share it."""
    return (1.0 / insertion_envelope(size)).astype(np.float32)


@cache
def sphere(size: int) -> Float32:
    """Give the mask of the exact data term; threads share it."""
    return particle_sphere(size).astype(np.float32)


@cache
def phases() -> Float32:
    """Give the directions of completing noise as pairs, (256, 2); threads share them."""
    table = phase_table()
    return np.stack([table.real, table.imag], axis=1).astype(np.float32)


@cache
def nearest_shells(size: int) -> NDArray[np.int16]:
    """List the nearest shell, at most c / 2, by the square of the radius in voxels; threads share it."""
    squares = np.arange(3 * (size // 2) ** 2 + 1)
    return np.minimum(np.rint(np.sqrt(squares)), size // 2).astype(np.int16)


def patch_window(size: int, shift: int) -> tuple[Float32, NDArray[np.bool_]]:
    """Give mask and background (size, size) of the largest circle, rolled by ``shift`` as patches are."""
    mask, background = circle_crop_window(size, 0)
    return np.roll(mask, (-shift, -shift), (0, 1)).astype(np.float32), np.roll(background, (-shift, -shift), (0, 1))


def circle(geometry: BoxGeometry, central: slice) -> tuple[Float32, NDArray[np.int32], int]:
    """Give mask, spans within the circle, and number of background pixels for `circle_crop_rows`."""
    mask, background = circle_crop_window(geometry.box_size, geometry.boundary)
    inside = ~background[central]
    first = inside.argmax(axis=1)
    spans = np.stack([first, first + inside.sum(axis=1)], axis=1).astype(np.int32)
    return np.ascontiguousarray(mask[central], dtype=np.float32), spans, int(background.sum())


@cache
def row_lengths(size: int) -> NDArray[np.int32]:
    """Count the voxels of every row (z, y) of a half transform that are nearer to the origin than c / 2."""
    wrapped = wrapped_index(size)
    squares = wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + half_index(size) ** 2
    lengths: NDArray[np.int32] = (4 * squares < size**2).sum(axis=2).astype(np.int32)
    return lengths
