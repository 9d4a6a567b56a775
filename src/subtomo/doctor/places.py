"""Where particles are: the plan of every tomogram by itself, so that one that contradicts itself spoils no other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.doctor.case import Case
from subtomo.errors import InputError
from subtomo.extraction.plan import plan_extraction
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import LeftOut, SeriesPlan
from subtomo.model.settings import ExtractionSettings
from subtomo.model.tilt_series import TiltSeries, TomogramSet

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placed:
    """The particles of one tomogram, and where they are seen."""

    tomogram: TiltSeries
    particles: ParticleSet
    """Of this tomogram only, without tables."""
    plan: SeriesPlan
    """Of all of them, however few tilts show them."""
    left_out: tuple[LeftOut, ...]
    """Those that the settings leave out."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) whether the settings keep a particle."""
        kept = np.ones(len(self.particles), bool)
        kept[[entry.particle for entry in self.left_out]] = False
        return kept


def place_particles(case: Case) -> tuple[Placed, ...]:
    """Plan every tomogram whose image size is known."""
    particles = case.particle_set
    if particles is None:
        return ()
    return tuple(placed(tomogram, of_tomogram(particles, tomogram), case.settings) for tomogram in case.placed)


def placed(tomogram: TiltSeries, particles: ParticleSet, settings: ExtractionSettings) -> Placed:
    """Plan one tomogram; trajectories that do not fit it are left aside."""
    alone = TomogramSet((tomogram,))
    everything = replace(settings, min_tilts=0, output=ExtractionSettings(4).output)
    try:
        plan = plan_extraction(alone, particles, everything)
    except InputError:
        particles = replace(particles, trajectories=None)
        plan = plan_extraction(alone, particles, everything)
    doubtful = np.flatnonzero(plan.series[0].visible.sum(axis=1) < max(settings.min_tilts, 1))
    left_out: tuple[LeftOut, ...] = ()
    if doubtful.size:
        entries = plan_extraction(alone, particles.take(doubtful), settings).left_out
        left_out = tuple(replace(entry, particle=int(doubtful[entry.particle])) for entry in entries)
    return Placed(tomogram, particles, plan.series[0], left_out)


def of_tomogram(particles: ParticleSet, tomogram: TiltSeries) -> ParticleSet:
    """Take the particles of a tomogram, with optics that do not contradict it."""
    some = particles.take(particles.in_tomogram(tomogram.name), with_tables=False)
    groups = tuple(
        replace(
            group,
            pixel_size_angstrom=tomogram.pixel_size_angstrom,
            voltage_kv=None,
            spherical_aberration_mm=None,
            amplitude_contrast=None,
        )
        for group in particles.optics_groups
    )
    return replace(some, optics_groups=groups)
