"""Sample particles on surfaces, evenly as the tilt series sees them (spec/conventions.md §11)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.manifolds.surface import surface_normal, surface_point
from subtomo.model.manifold import Manifold, ManifoldSample, SamplingSettings
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.eigen3 import smallest_eigenvector

Float = NDArray[np.float64]


class TiltSpace(NamedTuple):
    """The frame of a tilt series: its axes and the ends of its wedge."""

    axes: Float
    """(3, 3) rows: two directions perpendicular to the tilt axis, and the tilt axis."""
    wedge: tuple[Float, Float]
    """Beam directions of the outermost tilts."""


def tilt_space(projection: Float) -> TiltSpace:
    """Find tilt axis and wedge of (n_tilts, 4, 4) projection matrices."""
    beams = projection[:, 2, :3]
    axis = smallest_eigenvector(np.einsum("ni,nj->ij", beams, beams))
    mean = beams.sum(axis=0)
    p = np.cross(mean / np.linalg.norm(mean), axis)
    p /= np.linalg.norm(p)
    q = np.cross(axis, p)
    q /= np.linalg.norm(q)
    order = np.cross(mean, beams) @ axis
    return TiltSpace(np.stack([p, q, axis]), (beams[int(np.argmin(order))], beams[int(np.argmax(order))]))


def sample_manifold(tomogram: TiltSeries, manifold: Manifold, settings: SamplingSettings) -> ManifoldSample:
    """Place particles on rings of equal latitude about the tilt axis, in RELION's order.

    The z axis of a particle's frame, the third column of its matrix, is the outward normal.
    """
    surface, pixel_size = manifold.surface, tomogram.pixel_size_angstrom
    spacing, depth = settings.spacing_angstrom / pixel_size, settings.depth_angstrom / pixel_size
    space = tilt_space(tomogram.tilts.projection)
    directions = _ring_directions(surface.radius_px, spacing, math.radians(settings.max_tilt_deg))
    world = directions @ _inverse(space.axes).T
    longitude = np.arctan2(world[:, 1], world[:, 0])
    latitude = np.arctan2(world[:, 2], np.hypot(world[:, 0], world[:, 1]))
    normal = surface_normal(surface, longitude, latitude, spacing / surface.radius_px)
    in_present = (normal @ space.wedge[0]) * (normal @ space.wedge[1]) < 0
    kept = ~(in_present & settings.avoid_present_wedge) & ~(~in_present & settings.avoid_missing_wedge)
    positions = surface_point(surface, longitude, latitude) - depth * normal
    tilt = -np.degrees(np.arccos(np.clip(normal[:, 2], -1.0, 1.0)))
    psi = -np.degrees(np.arctan2(normal[:, 1], normal[:, 0]))
    angles = np.stack([np.zeros(len(normal)), tilt, psi], axis=1)
    return ManifoldSample(manifold, positions[kept], angles[kept])


def _ring_directions(radius: float, spacing: float, max_tilt: float) -> Float:
    """List unit vectors in the frame of the tilt series, ring by ring."""
    n_gaps = _round(2.0 * max_tilt * radius / spacing)
    rings = [np.zeros((0, 3))]
    for ring in range(n_gaps + 1):
        latitude = -max_tilt + ring * 2.0 * max_tilt / max(n_gaps, 1)
        n = _round(2.0 * math.pi * radius * math.cos(latitude) / spacing)
        longitude = 2.0 * math.pi * np.arange(n) / max(n, 1)
        cosine = math.cos(latitude)
        height = np.full(n, math.sin(latitude))
        rings.append(np.stack([np.cos(longitude) * cosine, np.sin(longitude) * cosine, height], axis=1))
    return np.concatenate(rings)


def _round(value: float) -> int:
    return math.floor(value + 0.5)


def _inverse(matrix: Float) -> Float:
    """Invert a 3 x 3 matrix as adjugate over determinant."""
    rows = matrix
    adjugate = np.stack([np.cross(rows[1], rows[2]), np.cross(rows[2], rows[0]), np.cross(rows[0], rows[1])], axis=1)
    inverse: Float = adjugate / float(rows[0] @ adjugate[:, 0])
    return inverse
