"""What makes the particles of a tomogram, by the kind of output."""

from __future__ import annotations

from typing import Protocol

from subtomo.backends.protocol import AnyBackend
from subtomo.extraction.extractor import TomogramExtractor
from subtomo.extraction.noise import with_noise
from subtomo.extraction.projector import TomogramProjector
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.subtomogram import Extracted


class Extractor(Protocol):
    """Makes the particles of one tomogram; threads share it, and each brings a backend of its own."""

    plan: SeriesPlan
    particles: ParticleSet

    def extract(self, index: int, backend: AnyBackend) -> Extracted:
        """Make the particle at ``index`` of the plan."""


def make_extractor(plan: SeriesPlan, particles: ParticleSet, settings: ExtractionSettings) -> Extractor:
    """Compute what the particles of a tomogram share.

    Raises:
        InputError: The tomogram lacks the images, or the reconstruction, that the output is made from.
    """
    if settings.output is Output.PROJECTIONS:
        return TomogramProjector(plan, particles, settings)
    return TomogramExtractor(with_noise(plan, particles, settings), particles, settings)
