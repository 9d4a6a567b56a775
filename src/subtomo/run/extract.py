"""Extract particles into files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from subtomo.errors import InputError, SettingsError
from subtomo.io.mrc import TiltImages
from subtomo.io.relion import OptimisationSet
from subtomo.kernels.cache import is_filled
from subtomo.kernels.protocol import Backend
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, TomogramPlan
from subtomo.model.settings import ExtractionSettings, Output, OutputSettings
from subtomo.model.tomogram import TomogramSet
from subtomo.pipeline.extract import new_backend
from subtomo.pipeline.extractors import Extractor, make_extractor
from subtomo.pipeline.plan import plan_extraction
from subtomo.run.cores import available_cores
from subtomo.run.executors import one_ahead, run_in_order
from subtomo.run.inputs import protect_inputs
from subtomo.run.layout import OutputLayout
from subtomo.run.progress import ProgressListener, Silent
from subtomo.run.records import planned_names, reconstruction_binning, require_nominal_tilts, write_records
from subtomo.run.summary import ExtractionSummary
from subtomo.run.sums import ParticleSums, Volume, volume_of
from subtomo.run.write import ParticleWriter, Written

Task = tuple[Extractor, int]


@dataclass(frozen=True)
class RunContext:
    """What a run knows of the world around it."""

    files: OptimisationSet = field(default_factory=OptimisationSet)
    """What the new optimisation set says of tomograms, trajectories and manifolds; by default their sources."""
    threads: int | None = None
    """Particles at a time; None for one per available core."""
    progress: ProgressListener = field(default_factory=Silent)
    """Hears how far the run is."""
    inputs: tuple[str, ...] = ()
    """Further input files, which must not be overwritten."""
    before_tomogram: Callable[[str], None] = lambda name: None
    """Called before each tomogram; may raise to stop the run."""


def extract(
    tomograms: TomogramSet,
    particles: ParticleSet,
    settings: ExtractionSettings,
    output_dir: str,
    *,
    output: OutputSettings | None = None,
    context: RunContext | None = None,
) -> ExtractionSummary:
    """Extract all particles into RELION's tree of files; STAR files come last, when all that they name exists.

    Args:
        tomograms: With images.
        particles: To be extracted.
        settings: What to compute.
        output_dir: Folder to write to; made with its parents.
        output: What to write, and how; by default one data and one weights file per particle, single precision.
        context: Threads, progress, and the files that an optimisation set is to name.

    Returns:
        What was written and what was left out.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings contradict each other.
    """
    run = _Run(plan_extraction(tomograms, particles, settings), output_dir, output or OutputSettings(), context)
    run.announce(tomograms)
    files = OptimisationSet(particles=particles.source or None, tomograms=tomograms.source or None)
    files = files.overridden_by(run.context.files)
    run.prepare(files)
    run.process()
    return run.conclude(files)


class _Run:
    """One extraction from plan to summary."""

    def __init__(
        self, plan: ExtractionPlan, output_dir: str, output: OutputSettings, context: RunContext | None
    ) -> None:
        self.plan, self.output, self.context = plan, output, context or RunContext()
        self.layout = OutputLayout.of(plan, output_dir)
        self._volumes = plan.settings.output is Output.PSEUDO_SUBTOMOGRAM
        if output.write_sums and not self._volumes:
            raise SettingsError("sums (--sum) are made of volumes, so they cannot be combined with stacks of images")
        self._start = time.monotonic()
        self._local = threading.local()
        self._writer = ParticleWriter(self.layout, plan.settings.output, output)
        self._written = Written()
        self._warnings: list[str] = []
        self._sums = ParticleSums(plan.settings.crop) if output.write_sums else None

    def announce(self, tomograms: TomogramSet) -> None:
        """Tell about tomograms without particles and particles without tomograms."""
        used = {plan.tomogram.name for plan in self.plan.tomograms}
        empty = [tomogram.name for tomogram in tomograms if tomogram.name not in used]
        if empty:
            names = ", ".join(empty[:5])
            self.context.progress.note(f"{len(empty)} tomogram(s) without particles are skipped: {names}")
        known = {tomogram.name for tomogram in tomograms}
        unknown = [entry for entry in self.plan.left_out if entry.tomogram not in known]
        if unknown:
            names = ", ".join(sorted({entry.tomogram for entry in unknown})[:5])
            self._warn(f"{len(unknown)} particle(s) belong to unknown tomograms and are left out: {names}")

    def prepare(self, files: OptimisationSet) -> None:
        """Check all headers, make the folders, and remove an earlier run's STAR files, whose images get replaced."""
        layout = self.layout
        outputs = layout.records
        protect_inputs((*vars(files).values(), *self.context.inputs), outputs)
        if self.plan.settings.output is Output.PROJECTIONS:
            reconstruction_binning(self.plan)
            require_nominal_tilts(self.plan)
        for plan in self.plan.tomograms:
            if isinstance(plan.tomogram.images, TiltImages):
                plan.tomogram.images.check()
        try:
            Path(layout.folder).mkdir(parents=True, exist_ok=True)
            for folder in {os.path.dirname(layout.root(*name)) for name in planned_names(self.plan)}:
                Path(folder).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{error.filename}: cannot make this folder, a file is in its way; move it") from error
        for path in outputs:
            Path(path).unlink(missing_ok=True)

    def process(self) -> None:
        """Extract and write every particle."""
        progress, threads = self.context.progress, self.context.threads or available_cores()
        if not is_filled():
            progress.note("compiling the array loops, which takes some seconds; this happens once per installation")
        progress.start(len(self.plan))
        for name, written, volume in run_in_order(self._work, self._tasks(), threads):
            self._written += written
            if self._sums is not None and volume is not None:
                self._sums.add(volume)
            progress.advance(name)

    def conclude(self, files: OptimisationSet) -> ExtractionSummary:
        """Write sums and STAR files, and give an account of the run."""
        plan, layout, output = self.plan, self.layout, self.output
        if self._sums is not None and plan.tomograms:
            pixel_size = plan.settings.binning * plan.tomograms[0].tomogram.pixel_size_angstrom
            self._written += self._sums.write(layout, pixel_size, output.snr)
        if self._written.overflows:
            self._warn(f"{self._written.overflows} value(s) were too large for half precision and became ±65504")
        write_records(plan, layout, files)
        return ExtractionSummary(
            output_dir=layout.folder,
            n_particles=len(plan.particles),
            n_extracted=len(plan),
            n_written_files=self._written.files,
            bytes_written=self._written.bytes,
            left_out=plan.left_out,
            seconds=round(time.monotonic() - self._start, 3),
            star_file=layout.particles,
            warnings=tuple(self._warnings),
        )

    def _tasks(self) -> Iterator[Task]:
        """List the particles to be made, one tomogram after the other."""
        if not (self._writes_particles or self._sums is not None):
            return
        for entry, todo, extractor in one_ahead(self._prepared, self.plan.tomograms):
            self.context.before_tomogram(entry.tomogram.name)
            if extractor is not None:
                yield from ((extractor, index) for index in todo)

    def _prepared(self, entry: TomogramPlan) -> tuple[TomogramPlan, list[int], Extractor | None]:
        """List what is to be done of a tomogram, and compute what its particles share."""
        todo = [index for index in range(len(entry)) if not self._is_done(entry, index)]
        return entry, todo, make_extractor(entry, self.plan.particles, self.plan.settings) if todo else None

    def _is_done(self, entry: TomogramPlan, index: int) -> bool:
        if not self.output.skip_existing:
            return False
        name = str(self.plan.particles.names[entry.particles[index]])
        return os.path.exists(self.layout.image(entry.tomogram.name, name, self.plan.settings.output))

    @property
    def _writes_particles(self) -> bool:
        return self.output.write_particles or not self._volumes

    def _work(self, task: Task) -> tuple[str, Written, Volume | None]:
        """Extract one particle and write it; runs in any thread."""
        extractor, index = task
        particle = extractor.extract(index, self._backend())
        written = Written()
        if self._writes_particles:
            written = self._writer.write(particle, extractor.plan.tomogram.name)
        return particle.name, written, None if self._sums is None else volume_of(particle)

    def _backend(self) -> Backend:
        if not hasattr(self._local, "backend"):
            self._local.backend = new_backend(self.plan.settings)
        backend: Backend = self._local.backend
        return backend

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self.context.progress.warn(message)
