"""What is done to inserted weights: the blur of insertion undone, and noise that reaches beyond the slices covered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import RAISED_SHARE, REACH_SHARE, WEIGHT_KEPT, WEIGHT_SHARPENING

Float = NDArray[np.float64]


def sharpened(weights: Float) -> Float:
    """Undo the blur of insertion along each axis, as far as weights stay positive; (c, c, c // 2 + 1) both."""
    for axis in (2, 1, 0):
        filtered = (1.0 + 2.0 * WEIGHT_SHARPENING) * weights
        filtered -= WEIGHT_SHARPENING * _neighbours(weights, axis)
        weights = np.maximum(filtered, WEIGHT_KEPT * weights, out=filtered)
    return weights


def spread(weights: Float) -> Float:
    """Blur weights along each axis as far as the noise of exact data reaches; (c, c, c // 2 + 1) both."""
    for axis in (2, 1, 0):
        blurred = (1.0 - 2.0 * REACH_SHARE) * weights
        blurred += REACH_SHARE * _neighbours(weights, axis)
        weights = blurred
    return weights


def _neighbours(weights: Float, axis: int) -> Float:
    """Add up the two neighbours of every voxel of a half transform along an axis; both (c, c, c // 2 + 1)."""
    if axis < 2:
        return np.roll(weights, 1, axis) + np.roll(weights, -1, axis)
    total = np.empty_like(weights)
    total[:, :, 1:-1] = weights[:, :, :-2] + weights[:, :, 2:]
    # the neighbours beyond the first and the last column are mirror images
    for column, inward in ((0, 1), (-1, -2)):
        near = weights[:, :, inward]
        total[:, :, column] = near + np.roll(near[::-1, ::-1], (1, 1), axis=(0, 1))
    return total


def raised(weights: Float) -> Float:
    """Sharpen inserted weights, and raise them beside the slices to a share of what `spread` gives."""
    return np.maximum(sharpened(weights), RAISED_SHARE * spread(weights))


def even_last_plane(weights: Float) -> Float:
    """Let voxels of the plane x = c / 2 agree with their mirror images: in the real volume they are one number."""
    weights = weights.copy()
    last = weights[:, :, -1]
    weights[:, :, -1] = (last + np.roll(last[::-1, ::-1], (1, 1), axis=(0, 1))) / 2.0
    return weights
