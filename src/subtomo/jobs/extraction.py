"""One job, several sinks: the particles of a plan go into all of them."""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import numpy as np

from subtomo.backends.cache import is_filled
from subtomo.errors import SettingsError, SubtomoError
from subtomo.extraction.memory import memory_of
from subtomo.extraction.stream import Outcome, ParticleStream, explained
from subtomo.io.atomic import renamed_together
from subtomo.io.mrc import TiltImages
from subtomo.io.reading import collected_warnings
from subtomo.jobs.batches import BatchedWork
from subtomo.jobs.context import RunContext
from subtomo.jobs.cores import available_cores
from subtomo.jobs.failures import Failures
from subtomo.jobs.limits import fitting_threads
from subtomo.model.account import ExtractionSummary, Failure
from subtomo.model.plan import ExtractionPlan, LeftOut, SeriesPlan
from subtomo.model.subtomogram import Extracted
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.folders import make_folder
from subtomo.output.layout import OPTIMISATION_SET_NAME, refuse_others
from subtomo.output.lock import folder_lock
from subtomo.output.room import FULL, Room, ran_out, require_room
from subtomo.output.sink import Bool, Opening, Sink
from subtomo.output.written import Written
from subtomo.words import listed, nearest, printable


class Extraction:
    """One extraction from plan to summary.

    Args:
        plan: What is to be made.
        sinks: Where it goes; the first one is the result that the summary names.
        account: What is known of the run before it begins.
        context: Threads, progress, and whether to resume.
    """

    def __init__(
        self, plan: ExtractionPlan, sinks: Sequence[Sink[Any]], account: ExtractionSummary, context: RunContext
    ) -> None:
        self.plan, self.sinks, self.account, self.context = plan, tuple(sinks), account, context
        self._start = time.monotonic()
        self._warnings: list[str] = []
        self._failures = Failures(context.progress.warn)
        self._done: Mapping[str, Bool] = {}
        self._reader: int | None = None
        self._n_made, self._threads = 0, 1
        self._noise: dict[str, tuple[float, ...]] = {}

    def run(self, tomograms: TomogramSet) -> ExtractionSummary:
        """Make all particles that are not finished, complete the output, and give an account.

        Raises:
            InputError: Input is missing, damaged or inconsistent, or another run writes to the folder.
            OSError: Something cannot be written. What is finished stays so for a run that resumes.
            OutputError: There is no more room on the disk.
            SettingsError: Settings contradict each other, or those of a run that is to be resumed.
        """
        self._announce(tomograms)
        self._refuse()
        self._threads = self._fitting_threads()
        try:
            with ExitStack() as stack:
                self._open(stack)
                self._process()
                with renamed_together(last=self.account.output_dir + OPTIMISATION_SET_NAME):
                    summary = self._conclude()
                    self.context.account(summary)
        except OSError as error:
            if error.errno not in FULL:
                raise
            missing = sum((sink.room(self.plan) for sink in self.sinks), Room())
            accepted = self._n_made + sum(int(done.sum()) for done in self._done.values())
            n_made = min(accepted if sink.n_safe is None else sink.n_safe for sink in self.sinks)
            raise ran_out(error, self.account.output_dir, n_made, len(self.plan), missing) from error
        return summary

    def _announce(self, tomograms: TomogramSet) -> None:
        """Report tilt series without particles and particles without tilt series."""
        used = {entry.series.name for entry in self.plan.series}
        empty = [series.name for series in tomograms if series.name not in used]
        if empty:
            names = ", ".join(empty[:5])
            self.context.progress.note(f"{len(empty)} tomogram(s) without particles are skipped: {names}")
        known = {series.name for series in tomograms}
        unknown = [entry for entry in self.plan.left_out if entry.tomogram not in known]
        if unknown:
            strange = sorted({entry.tomogram for entry in unknown})
            self._warn(
                f"{len(unknown)} particle(s) belong to unknown tomograms and are left out: {listed(strange)}"
                f"{nearest(strange[0], empty)}"
            )

    def _refuse(self) -> None:
        """Find what is wrong before anything is touched."""
        if not (self.context.overwrite or self.context.resume or self.account.output.skip_existing):
            refuse_others(self.account.output_dir)
        for sink in self.sinks:
            sink.refuse(self.plan)
            if self.context.executor is not None and not sink.can_travel:
                raise SettingsError(
                    "a cluster (dask) writes RELION's tree of files only: leave out the cluster, or the Zarr store",
                    field="dask",
                )
        if self.context.check_disk:
            rooms = [sink.room(self.plan) for sink in self.sinks]
            compresses = any(sink.compresses for sink in self.sinks)
            require_room(self.account.output_dir, rooms, can_be_less=compresses)
        with collected_warnings() as odd:
            for entry in self.plan.series:
                if isinstance(entry.series.images, TiltImages):
                    entry.series.images.check()
        for message in dict.fromkeys((*self.context.input_warnings, *odd)):
            self._warn(message)

    def _fitting_threads(self) -> int:
        """Give the number of threads that memory allows; on other machines, they take care of themselves."""
        wanted = self.context.threads or available_cores()
        if self.context.executor is not None:
            return wanted
        needed = [memory_of(self.plan), *(sink.memory(self.plan) for sink in self.sinks)]
        return fitting_threads(self.plan, needed, min(wanted, max(1, len(self.plan))), self.context.progress.note)

    def _open(self, stack: ExitStack) -> None:
        """Take possession of the folder, and see which particles are finished; at the stack's end it is free again."""
        note = self.context.progress.note
        for hidden in dict.fromkeys(sink.hidden for sink in self.sinks if sink.hidden is not None):
            make_folder(hidden)
            stack.enter_context(folder_lock(hidden + "lock", note))
        context = self.context
        opening = Opening(self.plan, context.resume, context.verify, context.project, note)
        for sink in self.sinks:
            stack.callback(sink.close)
            sink.open(opening)
        self._find_finished()

    def _find_finished(self) -> None:
        """Tell which particles need not be made, and which sink can read them if another one wants them."""
        masks = [sink.done for sink in self.sinks if sink.done is not None]
        names = [entry.series.name for entry in self.plan.series]
        none = {entry.series.name: np.zeros(len(entry), bool) for entry in self.plan.series}
        done = {name: np.logical_and.reduce([mask[name] for mask in masks]) for name in names} if masks else none
        self._n_found = max((sink.n_found for sink in self.sinks), default=0)
        if self._n_found:
            self.context.progress.note(f"{self._n_found} of {len(self.plan)} particle(s) are finished already")
            if any(sink.takes_finished for sink in self.sinks):
                self._reader = next((i for i, sink in enumerate(self.sinks) if sink.can_read), None)
                if self._reader is None:
                    note = "their files do not hold what the sums need, so they are made again"
                    self.context.progress.note(note)
                    done = none
        self._done = done

    def _process(self) -> None:
        """Make every particle that is not finished, and hand it to the sinks."""
        progress, context = self.context.progress, self.context
        if not is_filled():
            progress.note("compiling the array loops, which takes some seconds; this happens once per installation")
        progress.start(sum(int((~done).sum()) for done in self._done.values()))
        outcomes = self._made_here() if context.executor is None else self._made_elsewhere()
        # closed at once, so that no thread writes any more when the folder is given back
        with closing(outcomes):
            for outcome in outcomes:
                receipts = outcome.made or (None,) * len(self.sinks)
                for sink, receipt in zip(self.sinks, receipts, strict=True):
                    sink.accept(outcome, receipt)
                if outcome.error is not None:
                    self._report_failure(outcome)
                if outcome.is_new:
                    self._n_made += outcome.error is None
                    progress.advance(outcome.name)

    def _made_here(self) -> Generator[Outcome[tuple[Any, ...]], None, None]:
        read = None if self._reader is None else self._read
        stream = ParticleStream(self.plan, self._write, read, self._done, self.context.before_series, self._note_noise)
        return stream.outcomes(self._threads, writes_apart=True)

    def _made_elsewhere(self) -> Generator[Outcome[Any], None, None]:
        assert self.context.executor is not None
        work = BatchedWork(
            self.plan, self.sinks, self._done, self._reader, self.context.before_series, self._note_noise
        )
        return work.outcomes(self.context.executor)

    def _note_noise(self, measured: SeriesPlan) -> None:
        """Keep the noise power per shell of a tilt series for the account."""
        if measured.noise is not None:
            self._noise[measured.series.name] = tuple(float(f"{power:.4g}") for power in measured.noise.spectrum)

    def _write(self, particle: Extracted, entry: SeriesPlan) -> tuple[Any, ...]:
        return tuple(sink.write(particle, entry) for sink in self.sinks)

    def _read(self, entry: SeriesPlan, index: int) -> tuple[Any, ...]:
        """Read a finished particle for the sinks that want it."""
        assert self._reader is not None
        name = str(self.plan.particles.names[entry.particles[index]])
        particle = self.sinks[self._reader].read(entry, index, name)
        return tuple(sink.write(particle, entry) if sink.takes_finished else None for sink in self.sinks)

    def _conclude(self) -> ExtractionSummary:
        """Complete the output, and give an account of the run."""
        self._look_for_files()
        self._failures.count_equal_ones()
        plan, written = self._without_failures(), Written()
        for sink in reversed(self.sinks):
            # the first one last: its files name those of the others
            for warning in sink.conclude(plan):
                self._warn(warning)
            written += sink.written
        return replace(
            self.account,
            n_extracted=len(plan),
            n_written_files=written.files,
            bytes_written=written.bytes,
            left_out=self.plan.left_out,
            seconds=round(time.monotonic() - self._start, 3),
            star_file=self.sinks[0].result,
            warnings=tuple(self._warnings),
            failures=tuple(self._failures.all),
            n_found=self._n_found,
            noise=dict(self._noise),
        )

    def _look_for_files(self) -> None:
        """Make sure that what will be listed is there: others may have removed files while the run went on."""
        for sink in self.sinks:
            for entry, index, problem in sink.missing(self._without_failures()):
                name = str(self.plan.particles.names[entry.particles[index]])
                self._failures.add(Failure(name, entry.series.name, problem, ""))

    def _without_failures(self) -> ExtractionPlan:
        """Take what could not be made out of the plan."""
        if not self._failures.all:
            return self.plan
        failed = {failure.particle: failure for failure in self._failures.all}
        series, left_out = list[SeriesPlan](), list(self.plan.left_out)
        for entry in self.plan.series:
            names = self.plan.particles.names[entry.particles].tolist()
            kept = [index for index, name in enumerate(names) if name not in failed]
            series.append(entry.take(np.array(kept, np.int64)))
            left_out += [
                LeftOut(int(entry.particles[i]), name, entry.series.name, 0, "failed", failed[name].error)
                for i, name in enumerate(names)
                if name in failed
            ]
        return replace(self.plan, series=tuple(series), left_out=tuple(left_out))

    def _report_failure(self, outcome: Outcome[Any]) -> None:
        """Keep a failure, and say at once what went wrong until that becomes tiring."""
        assert outcome.error is not None
        place = "" if isinstance(outcome.error, SubtomoError) else "".join(traceback.format_exception(outcome.error))
        failure = Failure(outcome.name, outcome.entry.series.name, explained(outcome.error), printable(place))
        self._failures.add(failure)

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self.context.progress.warn(message)
