"""The noise of a tilt series as its whitened particles hold it: measured on a few, before the others are made."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.fft import half_to_real, real_to_half
from subtomo.backends.protocol import AnyBackend
from subtomo.errors import InputError
from subtomo.extraction.extractor import TomogramExtractor, new_backend
from subtomo.model.noise import NoiseLevels
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import DataTerm, ExtractionSettings
from subtomo.physics.noise_levels import SampledTerms, measure_levels, reach_of_noise
from subtomo.physics.weights import even_last_plane, raised

MOST_SAMPLED = 16
"""Particles that are measured."""
PARTICLES_PER_SAMPLE = 100
"""One of so many is measured, which keeps the cost of it near a fiftieth of the run's; but always one."""


def with_noise(
    plan: SeriesPlan, particles: ParticleSet, settings: ExtractionSettings, backend_name: str = "cpu"
) -> SeriesPlan:
    """Measure the noise of a tilt series, if it is wanted and not known yet.

    Args:
        plan: All particles of the series, whichever of them are to be made: the noise must not depend on that.
        particles: The set that the plan refers to.
        settings: Of the extraction.
        backend_name: Of the backend to measure with.

    Raises:
        InputError: The particles that were looked at hold no noise, or cannot be made.
    """
    if not settings.complete_noise or plan.noise is not None or not len(plan):
        return plan
    extractor = TomogramExtractor(plan, particles, settings)
    return replace(plan, noise=_measured(extractor, new_backend(settings, backend_name)))


def sample(plan: SeriesPlan, particles: ParticleSet) -> NDArray[np.int64]:
    """Choose the particles that are measured: indices into the plan, by a hash of their names."""
    wanted = min(MOST_SAMPLED, max(1, len(plan) // PARTICLES_PER_SAMPLE))
    names = particles.names[plan.particles].tolist()
    order = sorted(range(len(plan)), key=lambda index: blake2b(names[index].encode(), digest_size=8).digest())
    return np.array(order[:wanted], np.int64)


def sampled_terms(extractor: TomogramExtractor, index: int, backend: AnyBackend) -> SampledTerms:
    """Make what is measured of a particle, the one at ``index`` of the plan."""
    terms, crop = extractor.plain_terms(index, backend), extractor.settings.crop
    data = terms.data.astype(np.float64)
    inserted = even_last_plane(terms.weights[:crop].astype(np.float64))
    spectrum = np.empty(inserted.shape, np.complex128)
    real_to_half(data, spectrum, (0, 1, 2))
    if extractor.settings.data_term is not DataTerm.EXACT:
        return SampledTerms(spectrum, inserted, inserted)
    density, noise = np.empty(data.shape), np.empty(inserted.shape, np.complex128)
    half_to_real(inserted.astype(np.complex128), density, (0, 1, 2))
    density *= reach_of_noise(crop)
    real_to_half(density, noise, (0, 1, 2))
    return SampledTerms(spectrum, raised(inserted), np.maximum(noise.real, 0.0))


def _measured(extractor: TomogramExtractor, backend: AnyBackend) -> NoiseLevels:
    plan, settings = extractor.plan, extractor.settings
    found = list[SampledTerms]()
    chosen = sample(plan, extractor.particles)
    for index in chosen.tolist():
        sampled = sampled_terms(extractor, index, backend)
        if np.isfinite(sampled.data[0, 0, 0]):
            found.append(sampled)
    name, source = plan.series.name, plan.series.source
    if not found:
        raise InputError(
            f"tilt series {name} ({source}): its noise cannot be measured, for the images of all {len(chosen)} "
            "particle(s) looked at have pixels that are not finite; mend the images, or set complete_noise to False"
        )
    levels = measure_levels(found, exact=settings.data_term is DataTerm.EXACT)
    if not (np.isfinite(levels.spectrum).all() and (levels.spectrum[1:] > 0).all()):
        raise InputError(
            f"tilt series {name} ({source}): its noise cannot be measured, for the images of the {len(found)} "
            "particle(s) looked at are empty; look at the images, or set complete_noise to False"
        )
    return NoiseLevels(levels.spectrum, levels.fill, levels.thresholds)
