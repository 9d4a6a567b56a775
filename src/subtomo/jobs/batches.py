"""Work in pieces that can travel: some particles of one tomogram, with all that is needed to make and write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.extraction.extractors import make_extractor
from subtomo.extraction.patches import read_patches_ahead
from subtomo.io.atomic import sync_files
from subtomo.jobs.particle import Made, ParticleMaker, explained
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.output.complete import ParticleFileList
from subtomo.output.layout import OutputLayout
from subtomo.output.summary import Failure
from subtomo.output.sums import ParticleSums
from subtomo.output.write import Written

BATCH_COST = 250_000_000
"""Tilts times pixels of the box times particles that a batch may have: some ten seconds for one core."""
MOST_PARTICLES = 256
"""In a batch, however small they are: more would be lost with a worker."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some particles of one tomogram; small to pickle, and tilt images are opened where it is worked on."""

    number: int
    """Its place among all batches, in the order of extraction."""
    plan: SeriesPlan
    particles: ParticleSet
    """Those of the plan and no others, without their tables."""
    settings: ExtractionSettings
    output: OutputSettings
    layout: OutputLayout
    """Its folder must be the same everywhere, and exist."""
    todo: NDArray[np.bool_]
    """(n,) False for finished particles, which are here for the sums only."""
    sums_file: str | None = None
    """Where to leave the sums over the batch; None if they are not wanted."""

    def __len__(self) -> int:
        return len(self.plan)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its particles."""
        return tuple(self.particles.names.tolist())

    @property
    def names_todo(self) -> tuple[str, ...]:
        """Names of the particles that it is to make."""
        return tuple(self.particles.names[self.todo].tolist())


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch."""

    number: int
    names: tuple[str, ...]
    """Particles whose files are now whole and on the disk."""
    written: Written
    failures: tuple[Failure, ...] = ()


class BatchOutcome(Protocol):
    """What an executor says of a batch: its result, or why there is none."""

    @property
    def task(self) -> Batch:
        """The batch."""

    @property
    def result(self) -> BatchResult | None:
        """None if no attempt succeeded."""

    @property
    def error(self) -> Any:
        """Exception or text of the last attempt; None if it succeeded."""


class BatchExecutor(Protocol):
    """Runs a function over tasks somewhere else, in any order, and tries again what failed."""

    def run(self, function: Any, tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield a `BatchOutcome` per task."""


def divide(entry: SeriesPlan, settings: ExtractionSettings) -> list[range]:
    """Cut the particles of a tomogram into batches of nearly equal size; the same for every executor."""
    n = len(entry)
    cost = max(1, entry.series.n_tilts * settings.box_size**2)
    size = min(MOST_PARTICLES, max(1, BATCH_COST // cost))
    count = math.ceil(n / size)
    return [range(n * i // count, n * (i + 1) // count) for i in range(count)]


def subset(entry: SeriesPlan, particles: ParticleSet, indices: NDArray[np.int64]) -> tuple[SeriesPlan, ParticleSet]:
    """Take some particles of a tomogram's plan, and their part of the set without what extraction does not need."""
    members = entry.particles[indices]
    few = particles.take(members, with_tables=False, with_trajectories=False)
    return replace(part_of(entry, indices), particles=np.arange(len(indices))), few


def part_of(entry: SeriesPlan, indices: NDArray[np.int64]) -> SeriesPlan:
    """Take some particles of a tomogram's plan, given by their places in it."""
    return replace(
        entry,
        particles=entry.particles[indices],
        positions_px=entry.positions_px[indices],
        image_positions_px=entry.image_positions_px[indices],
        defocus_offset_angstrom=entry.defocus_offset_angstrom[indices],
        orientations=entry.orientations[indices],
        particle_frames=entry.particle_frames[indices],
        visible=entry.visible[indices],
    )


def extract_batch(batch: Batch) -> BatchResult:
    """Make and write the particles of a batch; a second time does no harm.

    Raises:
        InputError: A file cannot be made, or a finished particle cannot be read for the sums.
        OSError: Writing failed, for instance on a full disk.
    """
    maker = ParticleMaker(batch.settings, batch.output, batch.layout)
    sums = ParticleSums(batch.settings.crop) if batch.sums_file else None
    written, names, failures = Written(), list[str](), list[Failure]()
    for todo, made in zip(batch.todo.tolist(), _particles(batch, maker), strict=True):
        written += made.written
        if made.failure is not None:
            failures.append(made.failure)
        elif todo:
            names.append(made.name)
        if sums is not None and made.volume is not None:
            sums.add(made.volume)
    if sums is not None and batch.sums_file is not None:
        sums.save(batch.sums_file)
    if maker.writes_particles:
        files = ParticleFileList(batch.layout, batch.settings, batch.output)
        failed = {failure.particle for failure in failures}
        done = [i for i in np.flatnonzero(batch.todo).tolist() if batch.names[i] not in failed]
        sync_files(path for i in done for path, _ in files.expected(batch.plan, batch.particles, i))
    return BatchResult(batch.number, tuple(names), written, tuple(failures))


def _particles(batch: Batch, maker: ParticleMaker) -> Iterator[Made]:
    """Make the particles of a batch, or read them; what the tomogram lacks is held against all that need it."""
    failure = ""
    try:
        read_patches_ahead(batch.plan, batch.settings, batch.todo)
        extractor = make_extractor(batch.plan, batch.particles, batch.settings) if batch.todo.any() else None
    except Exception as error:
        extractor, failure = None, explained(error)
    for index, (todo, name) in enumerate(zip(batch.todo.tolist(), batch.names, strict=True)):
        if not todo:
            yield maker.reread(batch.plan, batch.particles, index) if batch.sums_file else Made(name)
        elif extractor is not None:
            yield maker.write(maker.compute(extractor, index))
        else:
            yield Made(name, failure=Failure(name, batch.plan.series.name, failure))
