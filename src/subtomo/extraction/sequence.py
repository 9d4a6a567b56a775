"""Pseudo-subtomograms on demand: a lazy sequence that computes an item when it is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from subtomo.extraction.extractors import Extractor
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.stream import ParticleMaker, ParticleStream
from subtomo.io.zarr_read import StoredSubtomograms
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import ExtractionSettings
from subtomo.model.subtomogram import Extracted
from subtomo.model.tilt_series import TomogramSet


class PseudoSubtomograms(Sequence[Extracted]):
    """The particles of an extraction, each computed from the tilt images when it is indexed; nothing is written.

    Items come in the order of extraction: by tomogram in the order of the tomogram set, then as in the particle set.
    ``plan.indices[i]`` is the index of item ``i`` in the particle set; ``plan.left_out`` tells what is missing and why.
    Several threads may read one sequence at the same time.

    Args:
        tomograms: With images.
        particles: To be extracted.
        settings: What to make of them; with ``Output.STACK_2D`` items are `TiltStack`, else `PseudoSubtomogram`.
        backend: ``cpu``, or ``reference`` for the slow double-precision oracle.

    Raises:
        InputError: Particles and tomograms do not fit together.
    """

    def __init__(
        self, tomograms: TomogramSet, particles: ParticleSet, settings: ExtractionSettings, *, backend: str = "cpu"
    ) -> None:
        self.plan: ExtractionPlan = plan_extraction(tomograms, particles, settings)
        self._starts = np.cumsum([0, *map(len, self.plan.series)])
        self._backend = backend
        self._begin()

    @staticmethod
    def open(path: str | os.PathLike[str]) -> StoredSubtomograms:
        """Open the particles that a run into a Zarr store wrote: the same items, read instead of computed.

        Raises:
            InputError: ``path`` is no such store, or damaged.
            SettingsError: zarr is not installed.
        """
        return StoredSubtomograms(path)

    def __len__(self) -> int:
        return len(self.plan)

    @overload
    def __getitem__(self, index: int) -> Extracted: ...
    @overload
    def __getitem__(self, index: slice) -> list[Extracted]: ...
    def __getitem__(self, index: int | slice) -> Extracted | list[Extracted]:
        """Compute one item, or the list of items of a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"item {index} of {len(self)} pseudo-subtomograms")
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self._maker.make(self._extractor(number), position - int(self._starts[number]))

    def __iter__(self) -> Iterator[Extracted]:
        stream = ParticleStream(self.plan, lambda particle, _: particle, backend=self._backend, reads_ahead=False)
        return (outcome.value for outcome in stream.outcomes())

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_local", "_maker")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    def _begin(self) -> None:
        """Start without buffers or filters; threads do not share them, and pickles do not carry them."""
        self._maker, self._local = ParticleMaker(self.plan, self._backend), threading.local()

    def _extractor(self, number: int) -> Extractor:
        """Keep the filters of the latest tilt series, per thread."""
        local = self._local
        if getattr(local, "number", None) != number:
            local.extractor, local.number = self._maker.open_series(self.plan.series[number]), number
        extractor: Extractor = local.extractor
        return extractor
