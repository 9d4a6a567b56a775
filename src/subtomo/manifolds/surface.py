"""Points and normals of spheres and spheroids (spec/conventions.md §11)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subtomo.model.manifold import Sphere, Surface
from subtomo.physics.spherical_harmonics import real_spherical_harmonics

Float = NDArray[np.float64]


def surface_point(surface: Surface, longitude: Float, latitude: Float) -> Float:
    """Compute (n, 3) points of the surface, decentred pixels, at (n,) longitudes and latitudes in radians."""
    points: Float = surface.centre_px + _from_centre(surface, longitude, latitude)
    return points


def surface_normal(surface: Surface, longitude: Float, latitude: Float, step: float) -> Float:
    """Compute (n, 3) outward unit normals from differences over ``step`` radians to either side."""

    def across(centre: Float) -> Float:
        def point(east: float, north: float) -> Float:
            return centre + _from_centre(surface, longitude + east, latitude + north)

        return np.cross(point(step, 0) - point(-step, 0), point(0, step) - point(0, -step))

    # RELION takes differences of tomogram points; near the poles rounding swallows them, unless the centre is left out
    normal = across(surface.centre_px)
    drowned = ~(normal != 0).any(axis=-1, keepdims=True)
    if drowned.any():
        normal = np.where(drowned, across(np.zeros(3)), normal)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    outward = (_from_centre(surface, longitude, latitude) * normal).sum(axis=-1)
    return np.where(outward[..., None] < 0, -normal, normal)


def _from_centre(surface: Surface, longitude: Float, latitude: Float) -> Float:
    direction = np.stack(
        [np.cos(longitude) * np.cos(latitude), np.sin(longitude) * np.cos(latitude), np.sin(latitude)], axis=-1
    )
    vector: Float = _radius(surface, longitude, latitude)[..., None] * direction
    return vector


def _radius(surface: Surface, longitude: Float, latitude: Float) -> Float:
    if isinstance(surface, Sphere):
        return np.full(np.shape(longitude), surface.radius_px)
    max_degree = math.isqrt(len(surface.coefficients_px)) - 1
    harmonics = real_spherical_harmonics(max_degree, longitude, latitude)
    radius: Float = harmonics @ surface.coefficients_px[: (max_degree + 1) ** 2]
    return radius
