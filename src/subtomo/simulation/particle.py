"""Particles whose Fourier transform is known everywhere: sums of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.nufft import image_transform, volume_transform
from subtomo.errors import SettingsError
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class GaussianParticle:
    """Equal Gaussians at given places, in pixels of the binned box."""

    positions_px: Float
    """(n, 3) x, y, z from the particle's centre."""
    sigma_px: float
    """Width of every Gaussian."""
    weights: Float
    """(n,) mass of every Gaussian."""

    def moved(self, rotation: Float, shift_px: Float) -> GaussianParticle:
        """Rotate the particle by a (3, 3) rotation about its centre, then shift it by (3,) pixels."""
        return replace(self, positions_px=self.positions_px @ rotation.T + shift_px)

    def slice_values(self, axes: Float, size: int) -> Complex:
        """Compute the orthonormal transform of the projection along axes (2, 3): (size, size // 2 + 1), centre at 0.

        Row x of ``axes`` is the image's x axis in the particle's frame, as in `physics.projection.slice_axes`.
        """
        values = image_transform(self.positions_px @ axes.T, self.weights, size)
        x, y = half_frequency(size, 1.0)
        return values * np.exp(-2.0 * (np.pi * self.sigma_px) ** 2 * (x * x + y * y)) / size

    def volume_values(self, size: int) -> Complex:
        """Compute the transform of the density, (size, size, size // 2 + 1), centre at 0, divided by ``size``.

        With this factor it is what data and weights of a pseudo-subtomogram refer to; see `fidelity.cost`.
        """
        values = volume_transform(self.positions_px, self.weights, size)
        wrapped = wrapped_index(size)
        k2 = (wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + half_index(size) ** 2) / size**2
        return values * np.exp(-2.0 * (np.pi * self.sigma_px) ** 2 * k2) / size


def random_particle(n_atoms: int, radius_px: float, sigma_px: float, rng: np.random.Generator) -> GaussianParticle:
    """Make a lumpy, asymmetric particle: atoms in random blobs within a ball.

    Args:
        n_atoms: Number of Gaussians.
        radius_px: Of the ball.
        sigma_px: Width of a Gaussian.
        rng: Decides the shape.

    Raises:
        SettingsError: A number is not above zero.
    """
    for name, value in (("number of atoms", n_atoms), ("radius of the particle", radius_px), ("atom width", sigma_px)):
        if not value > 0:
            raise SettingsError(f"{name} is {value:g}, but must be above zero")
    n_blobs = max(4, n_atoms // 150)
    centres = _in_ball(n_blobs, 0.75 * radius_px, rng)
    positions = np.zeros((0, 3))
    while len(positions) < n_atoms:
        near = centres[rng.integers(n_blobs, size=n_atoms)]
        candidates = near + rng.normal(scale=0.18 * radius_px, size=(n_atoms, 3))
        positions = np.concatenate([positions, candidates[np.linalg.norm(candidates, axis=1) < radius_px]])
    positions = positions[:n_atoms]
    return GaussianParticle(positions - positions.mean(axis=0), sigma_px, np.ones(n_atoms))


def _in_ball(n: int, radius: float, rng: np.random.Generator) -> Float:
    directions = rng.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * radius * rng.uniform(size=(n, 1)) ** (1 / 3)
