"""One Zarr group instead of RELION's tree of files: few files, compressed, each particle readable on its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.extraction.memory import Memory
from subtomo.extraction.stream import Outcome
from subtomo.io.account import plain_settings
from subtomo.io.relion.tables import tables_of
from subtomo.io.zarr_store import (
    TERMS,
    StoredParticles,
    StoreWriter,
    open_group,
    particles_per_shard,
    term_shapes,
    zarr_module,
)
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import Output, OutputSettings
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.model.table import text_array
from subtomo.output.keys import particle_keys
from subtomo.output.layout import OutputLayout
from subtomo.output.resume import NUMERICS, Bool, journal_settings, require_equal_settings
from subtomo.output.room import Room, used_by
from subtomo.output.sink import Opening, Sink
from subtomo.output.written import Written
from subtomo.version import __version__

STORE_NAME = "particles.zarr"
_LEAST_SHARE = 0.5
"""Of their bytes, what particles take at least when they are compressed: mostly it is two thirds (docs/zarr.md)."""


class ZarrGroup(Sink[PseudoSubtomogram]):
    """Collects particles into shards; each is written and forced to the disk, and only then marked as done.

    Args:
        layout: Where.
        output: Nothing but the default has a meaning here.

    Raises:
        SettingsError: zarr is not installed.
    """

    compresses = True

    def __init__(self, layout: OutputLayout, output: OutputSettings) -> None:
        super().__init__()
        zarr_module()
        self._layout, self._output = layout, output
        self._path = layout.folder + STORE_NAME
        self._done: dict[str, Bool] = {}
        self._n_found = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._writing: Future[int] | None = None
        self._shard = -1
        self._starts: dict[str, int] = {}

    @property
    def hidden(self) -> str:
        """The folder of the lock."""
        return self._layout.hidden

    @property
    def result(self) -> str:
        """The group."""
        return self._path

    @property
    def done(self) -> Mapping[str, Bool]:
        """Particles of shards that lack none: a shard is made as a whole."""
        return self._done

    @property
    def n_found(self) -> int:
        """How many particles an earlier run has left finished, those of incomplete shards included."""
        return self._n_found

    @property
    def n_safe(self) -> int:
        """Particles of shards that are on the disk."""
        return int(self._writer.done.sum()) if self._starts else 0

    def room(self, plan: ExtractionPlan) -> Room:
        """Guess the size of the store; one that is there is replaced, or filled up."""
        shapes = term_shapes(plan.settings.crop).values()
        each = 4 * sum(int(np.prod(shape)) for shape in shapes)
        least = int(_LEAST_SHARE * len(plan) * each)
        per_shard = particles_per_shard(plan.settings.crop)
        n_shards = len(shapes) * -(-len(plan) // per_shard)
        return Room(max(0, least - used_by(self._path)), n_shards, int(_LEAST_SHARE * per_shard * each / len(shapes)))

    def memory(self, plan: ExtractionPlan) -> Memory:
        """Count the shard that is filled, and the one that is written, which is compressed meanwhile."""
        each = 4 * sum(int(np.prod(shape)) for shape in term_shapes(plan.settings.crop).values())
        return Memory(3 * each * min(len(plan), particles_per_shard(plan.settings.crop)))

    def refuse(self, plan: ExtractionPlan) -> None:
        """Refuse what a store cannot hold."""
        if plan.settings.output is not Output.PSEUDO_SUBTOMOGRAM:
            raise SettingsError(
                'a Zarr store (store="zarr") holds 3-D pseudo-subtomograms in arrays of one shape, and stacks have as '
                'many images as visible tilts; leave out output="stack_2d" and output="projections", or store="zarr"',
                field=("output", "store"),
            )
        output, default = self._output, OutputSettings()
        refused = {
            "write_sums=True": ("makes files that RELION reads, beside RELION's tree only", output.write_sums),
            "float16=True": ("rounds, and the store compresses without loss", output.float16),
            "write_weights=False": ("leaves out the weights, which belong to every item", not output.write_weights),
            "write_particles=False": ("would leave the store empty", not output.write_particles),
            "skip_existing=True": (
                "trusts others' files; resume=True finishes a store",
                output.skip_existing,
            ),
            "extra_files (extra_files)": (
                "names files; the store has CTF² and multiplicity anyway",
                output.extra_files is not default.extra_files,
            ),
        }
        for setting, (reason, is_wanted) in refused.items():
            if is_wanted:
                raise SettingsError(
                    f'not with store="zarr": {setting} {reason}; leave one of them out',
                    field=("store", setting.partition("=")[0].partition(" ")[0], "resume"),
                )

    def open(self, opening: Opening) -> None:
        """Make the store, or open that of an earlier run that is to be resumed."""
        plan = opening.plan
        self._crop, self._writer = plan.settings.crop, self._opened(opening)
        self._names = plan.particles.names[plan.indices].tolist()
        done, size = self._writer.done, self._writer.shard_size
        self._n_found = int(done.sum())
        shard = np.arange(len(done)) // size
        kept = ~np.isin(shard, shard[~done])
        start = 0
        for entry in plan.series:
            self._starts[entry.series.name] = start
            self._done[entry.series.name] = kept[start : start + len(entry)]
            start += len(entry)

    def write(self, particle: Extracted, entry: SeriesPlan) -> PseudoSubtomogram:
        """Pass the particle on: shards are filled in order."""
        if not isinstance(particle, PseudoSubtomogram):
            raise TypeError(f"a store holds pseudo-subtomograms, not {type(particle).__name__}")
        return particle

    def accept(self, outcome: Outcome[Any], receipt: PseudoSubtomogram | None) -> None:
        """Put a particle into its shard; a full one is written on a thread of its own while the next is made."""
        place = self._starts[outcome.entry.series.name] + outcome.index
        number, offset = divmod(place, self._writer.shard_size)
        if number != self._shard:
            self._write_shard()
            self._shard = number
            self._terms, self._made = self._empty(number)
        if receipt is not None:
            self._made[offset] = True
            for term in TERMS:
                self._terms[term][offset] = getattr(receipt, term)

    def missing(self, plan: ExtractionPlan) -> Iterator[tuple[SeriesPlan, int, str]]:
        """Write the last shard, and look for shards that somebody removed, or cut short, while the run went on."""
        self._write_shard()
        self._shard = -1
        self._wait()
        lost = self._writer.lost()
        places = {name: place for place, name in enumerate(self._names)}
        for entry in plan.series if lost else ():
            for index, name in enumerate(plan.particles.names[entry.particles].tolist()):
                if (file := lost.get(places[name] // self._writer.shard_size)) is not None:
                    yield entry, index, f"{file}: is gone, or cut short, at the end of the run; leave output alone"

    def conclude(self, plan: ExtractionPlan) -> tuple[str, ...]:
        """Say whether all particles are there."""
        self._writer.conclude()
        return ()

    def close(self) -> None:
        """End the writing thread."""
        self._pool.shutdown()

    def _write_shard(self) -> None:
        """Hand the present shard to the writing thread, after the one before."""
        self._wait()
        if self._shard >= 0:
            self._writing = self._pool.submit(self._writer.write, self._shard, self._terms, self._made)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            self.written += Written(len(TERMS), writing.result())

    def _empty(self, number: int) -> tuple[dict[str, NDArray[np.float32]], Bool]:
        """Make the arrays of a shard, NaN where nothing will be put."""
        where = self._writer.shard(number)
        n = where.stop - where.start
        shapes = term_shapes(self._crop)
        return {term: np.full((n, *shape), np.nan, np.float32) for term, shape in shapes.items()}, np.zeros(n, bool)

    def _opened(self, opening: Opening) -> StoreWriter:
        particles = particle_metadata(opening.plan, opening.project)
        if os.path.lexists(self._path):
            # refuses to touch what another program made
            open_group(self._path, "r")
            if opening.resume:
                return self._resumed(opening, particles)
            opening.note(f"{self._path} of an earlier run is being replaced; resume=True would keep it")
            shutil.rmtree(self._path)
        return StoreWriter.create(self._path, particles)

    def _resumed(self, opening: Opening, particles: StoredParticles) -> StoreWriter:
        """Open the store of an earlier run, and keep what was made from the same input."""
        plan, writer = opening.plan, StoreWriter(self._path)
        names, keys = particles.texts["name"].tolist(), particles.texts["key"].tolist()
        old = {"numerics": writer.attributes.get("numerics"), **writer.attributes["settings"]}
        new = journal_settings(plan.settings, OutputSettings())
        require_equal_settings(self._path, int(writer.done.sum()), old, new)
        if writer.texts("name") != names:
            raise SettingsError(
                f"{self._path} holds {len(writer.done)} other particles than the {len(names)} of this run, or in "
                "another order; resume=True needs the same ones: take another folder, or leave it out",
                field="resume",
            )
        same = np.array([a == b for a, b in zip(writer.texts("key"), keys, strict=True)], bool)
        intact = writer.intact()
        if n_damaged := int((writer.done & ~intact).sum()):
            opening.note(f"{n_damaged} finished particle(s) are made again: shards of theirs are missing or altered")
        writer.begin(same & intact, text_array(keys))
        return writer


def particle_metadata(plan: ExtractionPlan, project: str = "") -> StoredParticles:
    """Collect what a store says of its particles besides their voxels."""
    particles, settings, indices = plan.particles, plan.settings, plan.indices
    visible = np.zeros((len(plan), max((entry.series.n_tilts for entry in plan.series), default=0)), bool)
    start = 0
    for entry in plan.series:
        visible[start : start + len(entry), : entry.series.n_tilts] = entry.visible
        start += len(entry)
    counts = [len(entry) for entry in plan.series]
    arrays = {
        "particle": indices,
        "orientation": np.concatenate([np.zeros((0, 3, 3)), *(entry.orientations for entry in plan.series)]),
        "position_px": np.concatenate([np.zeros((0, 3)), *(entry.positions_px for entry in plan.series)]),
        "visible": visible,
        "n_tilts": np.repeat(np.array([entry.series.n_tilts for entry in plan.series], np.int64), counts),
        "pixel_size_angstrom": settings.binning
        * np.repeat(np.array([entry.series.pixel_size_angstrom for entry in plan.series], np.float64), counts),
    }
    keys = [key for entry in plan.series for key in particle_keys(entry, particles, settings.output, project)]
    table, optics, _ = tables_of(particles, (entry.series for entry in plan.series))
    return StoredParticles(
        table=table.take(indices),
        arrays=arrays,
        texts={
            "name": particles.names[indices],
            "tomogram": particles.tomogram_names[indices],
            "key": text_array(keys),
        },
        crop_size=settings.crop,
        attributes={
            "program": f"subtomo {__version__}",
            "numerics": NUMERICS,
            "settings": json.loads(json.dumps(plain_settings(settings))),
            "is_whitened": settings.is_whitened,
            "crop_size": settings.crop,
            "particles_file": particles.source,
            "optics": {label: optics.text(label).tolist() for label in optics.labels},
        },
    )
