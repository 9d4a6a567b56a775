"""Real-space windows of images and volumes (spec/conventions.md §6.8, §7.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import CIRCLE_CROP_FALLOFF_PX

Float = NDArray[np.float64]


def centre_distance(size: int, ndim: int) -> Float:
    """Compute the distance of every pixel of a square or cubic array from ``size // 2``, in pixels."""
    squared = (np.arange(size) - size // 2) ** 2.0
    grids = np.meshgrid(*[squared] * ndim, indexing="ij", sparse=True)
    return np.sqrt(sum(grids, np.zeros(1)))


def soft_disc(distance: Float, radius: float, falloff: float) -> Float:
    """Compute a mask: one inside, a raised cosine over the last ``falloff`` pixels, zero outside."""
    edge = 0.5 - 0.5 * np.cos(np.pi * (radius - distance) / falloff) if falloff > 0 else np.zeros(1)
    return np.where(distance < radius - falloff, 1.0, np.where(distance < radius, edge, 0.0))


def circle_crop_window(size: int, boundary: int) -> tuple[Float, NDArray[np.bool_]]:
    """Compute the mask of the circle crop and the pixels outside whose mean is subtracted first.

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
    """Compute RELION's pre-correction for trilinear insertion: r / sin(pi r / R), not normalised (quirk 5)."""
    radius = size // 2 - boundary
    distance = centre_distance(size, 2)
    inside = (distance >= 1) & (distance < radius - 1)
    safe = np.where(inside, distance, 0.5 * radius)
    factor = np.where(inside, distance / np.sin(np.pi * safe / radius), 0.0)
    return np.where(distance < 1, 1.0, factor)


def particle_sphere(size: int) -> Float:
    """Compute the mask of the exact data term, (size, size, size): one in the largest sphere, fading to zero beyond.

    What lies beyond belongs to no particle, and slices sampled at the crop size hold no information on it.
    """
    return soft_disc(centre_distance(size, 3), size / 2 + CIRCLE_CROP_FALLOFF_PX, CIRCLE_CROP_FALLOFF_PX)


def insertion_envelope(size: int) -> Float:
    """Compute the factor of trilinear insertion on the density: sinc² of every coordinate, (size, size, size).

    One at the centre, ``size // 2``. Beyond the largest sphere it stays as it is on the sphere in the same direction,
    so that dividing by it never raises the noise in the corners; what lies there belongs to no particle.
    """
    distance = centre_distance(size, 3)
    inwards = np.minimum(1.0, 0.5 * size / np.maximum(distance, 0.5))
    coordinate = (np.arange(size) - size // 2) / size
    envelope = np.ones(distance.shape)
    for axis in range(3):
        shape = [1, 1, 1]
        shape[axis] = size
        envelope *= np.sinc(coordinate.reshape(shape) * inwards) ** 2
    return envelope
