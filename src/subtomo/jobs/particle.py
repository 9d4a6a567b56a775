"""Compute one particle and write it; what goes wrong with it is told, not raised."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass, field

from subtomo.backends.protocol import Backend
from subtomo.errors import SubtomoError
from subtomo.extraction.extractor import new_backend
from subtomo.extraction.extractors import Extractor
from subtomo.io.mrc_read import read_volume
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings, Output, OutputSettings
from subtomo.model.subtomogram import Extracted
from subtomo.output.layout import OutputLayout
from subtomo.output.summary import Failure
from subtomo.output.sums import Volume, volume_of
from subtomo.output.write import ParticleWriter, Written


@dataclass(frozen=True, eq=False)
class Made:
    """What became of a particle."""

    name: str
    written: Written = field(default_factory=Written)
    volume: Volume | None = None
    """What it adds to the sums, if these are wanted."""
    failure: Failure | None = None


@dataclass(frozen=True, eq=False)
class Computed:
    """A particle that is still to be written."""

    particle: Extracted
    tomogram: str


class ParticleMaker:
    """Computes particles and writes them; threads share it, and each gets a backend of its own.

    Args:
        settings: What to compute.
        output: What to write.
        layout: Where; the folders exist.
    """

    def __init__(self, settings: ExtractionSettings, output: OutputSettings, layout: OutputLayout) -> None:
        self._settings, self._output, self._layout = settings, output, layout
        self._writer = ParticleWriter(layout, settings.output, output)
        self._local = threading.local()
        self.writes_particles = output.write_particles or settings.output is not Output.PSEUDO_SUBTOMOGRAM
        self.can_reread = (
            self.writes_particles and output.write_weights and not output.float16 and not settings.is_whitened
        )
        """Whether files hold exactly what the sums need, so that a finished particle need not be made again."""

    def compute(self, extractor: Extractor, index: int) -> Computed | Made:
        """Compute the particle at ``index`` of the extractor's plan, or tell why that cannot be done."""
        plan = extractor.plan
        try:
            return Computed(extractor.extract(index, self._backend()), plan.series.name)
        except Exception as error:
            # what the backend holds of this particle must not leak into the next one
            del self._local.backend
            name = str(extractor.particles.names[plan.particles[index]])
            return Made(name, failure=Failure(name, plan.series.name, explained(error)))

    def write(self, computed: Computed | Made) -> Made:
        """Write a particle, unless it has failed or been written before.

        Raises:
            InputError: Its file cannot be made.
            OSError: Its file cannot be written; as others cannot be either, this is not held against the particle.
        """
        if isinstance(computed, Made):
            return computed
        particle, written = computed.particle, Written()
        if self.writes_particles:
            written = self._writer.write(particle, computed.tomogram)
        return Made(particle.name, written, volume_of(particle) if self._output.write_sums else None)

    def reread(self, plan: SeriesPlan, particles: ParticleSet, index: int) -> Made:
        """Read a finished particle for the sums."""
        name = str(particles.names[plan.particles[index]])
        data, _ = read_volume(self._layout.image(plan.series.name, name, Output.PSEUDO_SUBTOMOGRAM))
        weights, _ = read_volume(self._layout.weights(plan.series.name, name))
        return Made(name, volume=Volume(data, weights[: len(data)]))

    def _backend(self) -> Backend:
        if not hasattr(self._local, "backend"):
            self._local.backend = new_backend(self._settings)
        backend: Backend = self._local.backend
        return backend


def explained(error: BaseException) -> str:
    """Put an exception into words: the message, and for the program's own mistakes also kind and place."""
    if isinstance(error, SubtomoError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"unexpected {type(error).__name__}{place}: {error}"
