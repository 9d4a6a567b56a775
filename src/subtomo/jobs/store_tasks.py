"""What is done for each particle of a store: what is known of it beforehand, and its making."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from subtomo.extraction.extractor import new_backend
from subtomo.extraction.extractors import Extractor, make_extractor
from subtomo.io.zarr_store import StoredParticles
from subtomo.jobs.particle import explained
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.table import text_array
from subtomo.output.keys import particle_keys
from subtomo.output.resume import NUMERICS
from subtomo.output.summary import Failure, plain_settings


@dataclass(frozen=True, eq=False)
class Task:
    """One particle to be made."""

    place: int
    """In the order of extraction, which is its place in the store."""
    name: str
    tomogram: str
    index: int
    """In the plan of its tomogram."""
    extractor: Extractor | None
    """None if the tomogram has none."""
    problem: str = ""
    """Why not."""


class StoreMaker:
    """Makes particles; threads share it, and each gets a backend of its own."""

    def __init__(self, plan: ExtractionPlan) -> None:
        self._settings, self._local = plan.settings, threading.local()

    def make(self, task: Task) -> tuple[Task, PseudoSubtomogram | Failure]:
        """Make a particle, or tell why it cannot be made."""
        if task.extractor is None:
            return task, Failure(task.name, task.tomogram, task.problem)
        try:
            if not hasattr(self._local, "backend"):
                self._local.backend = new_backend(self._settings)
            made = task.extractor.extract(task.index, self._local.backend)
        except Exception as error:
            # what the backend holds of this particle must not leak into the next one
            self._local.__dict__.pop("backend", None)
            return task, Failure(task.name, task.tomogram, explained(error))
        if not isinstance(made, PseudoSubtomogram):
            raise TypeError(f"a store holds pseudo-subtomograms, not {type(made).__name__}")
        return task, made


def tasks_of(plan: ExtractionPlan, todo: NDArray[np.bool_], before_tomogram: Callable[[str], None]) -> Iterator[Task]:
    """Yield the particles that are ``todo`` (n,) in the order of extraction; each tomogram is opened when it is due."""
    start = 0
    for entry in plan.series:
        wanted = np.flatnonzero(todo[start : start + len(entry)]).tolist()
        if wanted:
            before_tomogram(entry.series.name)
            extractor, problem = _extractor(entry, plan)
        for index in wanted:
            name = str(plan.particles.names[entry.particles[index]])
            yield Task(start + index, name, entry.series.name, index, extractor, problem)
        start += len(entry)


def _extractor(entry: SeriesPlan, plan: ExtractionPlan) -> tuple[Extractor | None, str]:
    try:
        return make_extractor(entry, plan.particles, plan.settings), ""
    except Exception as error:
        return None, explained(error)


def particle_metadata(plan: ExtractionPlan) -> StoredParticles:
    """Collect what a store says of its particles besides their voxels."""
    particles, settings, indices = plan.particles, plan.settings, plan.indices
    n_tilts = np.concatenate([np.zeros(0, np.int64), *(np.full(len(e), e.series.n_tilts) for e in plan.series)])
    visible = np.zeros((len(plan), max((entry.series.n_tilts for entry in plan.series), default=0)), bool)
    start = 0
    for entry in plan.series:
        visible[start : start + len(entry), : entry.series.n_tilts] = entry.visible
        start += len(entry)
    tilt_series_pixel = [entry.series.pixel_size_angstrom for entry in plan.series for _ in range(len(entry))]
    arrays = {
        "particle": indices,
        "orientation": np.concatenate([np.zeros((0, 3, 3)), *(entry.orientations for entry in plan.series)]),
        "position_px": np.concatenate([np.zeros((0, 3)), *(entry.positions_px for entry in plan.series)]),
        "visible": visible,
        "n_tilts": n_tilts,
        "pixel_size_angstrom": np.array(tilt_series_pixel, np.float64) * settings.binning,
    }
    output = settings.output
    keys = [key for entry in plan.series for key in particle_keys(entry, particles, output)]
    tables = {"optics": particles.optics_table}
    return StoredParticles(
        table=particles.table.take(indices),
        arrays=arrays,
        texts={
            "name": particles.names[indices],
            "tomogram": particles.tomogram_names[indices],
            "key": text_array(keys),
        },
        crop_size=settings.crop,
        attributes={
            "program": f"subtomo {version('subtomo')}",
            "numerics": NUMERICS,
            "settings": json.loads(json.dumps(plain_settings(settings))),
            "is_whitened": settings.is_whitened,
            "crop_size": settings.crop,
            "particles_file": particles.source,
            **{name: {label: table.text(label).tolist() for label in table.labels} for name, table in tables.items()},
        },
    )
