"""Simulated tilt series of particles with known poses, as the extraction receives real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.extraction.plan import plan_extraction
from subtomo.model.optics import Microscope, OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.tilt_series import Tilts, TiltSeries, TomogramSet
from subtomo.physics.ctf import CtfTerms, ctf_terms, ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.projection import patch_corners, projection_from_angles, slice_axes
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex128]

_MARGIN_PX = 8
"""Between the box and the edge of the images."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """One particle in the middle of a tilt series of its own."""

    tomograms: TomogramSet
    particles: ParticleSet
    plan: SeriesPlan
    ctf: CtfTerms
    """Of the particle in every tilt."""
    amplitude: Float
    """(n_tilts, b, b // 2 + 1) CTF and dose weight."""
    images: Complex
    """(n_tilts, b, b // 2 + 1) orthonormal transforms of the noisy images, the particle at the origin."""
    axes: Float
    """(n_tilts, 2, 3) of the images, pixels."""
    noise_variance: float
    """Per pixel."""


def simulate(particle: GaussianParticle, conditions: Conditions, rng: np.random.Generator) -> Simulation:
    """Simulate noisy images of a particle in its true pose: not rotated, in the middle of the tomogram."""
    size = conditions.box_size
    tomogram, particles = _geometry(conditions)
    plan = plan_extraction(TomogramSet((tomogram,)), particles, conditions.settings).series[0]
    if not plan.visible.all():
        raise SettingsError(f"not all of the {conditions.n_tilts} tilts show the particle; use a smaller tilt range")
    axes = slice_axes(tomogram.tilts.projection, plan.orientations[0], 1.0)
    ctf = _ctf(tomogram, plan)
    pixel_size = conditions.pixel_size_angstrom
    dose = dose_weights(tomogram.tilts.dose_e_per_a2, 0.0, size, pixel_size)
    amplitude = ctf_values(ctf, *half_frequency(size, pixel_size)) * dose
    clean = np.stack([particle.slice_values(frame, size) for frame in axes]) * amplitude
    position = plan.image_positions_px[0]
    side = tomogram.image_size[0]
    corner = patch_corners(position, size)
    shown = np.fft.irfft2(clean * _shift(position - corner, size), s=(size, size)) * size
    variance = float(shown.var() / conditions.snr)
    stack = _noise(len(axes), side, conditions, rng) * np.sqrt(variance)
    for image, patch, (x, y) in zip(stack, shown, corner, strict=True):
        image[y : y + size, x : x + size] += patch
    stack32 = stack.astype(np.float32)
    cut = np.stack([image[y : y + size, x : x + size] for image, (x, y) in zip(stack32, corner, strict=True)])
    seen = np.fft.rfft2(cut.astype(np.float64)) / size / _shift(position - corner, size)
    filled = TomogramSet((replace(tomogram, images=stack32),), "simulated tomograms")
    return Simulation(filled, particles, plan, ctf, amplitude, seen, axes, variance)


def _geometry(conditions: Conditions) -> tuple[TiltSeries, ParticleSet]:
    n, pixel = conditions.n_tilts, conditions.pixel_size_angstrom
    side = conditions.box_size + 2 * _MARGIN_PX
    limit = conditions.tilt_range_deg
    tilt = np.linspace(-limit, limit, n) if n > 1 else np.zeros(1)
    angles = np.stack([np.zeros(n), tilt, np.full(n, 85.0)], axis=1)
    drift = np.stack([np.sin(1.7 * np.arange(n)), np.cos(2.3 * np.arange(n))], axis=1)
    series = Tilts(
        projection=projection_from_angles(angles, drift, (side, side), (side, side, side)),
        dose_e_per_a2=conditions.dose_per_tilt * np.argsort(np.argsort(np.abs(tilt + 1e-6))).astype(np.float64),
        defocus_u_angstrom=np.full(n, conditions.defocus_angstrom),
        defocus_v_angstrom=np.full(n, conditions.defocus_angstrom),
        astigmatism_deg=np.zeros(n),
        phase_shift_deg=np.zeros(n),
        scale=np.ones(n),
        b_factor_a2=np.zeros(n),
    )
    tomogram = TiltSeries(
        name="simulated",
        microscope=Microscope(300.0, 2.7, 0.1),
        pixel_size_angstrom=pixel,
        image_size=(side, side),
        size_px=(side, side, side),
        tilts=series,
        source="simulated tomograms",
    )
    particles = replace(
        ParticleSet.at("simulated", np.zeros((1, 3)), pixel_size_angstrom=pixel, centred=True),
        optics_groups=(OpticsGroup("simulated", pixel, 300.0, 2.7, 0.1),),
        source="simulated particles",
    )
    return tomogram, particles


def _ctf(tomogram: TiltSeries, plan: SeriesPlan) -> CtfTerms:
    series, microscope = tomogram.tilts, tomogram.microscope
    offset = plan.defocus_offset_angstrom[0]
    defocus = np.stack(
        [series.defocus_u_angstrom + offset, series.defocus_v_angstrom + offset, series.astigmatism_deg], axis=-1
    )
    lens = microscope.voltage_kv, microscope.spherical_aberration_mm, microscope.amplitude_contrast
    return ctf_terms(defocus, series.phase_shift_deg, series.scale, series.b_factor_a2, lens)


def _shift(position: Float, size: int) -> Complex:
    """Compute the factors (n, b, b // 2 + 1) that move the origin to positions (n, 2) in the box."""
    turns = position[:, 0, None, None] * half_index(size) + position[:, 1, None, None] * wrapped_index(size)[:, None]
    factors: Complex = np.exp(-2j * np.pi * turns / size)
    return factors


def _noise(n: int, side: int, conditions: Conditions, rng: np.random.Generator) -> Float:
    """Make (n, side, side) noise of unit variance."""
    noise = rng.normal(size=(n, side, side))
    if conditions.noise_exponent == 0:
        return noise
    x, y = half_frequency(side, 1.0)
    colour = (np.sqrt(x * x + y * y) + 0.02) ** (-conditions.noise_exponent / 2.0)
    coloured: Float = np.fft.irfft2(np.fft.rfft2(noise) * colour, s=(side, side))
    unit: Float = coloured / coloured.std()
    return unit
