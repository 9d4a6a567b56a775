"""Surfaces to sample particles from, seen by a tilt series."""

from subtomo.manifolds.sampling import sample_manifold

__all__ = ["sample_manifold"]
