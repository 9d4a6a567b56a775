"""The list of finished particles on the disk: written as they are finished, read by a later run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write, sync_files
from subtomo.io.checksum import checksum_of
from subtomo.io.reading import open_file
from subtomo.words import printable

FORMAT = 1
GROUP_PARTICLES = 8
GROUP_SECONDS = 2.0
"""When a group is forced to the disk, unless the one before still is: that is what a crash may cost.

Particles that are finished, but not yet in the journal, are made again. Groups are small, since the end of a run
waits for the last one; while the disk is busy they grow, so that a slow one is not asked more than it can answer.
"""


@dataclass(frozen=True)
class Entry:
    """What is known of a finished particle."""

    key: str
    """Of what it was made from."""
    checksum: str = ""
    """Of its files (`checksum_of`); empty where none was taken."""


@dataclass(frozen=True)
class Recorded:
    """What a journal says."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """Finished particles by their names."""
    problem: str | None = None
    """Why it says nothing, although it is there."""

    @property
    def keys(self) -> dict[str, str]:
        """Name of each finished particle to the key of what it was made from."""
        return {name: entry.key for name, entry in self.entries.items()}


@doing_to_file("reading")
def read_journal(path: str | Path) -> Recorded | None:
    """Read a journal; None if there is none. One that cannot be understood is not the same as none: it has a problem.

    A line that a crash cut short is left out, and its particle will be made again.
    """
    if not os.path.lexists(path):
        return None
    try:
        with open_file(path, "a list of finished particles") as stream:
            lines = list(_understood(stream))
    except InputError as error:
        return Recorded(problem=str(error))
    head = lines[0] if lines else None
    if not isinstance(head, dict) or "journal" not in head:
        return Recorded(problem=f"{path}: is no list of finished particles, or a damaged one")
    if head["journal"] != FORMAT:
        strange = printable(f"{head['journal']!r:.40}")
        return Recorded(problem=f"{path}: has format {strange}, this version of subtomo knows {FORMAT}")
    settings = head.get("settings")
    if not isinstance(settings, dict):
        return Recorded(problem=f"{path}: does not tell the settings that particles were made with")
    entries = (line for line in lines[1:] if isinstance(line, list) and len(line) in (2, 3))
    found = {line[0]: Entry(*line[1:]) for line in entries if all(isinstance(word, str) for word in line)}
    return Recorded(settings, found)


def _understood(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        if line.endswith(b"\n"):
            with suppress(ValueError, RecursionError):
                yield json.loads(line)


class Journal:
    """Takes down finished particles in groups, on a thread of its own, so that nobody waits for the disk.

    A group's files are forced to the disk before its lines are written: what the journal says survives a loss of power.

    Args:
        path: The journal; its folder must exist. It is replaced.
        settings: That the particles are made with.
        entries: Particles that are finished already.
    """

    def __init__(self, path: str, settings: Mapping[str, Any], entries: Mapping[str, Entry]) -> None:
        self._path, self._settings = path, settings
        self.entries = dict(entries)
        """Finished particles; complete when the journal is closed."""
        self.write_anew(entries)
        self._stream = open(path, "ab")  # noqa: SIM115
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._group: list[tuple[str, Entry, Sequence[str]]] = []
        self._coming: Future[None] | None = None
        self._last = time.monotonic()
        self._is_closed = False

    def write_anew(self, entries: Mapping[str, Entry]) -> None:
        """Replace the file by one that lists the given particles, in their order."""
        with atomic_write(self._path, durable=True) as stream:
            stream.write(_line({"journal": FORMAT, "settings": self._settings}))
            stream.writelines(_line_of(name, entry) for name, entry in entries.items())

    def add(self, name: str, entry: Entry, files: Sequence[str] = ()) -> None:
        """Take down a finished particle.

        Args:
            name: Of the particle.
            entry: What is known of it.
            files: Its files, unless they were forced to the disk before; their checksum is taken.

        Raises:
            OSError: An earlier group could not be written.
        """
        self._group.append((name, entry, files))
        is_due = len(self._group) >= GROUP_PARTICLES or time.monotonic() - self._last >= GROUP_SECONDS
        if is_due and (self._coming is None or self._coming.done()):
            self.flush()

    def flush(self) -> None:
        """Hand the present group to the writing thread, after the one before.

        Raises:
            OSError: An earlier group could not be written.
        """
        self._wait()
        group, self._group = self._group, []
        if group:
            self._coming = self._pool.submit(self._write, group)
        self._last = time.monotonic()

    def close(self) -> None:
        """Write what is left; a second call does nothing, also after an error.

        Raises:
            OSError: Something could not be written.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.flush()
            self._wait()
        finally:
            self._pool.shutdown()
            # what cannot be written now was complained about above
            with suppress(OSError):
                self._stream.close()

    def _wait(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.result()

    def _write(self, group: Sequence[tuple[str, Entry, Sequence[str]]]) -> None:
        taken = dict[str, Entry]()
        for name, entry, files in group:
            # files that somebody has removed already are nobody's; the end of the run looks for them
            with suppress(FileNotFoundError):
                taken[name] = replace(entry, checksum=checksum_of(files)) if files else entry
        sync_files(file for name, _, files in group if name in taken for file in files)
        try:
            self._stream.write(b"".join(_line_of(name, entry) for name, entry in taken.items()))
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from error
        self.entries.update(taken)


def _line_of(name: str, entry: Entry) -> bytes:
    return _line([name, entry.key, entry.checksum] if entry.checksum else [name, entry.key])


def _line(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
