"""Stand in for a program of RELION's pipeline: its control files (spec/conventions.md §9)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from subtomo.errors import AbortedError

_WATCHER = """
trap '' HUP INT TERM
read -r _
for ending in "$1"RELION_JOB_EXIT_*; do [ -e "$ending" ] && exit; done
: > "$1"RELION_JOB_EXIT_FAILURE
"""
"""Reads what never comes, until the process that could write it is gone."""


class PipelineControl:
    """Leaves an empty file that tells how the job ended, and looks for the request to stop.

    Args:
        prefix: What the names of the files begin with; a folder ends in a slash. None if there is no pipeline.
    """

    def __init__(self, prefix: str | None) -> None:
        self._prefix = prefix
        self._has_ended = False

    def check(self, name: str) -> None:
        """Raise AbortedError if the pipeline wants the job to stop before tomogram ``name``."""
        self.check_before(f"tomogram {name}")

    def check_before(self, what: str) -> None:
        """Raise AbortedError if the pipeline wants the job to stop here."""
        request = Path(f"{self._prefix}RELION_JOB_ABORT_NOW")
        if self._prefix is not None and request.exists():
            raise AbortedError(f"{request} asks this job to stop; it stops before {what}")

    def __enter__(self) -> PipelineControl:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._prefix is None or self._has_ended:
            return
        try:
            self.leave("SUCCESS" if error is None else "ABORTED" if isinstance(error, AbortedError) else "FAILURE")
        except OSError:
            if error is None:
                raise  # otherwise what went wrong before is what counts

    def fail(self) -> None:
        """Leave the file of a job that failed, if a pipeline is there and has no file of this job yet."""
        if self._prefix is not None and not self._has_ended:
            self.leave("FAILURE")

    def leave(self, ending: Literal["SUCCESS", "FAILURE", "ABORTED"]) -> None:
        """Leave the file that tells how the job ended.

        Raises:
            OSError: It cannot be made.
        """
        self._has_ended = True
        path = Path(f"{self._prefix}RELION_JOB_EXIT_{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Have a process beside this one that leaves the file of a failed job should this one be killed in the block.

        It belongs to a session of its own: launchers that end a job kill all processes that they started, some without
        time for a last word.
        """
        if self._prefix is None:
            yield
            return
        with subprocess.Popen(
            ["/bin/sh", "-c", _WATCHER, "sh", self._prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as watcher:
            try:
                yield
            finally:
                assert watcher.stdin is not None
                watcher.stdin.close()
