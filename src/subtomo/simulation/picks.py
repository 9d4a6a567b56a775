"""Simulated picks: tilt series with copies of one structure in known poses, and starts that are some way off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.model.optics import Microscope, OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import Tilts, TiltSeries, TomogramSet
from subtomo.physics.orientation import euler_to_matrix, matrix_to_euler
from subtomo.physics.projection import patch_corners, project
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle
from subtomo.simulation.scene import MICROSCOPE, Slab, lowest_tilts_first, random_angles_deg, slab_images

Float = NDArray[np.float64]

START_ANGLE_DEG, START_SHIFT_ANGSTROM = 3.9, 4.7
"""Mean distance of the starts from the truth."""
_MEASURED_COPIES = 6


@dataclass(frozen=True, eq=False)
class SimulatedPicks:
    """Particles whose poses are known."""

    tomograms: TomogramSet
    """With noisy images."""
    particles: ParticleSet
    """Where a refinement starts."""
    rotation: Float
    """(n, 3, 3) the true orientations."""
    coordinates_angstrom: Float
    """(n, 3) the true places, from the tomogram's centre."""
    noise_deviation: float
    """Of the images, before they were brought to unit noise: the truth has the grey scale ``1 / noise_deviation``."""

    def errors(self, rotation: Float, coordinates_angstrom: Float) -> tuple[Float, Float]:
        """Compare poses with the truth: degrees and Å, (n,) each."""
        angles = Rotation.from_matrix(self.rotation.transpose(0, 2, 1) @ rotation).magnitude()
        return np.degrees(angles), np.linalg.norm(coordinates_angstrom - self.coordinates_angstrom, axis=1)


def simulated_picks(
    truth: GaussianParticle, conditions: Conditions, n_series: int = 7, per_series: int = 28, seed: int = 0
) -> SimulatedPicks:
    """Image copies of a structure that stand along the tilt axis, so that none hides another in any tilt.

    Args:
        truth: The structure, in pixels.
        conditions: Of the images.
        n_series: Number of tilt series.
        per_series: Copies in each.
        seed: Of poses, noise and starts.
    """
    n = n_series * per_series
    scenes = [
        particle_line(conditions, per_series, np.random.default_rng([seed, number])) for number in range(n_series)
    ]
    clean = [slab_images(truth, slab, conditions.box_size) for slab in scenes]
    deviation = float(np.sqrt(image_variance(clean[0], scenes[0], conditions.box_size) / conditions.snr))
    series = []
    for number, (slab, images) in enumerate(zip(scenes, clean, strict=True)):
        noise = np.random.default_rng([seed, number, 1]).standard_normal(images.shape, dtype=np.float32)
        series.append(tilt_series_of(f"TS_{number + 1}", slab, (images / deviation).astype(np.float32) + noise))
    pixel, random = conditions.pixel_size_angstrom, np.random.default_rng([seed, n, 2])
    places = np.concatenate([slab.places_px for slab in scenes]) * pixel
    rotation = euler_to_matrix(np.concatenate([slab.angles_deg for slab in scenes]))
    turns, moves = (vectors_of_mean_length(random, n, mean) for mean in (START_ANGLE_DEG, START_SHIFT_ANGSTROM))
    starts = rotation @ Rotation.from_rotvec(np.deg2rad(turns)).as_matrix()
    particles = ParticleSet.at(
        np.repeat([one.name for one in series], per_series).tolist(),
        places + moves,
        pixel_size_angstrom=pixel,
        centred=True,
        angles_deg=matrix_to_euler(starts),
    )
    voltage, spherical, amplitude = MICROSCOPE
    particles = replace(particles, optics_groups=(OpticsGroup("simulated", pixel, voltage, spherical, amplitude),))
    halves = 1 + np.arange(n) % 2
    return SimulatedPicks(
        TomogramSet(tuple(series), "simulated tomograms"), particles.with_half_sets(halves), rotation, places, deviation
    )


def vectors_of_mean_length(random: np.random.Generator, n: int, mean: float) -> Float:
    """Draw vectors (n, 3) of a mean length."""
    vectors = random.normal(size=(n, 3))
    scaled: Float = vectors * mean / np.linalg.norm(vectors, axis=1).mean()
    return scaled


def particle_line(conditions: Conditions, copies: int, random: np.random.Generator) -> Slab:
    """Place randomly rotated copies along the tilt axis, so that none hides another in any tilt."""
    n, box = conditions.n_tilts, conditions.box_size
    tilts = np.linspace(-conditions.tilt_range_deg, conditions.tilt_range_deg, n)
    length = copies * (box + 2)
    places = random.uniform(-2.0, 2.0, (copies, 3))
    places[:, 1] += (np.arange(copies) - (copies - 1) / 2.0) * (box + 2)
    places[:, 2] += random.uniform(-0.5, 0.5, copies) * box
    # the tilt axis is a little askew in the images
    width, height = length + box, round(0.1 * length) + 3 * box
    return Slab(
        (width + width % 2, height + height % 2), (3 * box, length, 3 * box), conditions.pixel_size_angstrom,
        conditions.defocus_angstrom, 1.0, tilts, lowest_tilts_first(tilts, n * conditions.dose_per_tilt), places,
        random_angles_deg(copies, random),
    )  # fmt: skip


def tilt_series_of(name: str, slab: Slab, images: NDArray[np.float32]) -> TiltSeries:
    """Make a tilt series of the images (n_tilts, height, width) of a slab."""
    zero = np.zeros(len(slab.tilts_deg))
    tilts = Tilts(
        projection=slab.projection,
        dose_e_per_a2=slab.dose_e_per_a2,
        defocus_u_angstrom=zero + slab.defocus_angstrom,
        defocus_v_angstrom=zero + slab.defocus_angstrom,
        astigmatism_deg=zero,
        phase_shift_deg=zero,
        scale=zero + 1.0,
        b_factor_a2=zero,
    )
    return TiltSeries(
        name=name,
        microscope=Microscope(*MICROSCOPE),
        pixel_size_angstrom=slab.pixel_size_angstrom,
        image_size=slab.image_size,
        size_px=slab.size_px,
        tilts=tilts,
        source="simulated tomograms",
        images=images,
    )


def image_variance(images: Float, slab: Slab, box: int) -> float:
    """Measure the variance of clean images over the boxes of some copies."""
    seen = project(slab.projection, (slab.places_px + np.array(slab.size_px) / 2)[:, None])[..., :2]
    found = []
    for copy in range(0, len(seen), max(1, len(seen) // _MEASURED_COPIES)):
        for tilt in range(0, len(images), max(1, len(images) // _MEASURED_COPIES)):
            x, y = patch_corners(seen[copy, tilt][None], box)[0]
            if x >= 0 and y >= 0:
                found.append(images[tilt, y : y + box, x : x + box].var())
    return float(np.mean(found))
