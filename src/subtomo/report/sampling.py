"""Take some particles of many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from subtomo.model.particles import ParticleSet

Indices = NDArray[np.int64]


def even_sample(total: int, most: int) -> Indices:
    """Give at most `most` indices, spread evenly over all."""
    if total <= most:
        return np.arange(total)
    return np.linspace(0, total - 1, most).astype(np.int64)


def subset(particles: ParticleSet, indices: Indices) -> ParticleSet:
    """Take some particles of a set, without their motion."""
    if len(indices) == len(particles) and np.array_equal(indices, np.arange(len(particles))):
        return particles
    return replace(
        particles,
        names=particles.names[indices],
        tomogram_names=particles.tomogram_names[indices],
        coordinates=particles.coordinates[indices],
        origin_angstrom=particles.origin_angstrom[indices],
        subtomogram_angles_deg=particles.subtomogram_angles_deg[indices],
        angles_deg=particles.angles_deg[indices],
        optics_group=particles.optics_group[indices],
        table=particles.table.take(indices),
        trajectories=None,
    )
