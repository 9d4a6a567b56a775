"""Extract particles into one Zarr store instead of RELION's tree of files."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError, SettingsError
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.threads import run_in_order
from subtomo.io.mrc import TiltImages
from subtomo.io.zarr_store import TERMS, StoreWriter, open_group, term_shapes, zarr_module
from subtomo.jobs.context import RunContext
from subtomo.jobs.cores import available_cores
from subtomo.jobs.store_tasks import StoreMaker, Task, particle_metadata, tasks_of
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, LeftOut
from subtomo.model.settings import ExtractionSettings, ExtraFile, Output, OutputSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.table import text_array
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.layout import OutputLayout, output_folder
from subtomo.output.lock import folder_lock
from subtomo.output.summary import ExtractionSummary, Failure, plain_settings

_STORE = "particles.zarr"


def store_particles(
    tomograms: TomogramSet,
    particles: ParticleSet,
    settings: ExtractionSettings,
    output_dir: str,
    *,
    output: OutputSettings | None = None,
    context: RunContext | None = None,
) -> ExtractionSummary:
    """Extract all particles into ``particles.zarr`` in the output folder; no STAR file, as RELION cannot read it.

    A shard of particles is computed, then written and forced to the disk, and only then marked as done.

    Args:
        tomograms: With images.
        particles: To be extracted.
        settings: What to compute: pseudo-subtomograms.
        output_dir: Folder to write to; made with its parents.
        output: Nothing but the default has a meaning here.
        context: Threads, progress, and whether to resume.

    Returns:
        What was written, what was left out, and what failed.

    Raises:
        InputError: Input is missing, damaged or inconsistent, or another run writes to the folder.
        OSError: The store cannot be written. What is finished stays so for a run that resumes.
        SettingsError: Settings do not go with a store, or differ from those of a run that is to be resumed.
    """
    zarr_module()
    context = context or RunContext()
    _check(settings, output or OutputSettings(), context)
    plan = plan_extraction(tomograms, particles, settings)
    for entry in plan.series:
        if isinstance(entry.series.images, TiltImages):
            entry.series.images.check()
    layout = OutputLayout(output_folder(output_dir), separate_tomograms=False)
    try:
        os.makedirs(layout.hidden, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{error.filename}: cannot make this folder, a file is in its way; move it") from error
    with folder_lock(layout.hidden + "lock", context.progress.note):
        run = _StoreRun(plan, layout.folder + _STORE, context)
        run.announce(tomograms)
        run.process()
        summary = run.conclude(layout.folder)
        context.account(summary)
    return summary


def _check(settings: ExtractionSettings, output: OutputSettings, context: RunContext) -> None:
    """Refuse what a store cannot hold."""
    if settings.output is not Output.PSEUDO_SUBTOMOGRAM:
        raise SettingsError(
            "--store zarr holds 3-D pseudo-subtomograms in arrays of one shape, and stacks have as many images as "
            "visible tilts; leave out --stack2d and --real_subtomo, or --store zarr"
        )
    refused = {
        "--sum makes files that RELION reads, and they are made beside RELION's tree only": output.write_sums,
        "--float16 rounds, and the store compresses without loss": output.float16,
        "--no_comb leaves out the weights, which belong to every item": not output.write_weights,
        "--no_writing would leave the store empty": not output.write_particles,
        "--only_do_unfinished trusts files of other programs; --resume finishes a store": output.skip_existing,
        "--ctf, --multi, --nrm and --div name files; the store has CTF² and multiplicity anyway": (
            output.extra_files is not ExtraFile.NONE
        ),
        "a cluster writes RELION's tree of files only": context.executor is not None,
    }
    for reason, is_wanted in refused.items():
        if is_wanted:
            raise SettingsError(f"not with --store zarr: {reason}; leave one of them out")


class _StoreRun:
    """One extraction into a store."""

    def __init__(self, plan: ExtractionPlan, path: str, context: RunContext) -> None:
        self._plan, self._path, self._context = plan, path, context
        self._start = time.monotonic()
        self._failures: list[Failure] = []
        self._bytes = self._files = 0
        self._warnings: list[str] = []
        self._writer = self._opened()
        self._n_found = int(self._writer.done.sum())

    def announce(self, tomograms: TomogramSet) -> None:
        """Tell about particles without tomograms."""
        unknown = [entry for entry in self._plan.left_out if entry.tomogram not in tomograms]
        if unknown:
            names = ", ".join(sorted({entry.tomogram for entry in unknown})[:5])
            self._warnings.append(f"{len(unknown)} particle(s) belong to unknown tomograms and are left out: {names}")
            self._context.progress.warn(self._warnings[-1])

    def process(self) -> None:
        """Make and write all shards that lack a particle."""
        context, writer = self._context, self._writer
        size, n = writer.shard_size, len(writer.done)
        lacking = np.unique(np.flatnonzero(~writer.done) // size)
        todo: NDArray[np.bool_] = np.isin(np.arange(n) // size, lacking)
        if self._n_found:
            context.progress.note(f"{n - int(todo.sum())} of {n} particle(s) are finished already")
        context.progress.start(int(todo.sum()))
        maker = StoreMaker(self._plan)
        tasks = tasks_of(self._plan, todo, context.before_tomogram)
        # closed at once, so that no thread computes any more when the folder is given back
        with closing(_results(maker, tasks, context.threads or available_cores())) as results:
            self._write(results)

    def conclude(self, folder: str) -> ExtractionSummary:
        """Give an account of the run."""
        self._writer.conclude()
        plan = self._plan
        index = dict(zip(plan.particles.names[plan.indices].tolist(), plan.indices.tolist(), strict=True))
        failed = tuple(
            LeftOut(index[failure.particle], failure.particle, failure.tomogram, 0, "failed", failure.error)
            for failure in self._failures
        )
        return ExtractionSummary(
            output_dir=folder,
            n_particles=len(plan.particles),
            n_extracted=int(self._writer.done.sum()),
            n_written_files=self._files,
            bytes_written=self._bytes,
            left_out=(*plan.left_out, *failed),
            seconds=round(time.monotonic() - self._start, 3),
            star_file=self._path,
            warnings=tuple(self._warnings),
            failures=tuple(self._failures),
            n_found=self._n_found,
        )

    def _write(self, results: Iterator[tuple[Task, PseudoSubtomogram | Failure]]) -> None:
        """Collect results into shards, and write each on a thread of its own while the next one is made."""
        writer, progress = self._writer, self._context.progress
        terms, made, number = dict[str, NDArray[np.float32]](), np.zeros(0, bool), -1
        with ThreadPoolExecutor(1, thread_name_prefix="store") as pool:
            writing: Future[int] | None = None
            for task, result in results:
                if task.place // writer.shard_size != number:
                    if number >= 0:
                        self._count(writing)
                        writing = pool.submit(writer.write, number, terms, made)
                    number = task.place // writer.shard_size
                    terms, made = self._empty(number)
                offset = task.place - number * writer.shard_size
                if isinstance(result, Failure):
                    self._failures.append(result)
                    progress.warn(f"{result.particle} cannot be made: {result.error}")
                else:
                    made[offset] = True
                    for term in TERMS:
                        terms[term][offset] = getattr(result, term)
                progress.advance(task.name)
            self._count(writing)
            if number >= 0:
                self._count(pool.submit(writer.write, number, terms, made))

    def _empty(self, number: int) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
        """Make the arrays of a shard, NaN where nothing will be put."""
        where = self._writer.shard(number)
        n = where.stop - where.start
        shapes = term_shapes(self._plan.settings.crop)
        return {term: np.full((n, *shape), np.nan, np.float32) for term, shape in shapes.items()}, np.zeros(n, bool)

    def _count(self, writing: Future[int] | None) -> None:
        if writing is not None:
            self._bytes += writing.result()
            self._files += len(TERMS)

    def _opened(self) -> StoreWriter:
        """Make the store, or open that of an earlier run that is to be resumed."""
        particles = particle_metadata(self._plan)
        if os.path.lexists(self._path):
            # refuses to touch what another program made
            open_group(self._path, "r")
            if self._context.resume:
                return self._resumed(particles.texts["name"].tolist(), particles.texts["key"].tolist())
            self._context.progress.note(f"{self._path} of an earlier run is being replaced; --resume would keep it")
            shutil.rmtree(self._path)
        return StoreWriter.create(self._path, particles)

    def _resumed(self, names: list[str], keys: list[str]) -> StoreWriter:
        """Open the store of an earlier run, and keep what was made from the same input."""
        writer = StoreWriter(self._path)
        old, new = writer.attributes["settings"], json.loads(json.dumps(plain_settings(self._plan.settings)))
        for name in new:
            if old.get(name) != new[name]:
                raise SettingsError(
                    f"{self._path} was made with {name} {old.get(name)}, but now it is {new[name]}; --resume needs "
                    "the same settings: take the old value, another folder, or leave out --resume"
                )
        if writer.texts("name") != names:
            raise SettingsError(
                f"{self._path} holds {len(writer.done)} other particles than the {len(names)} of this run, or in "
                "another order; --resume needs the same ones: take another folder, or leave out --resume"
            )
        same = np.array([a == b for a, b in zip(writer.texts("key"), keys, strict=True)], bool)
        writer.begin(same, text_array(keys))
        return writer


def _results(
    maker: StoreMaker, tasks: Iterator[Task], threads: int
) -> Generator[tuple[Task, PseudoSubtomogram | Failure], None, None]:
    """Make particles on threads, in their order."""
    yield from run_in_order(maker.make, tasks, threads)
