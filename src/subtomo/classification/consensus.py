"""What all particles share: the mask that follows from it, the grey scale of references, and what lies out of focus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES, AverageSettings, AverageSums, spherical_mask
from subtomo.averaging.extent import particle_diameter_angstrom
from subtomo.backends.registry import class_backend
from subtomo.classification.framed import FramedTerms
from subtomo.classification.grid import MapGrid
from subtomo.physics.symmetry import rotation_group
from subtomo.refinement.references import half_maps, wiener_map

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_SAMPLED = 500
"""Particles that a grey scale is fitted to."""


def consensus_sums(terms: FramedTerms, half: Int, grid: MapGrid, symmetry: str, threads: int) -> dict[int, AverageSums]:
    """Add all particles up, by half set."""
    shares = np.stack([half == number for number in HALVES], axis=1).astype(np.float64)
    data, weights = class_backend().shared_sums(terms.data, terms.weights, shares, threads)
    group = rotation_group(symmetry)
    return {
        number: grid.sums(data[at], weights[at], int(shares[:, at].sum())).symmetrised(group)
        for at, number in enumerate(HALVES)
    }


def soft_sphere(
    sums: dict[int, AverageSums], grid: MapGrid, diameter_angstrom: float | None, edge_px: float
) -> tuple[Float, float]:
    """Make the mask (s, s, s) of a diameter, or of one estimated from half maps; and give the diameter in Å."""
    if diameter_angstrom is None:
        first, second = (sums[half].map(None) for half in HALVES)
        diameter_angstrom = particle_diameter_angstrom(first, second, grid.coarse_angstrom)
    box = grid.size * grid.coarse_angstrom
    edge = edge_px * grid.voxel_angstrom / grid.coarse_angstrom
    sphere = AverageSettings(mask_diameter_angstrom=diameter_angstrom or 0.9 * box, mask_edge_px=edge)
    return spherical_mask(grid.size, grid.coarse_angstrom, sphere), diameter_angstrom or 0.9 * box


def consensus_map(sums: dict[int, AverageSums], mask: Float, grid: MapGrid, seed: int) -> Float:
    """Make the map (s, s, s) that is most likely behind all particles, masked."""
    halves = half_maps(sums, mask, grid.coarse_angstrom, seed)
    curve = np.clip(halves.curves.corrected, 0.0, 0.999999)
    ratio = 2.0 * curve / (1.0 - curve)
    total = halves.sums[1] + halves.sums[2]
    return wiener_map(total, ratio / (1.0 + ratio), grid.voxels.reach) * mask


def without_model(terms: FramedTerms, model: Float32) -> FramedTerms:
    """Take what a model (m, 2) predicts out of the terms, which are changed: there may be room for them only once."""
    for data, weights in zip(terms.data, terms.weights, strict=True):
        data -= weights[:, None] * model
    return terms


def grey_scale(terms: FramedTerms, model: Float32, last_shell: int) -> tuple[float, float]:
    """Fit the factor by which a reference's transform (m, 2) resembles the particles, and its significance.

    Returns:
        The factor, negative if contrast is inverted; and how many standard errors it is from zero.
    """
    inside = (terms.voxels.shells <= last_shell) & (terms.voxels.shells > 0)
    chosen = slice(None, None, max(1, len(terms) // _SAMPLED))
    sampled, held = terms.data[chosen][:, inside], terms.weights[chosen][:, inside]
    v = model[inside].astype(np.float64)
    power = (v**2).sum(axis=1)
    data = sampled.sum(axis=0, dtype=np.float64)
    weights = held.sum(axis=0, dtype=np.float64)
    fits, squares = float((data * v).sum()), float((weights * power).sum())
    if not squares > 0:
        return 0.0, 0.0
    per_particle = np.einsum("nmc,mc->n", sampled, v.astype(np.float32)) - fits / squares * np.einsum(
        "nm,m->n", held, power.astype(np.float32)
    )
    error = float(np.sqrt((per_particle.astype(np.float64) ** 2).sum()))
    return fits / squares, fits / error if error > 0 else 0.0
