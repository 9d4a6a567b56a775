"""The terms of particles as alignment needs them: data over the root of the weight, and that root, by voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.voxels import Voxels
from subtomo.backends.fft import real_to_half
from subtomo.errors import InputError
from subtomo.model.subtomogram import PseudoSubtomogram

Float32 = NDArray[np.float32]

HELD_ABOVE = 3e-3
"""Voxels hold data if their weight is above this fraction of the particle's largest: they tell the noise (cost.md)."""
_COMPARED_ABOVE = 3e-4
"""Below this fraction they are left out altogether: division would raise what leaks into the missing wedge."""


@dataclass(frozen=True, eq=False)
class ParticleTerms:
    """The terms of one particle."""

    data: Float32
    """(n, 2) real and imaginary parts of D / √W, D in units of the orthonormal transform; the centre is the origin."""
    weights: Float32
    """(n,) √W; zero where nothing was measured."""

    @property
    def least_held(self) -> float:
        """√W above which voxels hold data."""
        return float(np.sqrt(HELD_ABOVE) * self.weights.max(initial=0.0))


def particle_terms(particle: PseudoSubtomogram, voxels: Voxels) -> ParticleTerms:
    """Take the terms of a particle, (c, c, c) in real space, at some voxels.

    Raises:
        InputError: A value is not finite, or all weights are zero.
    """
    size = voxels.size
    spectrum = np.empty((size, size, size // 2 + 1), np.complex64)
    real_to_half(np.fft.ifftshift(particle.data).astype(np.float32, copy=False), spectrum, axes=(0, 1, 2))
    x, y, z = voxels.indices.T.astype(np.int64)
    values, ctf2 = spectrum[z, y, x], particle.ctf2[z, y, x]
    largest = float(ctf2.max(initial=0.0))
    if not (np.isfinite(values).all() and np.isfinite(ctf2).all()):
        raise InputError(f"particle {particle.name}: its terms are not finite; extract it again")
    if largest <= 0:
        raise InputError(f"particle {particle.name}: all its weights are zero; leave it out")
    root = np.sqrt(np.where(ctf2 > _COMPARED_ABOVE * largest, ctf2, 0.0)).astype(np.float32)
    if not particle.is_whitened:
        values = np.divide(values, root, out=np.zeros_like(values), where=root > 0)
    values[root == 0] = 0.0
    return ParticleTerms(np.ascontiguousarray(values).view(np.float32).reshape(-1, 2), root)
