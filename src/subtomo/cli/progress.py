"""Progress: a bar on a terminal, plain lines elsewhere; and the final account on stdout."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from subtomo.cli import messages
from subtomo.cli.field_names import in_words_of_options
from subtomo.cli.verbosity import Verbosity, verbosity
from subtomo.jobs.progress import ProgressListener, Silent
from subtomo.model.account import ExtractionSummary
from subtomo.output.layout import summary_file
from subtomo.words import printable

_SECONDS_BETWEEN_LINES = 10.0
_NAMES_SHOWN = 3


class CountingListener(ProgressListener, Protocol):
    """Shows progress, and knows how far it is."""

    n_done: int
    """Particles that are done."""


def listener(verb: str = "extracting") -> CountingListener:
    """Choose how to show progress with what is being done."""
    if verbosity.get() is Verbosity.QUIET:
        return Quiet()
    if verbosity.get() is Verbosity.VERBOSE:
        return EveryParticle(verb)
    # launchers of MPI jobs show programs a terminal where a file is behind it
    is_watched = sys.stderr.isatty() and not messages.within_relion.get()
    return Bar(verb) if is_watched else Lines(verb)


class Bar:
    """A progress bar with rate and time left."""

    def __init__(self, verb: str = "extracting", console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn(verb),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._start, self.n_done, self._before = time.monotonic(), 0, 0

    def start(self, total: int) -> None:
        """Show the bar, in place of an earlier one."""
        # jobs that go over their particles several times start as often
        self._start, self._before = time.monotonic(), self.n_done
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task("", total=total, rate="")
        self._progress.start()

    def advance(self, name: str) -> None:
        """Move the bar by one particle."""
        self.n_done += 1
        if self._task is not None:
            rate = (self.n_done - self._before) / max(time.monotonic() - self._start, 1e-9)
            self._progress.update(self._task, advance=1, rate=f"{rate:.1f} particles/s")

    def note(self, message: str) -> None:
        """Print a note above the bar."""
        self._say(f"note: {in_words_of_options(message)}")

    def warn(self, message: str) -> None:
        """Print a warning above the bar."""
        self._say(f"warning: {in_words_of_options(message)}", style="yellow")

    def stop(self) -> None:
        """Leave the bar as it stands."""
        self._progress.stop()

    def _say(self, text: str, style: str | None = None) -> None:
        self._progress.console.print(printable(text), style=style, highlight=False, markup=False)


class Quiet(Silent):
    """Warnings only."""

    def __init__(self) -> None:
        self.n_done = 0

    def advance(self, name: str) -> None:
        """Count a particle."""
        self.n_done += 1

    def warn(self, message: str) -> None:
        """Print a warning."""
        messages.warn(in_words_of_options(message))


class Lines:
    """A plain line at every tenth of the work, and at least every ten seconds."""

    def __init__(self, verb: str = "extracting") -> None:
        self._verb = verb
        self._total, self.n_done, self._next, self._before = 0, 0, 0, 0
        self._start = self._last = time.monotonic()

    def start(self, total: int) -> None:
        """Say how much there is to do."""
        # jobs that go over their particles several times start as often
        self._total, self._next, self._before = total, max(1, total // 10), self.n_done
        self._start = self._last = time.monotonic()
        _say(f"{self._verb} {total} particles")

    def advance(self, name: str) -> None:
        """Count a particle, and print a line if it is time for one."""
        self.n_done += 1
        done, now = self.n_done - self._before, time.monotonic()
        if done < self._next and now - self._last < _SECONDS_BETWEEN_LINES and done < self._total:
            return
        self._last, self._next = now, done + max(1, self._total // 10)
        rate = done / max(now - self._start, 1e-9)
        left = (self._total - done) / rate
        _say(f"{done}/{self._total} particles, {rate:.1f}/s, {left:.0f} s left")

    def note(self, message: str) -> None:
        """Print a note."""
        messages.note(in_words_of_options(message))

    def warn(self, message: str) -> None:
        """Print a warning."""
        messages.warn(in_words_of_options(message))

    def stop(self) -> None:
        """Do nothing: every line is complete."""


class EveryParticle(Lines):
    """A plain line for every particle, with its name."""

    def advance(self, name: str) -> None:
        """Print which particle is done."""
        self.n_done += 1
        seconds = time.monotonic() - self._start
        _say(f"{self.n_done - self._before}/{self._total} {printable(name)}, {seconds:.1f} s")


def _say(line: str) -> None:
    print(line, file=messages.progress_stream(), flush=True)


def print_account(summary: ExtractionSummary) -> None:
    """Tell on stdout what was written, what was left out and why, and where to look."""
    megabytes = summary.bytes_written / 1e6
    messages.tell(
        f"{summary.n_extracted} of {summary.n_particles} particles extracted into {summary.output_dir}: "
        f"{summary.n_written_files} files, {megabytes:.0f} MB, {summary.seconds:.1f} s"
    )
    causes: dict[str, list[str]] = defaultdict(list)
    for entry in summary.left_out:
        causes[entry.cause].append(entry.name)
    if causes:
        messages.tell(f"{len(summary.left_out)} left out:")
    for cause, names in sorted(causes.items(), key=lambda item: -len(item[1])):
        shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
        messages.tell(f"  {len(names)} x {cause} ({shown})")
    messages.tell(f"particles {summary.star_file}, account {summary_file(summary.output_dir)}")
