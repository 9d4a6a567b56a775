"""Pseudo-subtomograms on demand: a lazy sequence that computes an item when it is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.extraction.extractors import Extractor
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.stream import ParticleMaker, ParticleStream
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.zarr_read import StoredSubtomograms
from subtomo.model.choices import check_kind
from subtomo.model.lookup import LazySequence
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.subtomogram import Extracted
from subtomo.model.tilt_series import TomogramSet


class PseudoSubtomograms(LazySequence[Extracted]):
    """The particles of an extraction, each computed from the tilt images when it is indexed; nothing is written.

    Items come in the order of extraction: by tomogram in the order of the tomogram set, then as in the particle set.
    ``plan.indices[i]`` is the index of item ``i`` in the particle set; ``plan.left_out`` tells what is missing and why.
    Several threads may read one sequence at the same time. ``subtomograms["TS_1/3"]`` finds an item by its
    name; slices, lists and masks give lazy sequences.

    Args:
        tomograms: With images; or the file of the tomogram set.
        particles: To be extracted; or the file of the particle set. Names in files are relative to the current folder.
        settings: What to make of them; with ``Output.STACK_2D`` items are `TiltStack`, else `PseudoSubtomogram`.
        backend: ``cpu``, or ``reference`` for the slow double-precision oracle.

    Raises:
        InputError: Particles and tomograms do not fit together.
        SettingsError: An argument is of the wrong type.
    """

    def __init__(
        self,
        tomograms: TomogramSet | str | Path,
        particles: ParticleSet | str | Path,
        settings: ExtractionSettings,
        *,
        backend: str = "cpu",
    ) -> None:
        check_kind("tomograms", tomograms, TomogramSet, str, os.PathLike)
        check_kind("particles", particles, ParticleSet, str, os.PathLike)
        check_kind("settings", settings, ExtractionSettings)
        if not isinstance(tomograms, TomogramSet):
            tomograms = read_tomograms(tomograms)
        if not isinstance(particles, ParticleSet):
            particles = read_particles(particles, tomograms)
        self.plan: ExtractionPlan = plan_extraction(tomograms, particles, settings)
        self._starts = np.cumsum([0, *map(len, self.plan.series)])
        self._backend = backend
        self._begin()

    @staticmethod
    def of_plan(plan: ExtractionPlan) -> PseudoSubtomograms:
        """Make the particles of a plan, for instance of a part of another's that is small enough to travel."""
        made = PseudoSubtomograms.__new__(PseudoSubtomograms)
        made.plan, made._starts, made._backend = plan, np.cumsum([0, *map(len, plan.series)]), "cpu"
        made._begin()
        return made

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

    def item(self, number: int) -> Extracted:
        """Compute one item, by its number from zero."""
        series = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._maker.make(self._extractor(series), number - int(self._starts[series]))

    def item_names(self) -> Sequence[str]:
        """List the names of all items."""
        names: list[str] = self.plan.particles.names[self.plan.indices].tolist()
        return names

    def __iter__(self) -> Iterator[Extracted]:
        stream = ParticleStream(self.plan, lambda particle, _: particle, backend=self._backend, reads_ahead=False)
        return (outcome.value for outcome in stream.outcomes())

    def _facts(self) -> list[tuple[str, Any]]:
        settings = self.plan.settings
        first, *_ = self.plan.series or (None,)
        pixel = None if first is None else f"{first.series.pixel_size_angstrom * settings.binning:g} Å"
        kind = "image stacks" if settings.output is Output.STACK_2D else "volumes"
        return [
            ("", f"{len(self)} {kind} of {len(self.plan.series)} tilt series, computed when they are asked for"),
            ("box", f"{settings.box_size}, crop {settings.crop}, {pixel} per voxel" if pixel else settings.box_size),
            ("left out", len(self.plan.left_out) or None),
            ("from", self.plan.particles.source),
        ]

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
