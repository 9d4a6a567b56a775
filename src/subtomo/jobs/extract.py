"""Extract particles into files."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from subtomo.backends.cache import is_filled
from subtomo.errors import InputError, SettingsError
from subtomo.extraction.plan import plan_extraction
from subtomo.io.atomic import remove_leftovers
from subtomo.io.mrc import TiltImages
from subtomo.io.relion import OptimisationSet
from subtomo.jobs.batches import part_of
from subtomo.jobs.context import RunContext
from subtomo.jobs.cores import available_cores
from subtomo.jobs.inputs import protect_inputs
from subtomo.jobs.particle import ParticleMaker
from subtomo.jobs.work import Work, Worker
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, LeftOut, SeriesPlan
from subtomo.model.settings import ExtractionSettings, Output, OutputSettings
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.layout import OutputLayout
from subtomo.output.lock import folder_lock
from subtomo.output.records import planned_names, reconstruction_binning, require_nominal_tilts, write_records
from subtomo.output.resume import Bool, Ledger
from subtomo.output.summary import ExtractionSummary, Failure

__all__ = ["RunContext", "extract"]

_FAILURES_TOLD = 10


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

    A particle that cannot be made does not keep the others from being made: see ``failures`` of the summary.

    Args:
        tomograms: With images.
        particles: To be extracted.
        settings: What to compute.
        output_dir: Folder to write to; made with its parents.
        output: What to write, and how; by default one data and one weights file per particle, single precision.
        context: Threads, progress, whether to resume, and the files that an optimisation set is to name.

    Returns:
        What was written, what was left out, and what failed.

    Raises:
        InputError: Input is missing, damaged or inconsistent, or another run writes to the folder.
        OSError: Files cannot be written. What is finished stays so for a run that resumes.
        SettingsError: Settings contradict each other, or those of a run that is to be resumed.
    """
    output = output or OutputSettings()
    output.check_with(settings)
    run = _Run(plan_extraction(tomograms, particles, settings), output_dir, output, context)
    run.announce(tomograms)
    files = OptimisationSet(particles=particles.source or None, tomograms=tomograms.source or None)
    files = files.overridden_by(run.context.files)
    run.check(files)
    with ExitStack() as stack:
        run.prepare(stack)
        run.process()
        summary = run.conclude(files)
        run.context.account(summary)
    return summary


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
        self._warnings: list[str] = []
        self._failures: list[Failure] = []
        self._ledger: Ledger | None = None

    def announce(self, tomograms: TomogramSet) -> None:
        """Tell about tomograms without particles and particles without tomograms."""
        used = {plan.series.name for plan in self.plan.series}
        empty = [tomogram.name for tomogram in tomograms if tomogram.name not in used]
        if empty:
            names = ", ".join(empty[:5])
            self.context.progress.note(f"{len(empty)} tomogram(s) without particles are skipped: {names}")
        known = {tomogram.name for tomogram in tomograms}
        unknown = [entry for entry in self.plan.left_out if entry.tomogram not in known]
        if unknown:
            names = ", ".join(sorted({entry.tomogram for entry in unknown})[:5])
            self._warn(f"{len(unknown)} particle(s) belong to unknown tomograms and are left out: {names}")

    def check(self, files: OptimisationSet) -> None:
        """Find what is wrong with the input before anything is touched."""
        protect_inputs((*vars(files).values(), *self.context.inputs), self.layout.records)
        if self.plan.settings.output is Output.PROJECTIONS:
            reconstruction_binning(self.plan)
            require_nominal_tilts(self.plan)
        for plan in self.plan.series:
            if isinstance(plan.series.images, TiltImages):
                plan.series.images.check()

    def prepare(self, stack: ExitStack) -> None:
        """Take possession of the folder, see what it holds, and remove STAR files of an earlier run.

        Args:
            stack: At its end the folder is free again, and the journal of finished particles is closed.
        """
        layout, progress = self.layout, self.context.progress
        _make_folder(layout.hidden)
        stack.enter_context(folder_lock(layout.hidden + "lock", progress.note))
        folders = {os.path.dirname(layout.root(*name)) for name in planned_names(self.plan)}
        leftovers = sum(map(remove_leftovers, (layout.folder, layout.hidden, *folders)))
        if leftovers:
            progress.note(f"removed {leftovers} temporary file(s) that a killed run left in {layout.folder}")
        shutil.rmtree(os.path.dirname(layout.partial_sum(0)), ignore_errors=True)
        maker = ParticleMaker(self.plan.settings, self.output, layout)
        self._work = Work(self.plan, layout, self.output, {}, sums_of_done=self.context.resume)
        if maker.writes_particles:
            note = progress.note
            self._ledger = Ledger(self.plan, layout, self.output, resume=self.context.resume, note=note)
            stack.callback(self._ledger.close)
        self._work = replace(self._work, done=self._done(maker))
        for folder in sorted(folders):
            _make_folder(folder)
        for path in layout.records:
            Path(path).unlink(missing_ok=True)

    def process(self) -> None:
        """Extract and write every particle that is not finished."""
        progress, context = self.context.progress, self.context
        if not is_filled():
            progress.note("compiling the array loops, which takes some seconds; this happens once per installation")
        self._worker = Worker(self._work, context.before_tomogram)
        progress.start(sum(int(self._work.todo(entry).sum()) for entry in self.plan.series))
        if context.executor is None:
            finished = self._worker.on_threads(context.threads or available_cores())
        else:
            if self.output.write_sums:
                _make_folder(os.path.dirname(self.layout.partial_sum(0)))
            finished = self._worker.elsewhere(context.executor)
        # closed at once, so that no thread writes any more when the folder is given back
        with closing(finished):
            for particle in finished:
                if particle.failure is not None:
                    self._failures.append(particle.failure)
                    self._tell_failure(particle.failure)
                elif self._ledger is not None:
                    self._ledger.add(particle.entry, particle.index, is_synced=particle.is_synced)
                progress.advance(particle.name)

    def conclude(self, files: OptimisationSet) -> ExtractionSummary:
        """Write sums and STAR files, and give an account of the run."""
        plan, layout, worker = self._without_failures(), self.layout, self._worker
        written = worker.written
        if worker.sums is not None and plan.series:
            pixel_size = plan.settings.binning * plan.series[0].series.pixel_size_angstrom
            written += worker.sums.write(layout, pixel_size, self.output.snr)
            shutil.rmtree(os.path.dirname(layout.partial_sum(0)), ignore_errors=True)
        if worker.batches_without_sums:
            self._warn(f"the sums lack {worker.batches_without_sums} batch(es) of particles that failed as a whole")
        if written.overflows:
            self._warn(f"{written.overflows} value(s) were too large for half precision and became ±65504")
        if self._ledger is not None:
            self._ledger.conclude()
        write_records(plan, layout, files)
        return ExtractionSummary(
            output_dir=layout.folder,
            n_particles=len(plan.particles),
            n_extracted=len(plan),
            n_written_files=written.files,
            bytes_written=written.bytes,
            left_out=self.plan.left_out,
            seconds=round(time.monotonic() - self._start, 3),
            star_file=layout.particles,
            warnings=tuple(self._warnings),
            failures=tuple(self._failures),
            n_found=self._n_found,
            noise=worker.noise,
        )

    def _done(self, maker: ParticleMaker) -> dict[str, Bool]:
        """Tell which particles need not be made."""
        if self._ledger is None:
            done = {entry.series.name: np.zeros(len(entry), bool) for entry in self.plan.series}
        else:
            done = self._ledger.done
        self._n_found = sum(int(mask.sum()) for mask in done.values())
        if self._n_found:
            self.context.progress.note(f"{self._n_found} of {len(self.plan)} particle(s) are finished already")
        if self.output.write_sums and self._work.sums_of_done and not maker.can_reread and self._n_found:
            self.context.progress.note("their files do not hold what the sums (--sum) need, so they are made again")
            done = {name: np.zeros_like(mask) for name, mask in done.items()}
        return done

    def _without_failures(self) -> ExtractionPlan:
        """Take what could not be made out of the plan."""
        if not self._failures:
            return self.plan
        failed = {failure.particle: failure for failure in self._failures}
        tomograms, left_out = list[SeriesPlan](), list(self.plan.left_out)
        for entry in self.plan.series:
            names = self.plan.particles.names[entry.particles].tolist()
            kept = [index for index, name in enumerate(names) if name not in failed]
            tomograms.append(part_of(entry, np.array(kept, np.int64)))
            left_out += [
                LeftOut(int(entry.particles[i]), name, entry.series.name, 0, "failed", failed[name].error)
                for i, name in enumerate(names)
                if name in failed
            ]
        return replace(self.plan, series=tuple(tomograms), left_out=tuple(left_out))

    def _tell_failure(self, failure: Failure) -> None:
        """Say at once what went wrong, until that becomes tiring."""
        if len(self._failures) <= _FAILURES_TOLD:
            self.context.progress.warn(f"{failure.particle} cannot be made: {failure.error}")
        if len(self._failures) == _FAILURES_TOLD:
            self.context.progress.warn("further failures are listed in the account of the run only")

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self.context.progress.warn(message)


def _make_folder(name: str) -> None:
    try:
        os.makedirs(name, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{error.filename}: cannot make this folder, a file is in its way; move it") from error
