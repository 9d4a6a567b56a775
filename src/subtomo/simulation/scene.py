"""The tilt images of a slab: copies of one structure, each with its orientation, place and defocus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.projection import patch_corners, project, projection_from_angles, slice_axes
from subtomo.simulation.particle import GaussianParticle

Float = NDArray[np.float64]

TILT_AXIS_DEG = 85.0
MICROSCOPE = (300.0, 2.7, 0.1)
"""Acceleration voltage in kV, spherical aberration in mm, amplitude contrast."""


@dataclass(frozen=True, eq=False)
class Slab:
    """Copies of a structure and how they are imaged; the tilt axis is the tomogram's y axis."""

    image_size: tuple[int, int]
    """Width and height of the tilt images, pixels."""
    size_px: tuple[int, int, int]
    """Of the tomogram."""
    pixel_size_angstrom: float
    defocus_angstrom: float
    """At the tomogram's centre."""
    hand: float
    """1 or -1; 0 images without a slope of defocus."""
    tilts_deg: Float
    dose_e_per_a2: Float
    """(n_tilts,) before each image."""
    places_px: Float
    """(n, 3) from the tomogram's centre."""
    angles_deg: Float
    """(n, 3) rot, tilt, psi."""

    @property
    def projection(self) -> Float:
        """Matrices (n_tilts, 4, 4)."""
        n = len(self.tilts_deg)
        angles = np.stack([np.zeros(n), self.tilts_deg, np.full(n, TILT_AXIS_DEG)], axis=1)
        return projection_from_angles(angles, np.zeros((n, 2)), self.image_size, self.size_px)


def random_angles_deg(n: int, random: np.random.Generator) -> Float:
    """Draw uniformly distributed orientations (n, 3): rot, tilt and psi."""
    turn, psi = random.uniform(-180.0, 180.0, (2, n))
    lean = np.degrees(np.arccos(random.uniform(-1.0, 1.0, n)))
    angles: Float = np.stack([turn, lean, psi], axis=1)
    return angles


def lowest_tilts_first(tilts_deg: Float, total_e_per_a2: float) -> Float:
    """Compute the dose before each image, (n_tilts,), of a series that begins at the lowest tilt."""
    order = np.argsort(np.argsort(np.abs(tilts_deg + 1e-6)))
    dose: Float = np.asarray(total_e_per_a2 / len(tilts_deg) * order, np.float64)
    return dose


def slab_images(truth: GaussianParticle, slab: Slab, box: int) -> Float:
    """Image rotated copies of the truth, each with the CTF of its depth: (n_tilts, height, width), without noise.

    Args:
        truth: The structure, in pixels of the tilt images.
        slab: Where the copies are.
        box: Side of the squares that they are imaged in, pixels; what lies beyond the images' edges is lost.
    """
    (width, height), projection, n_tilts = slab.image_size, slab.projection, len(slab.tilts_deg)
    images = np.zeros((n_tilts, height + 2 * box, width + 2 * box))
    damage = dose_weights(slab.dose_e_per_a2, 0.0, box, slab.pixel_size_angstrom)
    centre = np.array(slab.size_px) / 2
    points = project(projection, (slab.places_px + centre)[:, None])
    depth = points[..., 2] - project(projection, centre[None])[..., 2]
    defocus = slab.defocus_angstrom + slab.hand * slab.pixel_size_angstrom * depth
    zero, one = np.zeros(n_tilts), np.ones(n_tilts)
    for particle, angles in enumerate(slab.angles_deg):
        terms = ctf_terms(np.stack([defocus[particle]] * 2 + [zero], axis=1), zero, one, zero, MICROSCOPE)
        factors = ctf_values(terms, *half_frequency(box, slab.pixel_size_angstrom)) * damage
        axes = slice_axes(projection, euler_to_matrix(angles), 1.0)
        corners = patch_corners(points[particle, :, :2], box)
        for tilt, (x, y) in enumerate(corners):
            if not (-box <= x <= width and -box <= y <= height):
                continue  # entirely outside this image
            across, down = points[particle, tilt, :2] - corners[tilt]
            turns = across * half_index(box) + down * wrapped_index(box)[:, None]
            values = truth.slice_values(axes[tilt], box) * factors[tilt] * np.exp(-2j * np.pi * turns / box)
            images[tilt, y + box : y + 2 * box, x + box : x + 2 * box] += np.fft.irfft2(values, s=(box, box)) * box
    return images[:, box:-box, box:-box]
