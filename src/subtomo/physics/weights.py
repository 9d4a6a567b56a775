"""What is done to inserted weights: the blur of insertion undone, and noise that reaches beyond the slices covered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import RAISED_SHARE, REACH_SHARE, WEIGHT_KEPT, WEIGHT_SHARPENING

Float = NDArray[np.float64]


def full_transform(half: Float) -> Float:
    """Complete a real, even half transform (c, c, c // 2 + 1) to (c, c, c)."""
    c = len(half)
    mirror = -np.arange(c) % c
    return np.concatenate([half, half[mirror][:, mirror][:, :, c // 2 - 1 : 0 : -1]], axis=2)


def sharpened(weights: Float) -> Float:
    """Undo the blur of insertion along each axis, as far as weights stay positive; (c, c, c // 2 + 1) both."""
    full = full_transform(weights)
    for axis in (2, 1, 0):
        difference = 2.0 * full - np.roll(full, 1, axis) - np.roll(full, -1, axis)
        full = np.maximum(full + WEIGHT_SHARPENING * difference, WEIGHT_KEPT * full)
    return full[:, :, : len(weights) // 2 + 1]


def spread(weights: Float) -> Float:
    """Blur weights along each axis as far as the noise of exact data reaches; (c, c, c // 2 + 1) both."""
    full = full_transform(weights)
    for axis in (2, 1, 0):
        full = (1.0 - 2.0 * REACH_SHARE) * full + REACH_SHARE * (np.roll(full, 1, axis) + np.roll(full, -1, axis))
    return full[:, :, : len(weights) // 2 + 1]


def raised(weights: Float) -> Float:
    """Sharpen inserted weights, and raise them beside the slices to a share of what `spread` gives."""
    return np.maximum(sharpened(weights), RAISED_SHARE * spread(weights))


def even_last_plane(weights: Float) -> Float:
    """Let voxels of the plane x = c / 2 agree with their mirror images: in the real volume they are one number."""
    weights = weights.copy()
    last = weights[:, :, -1]
    weights[:, :, -1] = (last + np.roll(last[::-1, ::-1], (1, 1), axis=(0, 1))) / 2.0
    return weights
