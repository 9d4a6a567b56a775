"""Real-space windows of images and volumes (relion-conventions.md §6.8, §7.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import CIRCLE_CROP_FALLOFF_PX

Float = NDArray[np.float64]


def centre_distance(size: int, ndim: int) -> Float:
    """Give the distance of every pixel of a square or cubic array from ``size // 2``, in pixels."""
    squared = (np.arange(size) - size // 2) ** 2.0
    grids = np.meshgrid(*[squared] * ndim, indexing="ij", sparse=True)
    return np.sqrt(sum(grids, np.zeros(1)))


def soft_disc(distance: Float, radius: float, falloff: float) -> Float:
    """Give a mask that is one inside, falls as a raised cosine over the last ``falloff`` pixels, and zero outside."""
    edge = 0.5 - 0.5 * np.cos(np.pi * (radius - distance) / falloff) if falloff > 0 else np.zeros(1)
    return np.where(distance < radius - falloff, 1.0, np.where(distance < radius, edge, 0.0))


def circle_crop_window(size: int, boundary: int) -> tuple[Float, NDArray[np.bool_]]:
    """Give the mask of the circle crop and the pixels outside whose mean is subtracted first.

    Args:
        size: of the square image, pixels.
        boundary: width of the margin that will be cropped away, pixels.

    Returns:
        Mask (size, size) and background (size, size) bool.
    """
    radius = size // 2 - boundary
    distance = centre_distance(size, 2)
    return soft_disc(distance, radius, CIRCLE_CROP_FALLOFF_PX), distance > radius


def gridding_precorrection(size: int, boundary: int) -> Float:
    """Give RELION's pre-correction for trilinear insertion: r / sin(pi r / R), not normalised (quirk 5)."""
    radius = size // 2 - boundary
    distance = centre_distance(size, 2)
    inside = (distance >= 1) & (distance < radius - 1)
    safe = np.where(inside, distance, 0.5 * radius)
    factor = np.where(inside, distance / np.sin(np.pi * safe / radius), 0.0)
    return np.where(distance < 1, 1.0, factor)
