"""Small tilt series and particle sets in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from subtomo.model.optics import Microscope, OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings
from subtomo.model.table import text_array
from subtomo.model.tilt_series import Tilts, TiltSeries, TomogramSet
from subtomo.physics.projection import projection_from_angles

PIXEL_SIZE = 5.0
IMAGE_SIZE = (110, 90)
TOMOGRAM_SIZE = (110, 90, 40)


def tilt_images(n_tilts: int, dtype: DTypeLike = np.float32, *, seed: int = 0) -> NDArray[Any]:
    """Make (n_tilts, height, width) noise that fits the type."""
    width, height = IMAGE_SIZE
    noise = np.random.default_rng(seed).normal(size=(n_tilts, height, width))
    if np.issubdtype(dtype, np.integer):
        noise = noise * 12 + (50 if np.issubdtype(dtype, np.unsignedinteger) else 0)
        noise = noise.clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    return noise.astype(dtype)


def tilt_series(n_tilts: int, **changes: Any) -> Tilts:
    """Make a series from -45 to 45 degrees with astigmatism and growing dose."""
    index = np.arange(n_tilts)
    angles = np.stack([0.3 * np.sin(index), np.linspace(-45, 45, n_tilts), np.full(n_tilts, 84.7)], axis=1)
    shifts = np.stack([np.sin(1.7 * index), np.cos(2.3 * index)], axis=1)
    series = Tilts(
        projection=projection_from_angles(angles, shifts, IMAGE_SIZE, TOMOGRAM_SIZE),
        dose_e_per_a2=2.5 * np.argsort(np.sin(9.0 * index)),
        defocus_u_angstrom=22_000.0 + 100.0 * index,
        defocus_v_angstrom=21_000.0 + 80.0 * index,
        astigmatism_deg=40.0 + index,
        phase_shift_deg=np.zeros(n_tilts),
        scale=np.ones(n_tilts),
        b_factor_a2=np.zeros(n_tilts),
    )
    return replace(series, **changes)


def tomogram(
    name: str = "TS_1", n_tilts: int = 5, *, images: Any = None, tilts: Tilts | None = None, **changes: Any
) -> TiltSeries:
    """Make a tomogram with noise as images."""
    made = TiltSeries(
        name=name,
        microscope=Microscope(300.0, 2.7, 0.07),
        pixel_size_angstrom=PIXEL_SIZE,
        image_size=IMAGE_SIZE,
        size_px=TOMOGRAM_SIZE,
        tilts=tilts or tilt_series(n_tilts),
        images=tilt_images(n_tilts, seed=sum(name.encode())) if images is None else images,
        source=f"{name}.star: table data_{name}",
    )
    return replace(made, **changes)


def tomogram_set(*tomograms: TiltSeries) -> TomogramSet:
    """Put tomograms into a set, one default tomogram if none is given."""
    return TomogramSet(tomograms or (tomogram(),), "tomograms.star")


def particle_set(
    tomogram_names: Sequence[str], coordinates_angstrom: Sequence[Sequence[float]] | None = None, **changes: Any
) -> ParticleSet:
    """Make a particle per tomogram name, scattered near the centre unless told where, randomly oriented."""
    n = len(tomogram_names)
    rng = np.random.default_rng(7)
    coordinates = rng.uniform(-40.0, 40.0, (n, 3)) if coordinates_angstrom is None else coordinates_angstrom
    names = [f"{name}/{i + 1}" for i, name in enumerate(tomogram_names)]
    group = OpticsGroup("first", PIXEL_SIZE, 300.0, 2.7, 0.07)
    particles = ParticleSet(
        names=text_array(names),
        tomogram_names=text_array(tomogram_names),
        coordinates=np.array(coordinates, dtype=np.float64),
        centred=True,
        origin_angstrom=rng.uniform(-5.0, 5.0, (n, 3)),
        subtomogram_angles_deg=rng.uniform(-180.0, 180.0, (n, 3)),
        angles_deg=rng.uniform(-180.0, 180.0, (n, 3)),
        optics_group=np.zeros(n, np.int64),
        optics_groups=(group,),
        source="particles.star",
    )
    return replace(particles, **changes)


def renamed(particles: ParticleSet, names: Sequence[str]) -> ParticleSet:
    """Give particles other names."""
    return replace(particles, names=text_array(names))


SETTINGS = ExtractionSettings(box_size=24, crop_size=16)
