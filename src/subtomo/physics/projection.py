"""Projection of tomogram positions into tilt images (spec/conventions.md §4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.conventions import integer_centre

Float = NDArray[np.float64]


def projection_from_angles(
    angles_deg: ArrayLike,
    shift_px: ArrayLike,
    image_size: tuple[int, int],
    tomogram_size: Sequence[int],
) -> Float:
    """Build the (n_tilts, 4, 4) matrices that map decentred tomogram pixels to image pixels x, y and depth z.

    Args:
        angles_deg: (n_tilts, 3) X tilt, Y tilt and Z rotation, degrees.
        shift_px: (n_tilts, 2) shifts of the image in x and y, pixels.
        image_size: width and height of the tilt images, pixels.
        tomogram_size: x, y, z size of the unbinned tomogram, pixels.

    Source: spec/conventions.md §4.1; the halves are integers here.
    """
    angles = np.asarray(angles_deg, dtype=np.float64)
    shifts = np.asarray(shift_px, dtype=np.float64)
    n_tilts = len(angles)
    to_centre = _translation(np.full((n_tilts, 3), [-integer_centre(size) for size in tomogram_size], dtype=np.float64))
    rotation = np.zeros((n_tilts, 4, 4))
    rotation[:, 3, 3] = 1.0
    rotation[:, :3, :3] = _about(2, angles[:, 2]) @ _about(1, angles[:, 1]) @ _about(0, angles[:, 0])
    to_image = np.zeros((n_tilts, 3))
    to_image[:, :2] = shifts + np.array([image_size[0] // 2, image_size[1] // 2])
    return _translation(to_image) @ rotation @ to_centre


def project(projection: Float, points_px: Float) -> Float:
    """Project points into every tilt image.

    Args:
        projection: (n_tilts, 4, 4) matrices.
        points_px: (..., 1, 3), or (..., n_tilts, 3) with one position per tilt; decentred pixels.

    Returns:
        (..., n_tilts, 3): image x and y and depth z, pixels.
    """
    return _components(projection, points_px, (0, 1, 2))


def project_depth(projection: Float, points_px: Float) -> Float:
    """Give the depth z (..., n_tilts) that `project` gives, and no more; pixels."""
    depth: Float = _components(projection, points_px, (2,))[..., 0]
    return depth


def project_into_image(projection: Float, points_px: Float) -> Float:
    """Give the image x and y (..., n_tilts, 2) that `project` gives, and no more; pixels."""
    return _components(projection, points_px, (0, 1))


def _components(projection: Float, points_px: Float, rows: tuple[int, ...]) -> Float:
    """Multiply by some rows of the matrices, with plain left-to-right sums, one row at a time: that fits the cache."""
    points = np.asarray(points_px, dtype=np.float64)
    shape = np.broadcast_shapes(points.shape[:-1], projection.shape[:1])
    out = np.empty((*shape, len(rows)))
    for place, row in enumerate(rows):
        total = projection[:, row, 0] * points[..., 0]
        total = total + projection[:, row, 1] * points[..., 1]
        total += projection[:, row, 2] * points[..., 2]
        np.add(total, projection[:, row, 3], out=out[..., place])
    return out


def slice_axes(projection: Float, orientation: Float, relative_box: float) -> Float:
    """Compute the two axes of every tilt's Fourier slice in the particle's own frame, in voxels of the output.

    Args:
        projection: (n_tilts, 4, 4) matrices.
        orientation: (3, 3) matrix from the particle's frame to the tomogram's.
        relative_box: crop size divided by box size.

    Returns:
        (n_tilts, 2, 3): the vectors u and v; pixel (x, y) of the slice lies at x u + y v. Source: §7.2.
    """
    axes: Float = (projection[:, :2, :3] @ orientation) * relative_box
    return axes


def _translation(shift: Float) -> Float:
    matrix = np.zeros((len(shift), 4, 4))
    matrix[:] = np.eye(4)
    matrix[:, :3, 3] = shift
    return matrix


def _about(axis: int, angle_deg: Float) -> Float:
    """Rotate about the x (0), y (1) or z (2) axis: (n, 3, 3) matrices, right-handed."""
    angle = angle_deg * np.pi / 180.0
    cosine, sine = np.cos(angle), np.sin(angle)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, axis, axis] = 1.0
    matrix[:, first, first] = matrix[:, second, second] = cosine
    matrix[:, first, second] = -sine
    matrix[:, second, first] = sine
    return matrix


def patch_corners(positions_px: Float, size: int) -> NDArray[np.int64]:
    """Return the first pixel of patches around positions in tilt images, (..., 2) x and y each, pixels (§6.1)."""
    # RELION rounds halves away from zero; visible positions are positive
    return np.floor(positions_px + 0.5).astype(np.int64) - size // 2
