"""The list of finished particles on the disk: written as they are finished, read by a later run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from subtomo.doing import doing_to_file
from subtomo.io.atomic import atomic_write, sync_files

FORMAT = 1
GROUP_PARTICLES = 8
GROUP_SECONDS = 2.0
"""When a group is forced to the disk, unless the one before still is: that is what a crash may cost.

Particles that are finished, but not yet in the journal, are made again. Groups are small, since the end of a run
waits for the last one; while the disk is busy they grow, so that a slow one is not asked more than it can answer.
"""


@dataclass(frozen=True)
class Recorded:
    """What a journal says."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """Name of each finished particle to the key of what it was made from."""


@doing_to_file("reading")
def read_journal(path: str | Path) -> Recorded | None:
    """Read a journal; None if there is none that can be understood.

    A line that a crash cut short is left out, and its particle will be made again.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            lines = list(_understood(stream))
    except FileNotFoundError:
        return None
    if not lines or not isinstance(lines[0], dict) or lines[0].get("journal") != FORMAT:
        return None
    entries = (line for line in lines[1:] if isinstance(line, list) and len(line) == 2)
    keys = {line[0]: line[1] for line in entries if all(isinstance(word, str) for word in line)}
    settings = lines[0].get("settings")
    return Recorded(settings if isinstance(settings, dict) else {}, keys)


def _understood(lines: Iterable[str]) -> Iterator[Any]:
    for line in lines:
        if line.endswith("\n"):
            with suppress(ValueError, RecursionError):
                yield json.loads(line)


class Journal:
    """Takes down finished particles in groups, on a thread of its own, so that nobody waits for the disk.

    A group's files are forced to the disk before its lines are written: what the journal says survives a loss of power.

    Args:
        path: The journal; its folder must exist. It is replaced.
        settings: That the particles are made with.
        keys: Name to key of the particles that are finished already.
    """

    def __init__(self, path: str, settings: Mapping[str, Any], keys: Mapping[str, str]) -> None:
        self._path, self._settings = path, settings
        self.write_anew(keys)
        self._stream = open(path, "ab")  # noqa: SIM115
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._lines: list[bytes] = []
        self._files: list[str] = []
        self._coming: Future[None] | None = None
        self._last = time.monotonic()

    def write_anew(self, keys: Mapping[str, str]) -> None:
        """Replace the file by one that lists the given particles, in their order."""
        with atomic_write(self._path, durable=True) as stream:
            stream.write(_line({"journal": FORMAT, "settings": self._settings}))
            stream.writelines(_line([name, key]) for name, key in keys.items())

    def add(self, name: str, key: str, files: Iterable[str] = ()) -> None:
        """Take down a finished particle.

        Args:
            name: Of the particle.
            key: Of what it was made from.
            files: Its files, unless they were forced to the disk before.

        Raises:
            OSError: An earlier group could not be written.
        """
        self._lines.append(_line([name, key]))
        self._files.extend(files)
        is_due = len(self._lines) >= GROUP_PARTICLES or time.monotonic() - self._last >= GROUP_SECONDS
        if is_due and (self._coming is None or self._coming.done()):
            self.flush()

    def flush(self) -> None:
        """Hand the present group to the writing thread, after the one before.

        Raises:
            OSError: An earlier group could not be written.
        """
        self._wait()
        lines, files, self._lines, self._files = self._lines, self._files, [], []
        if lines:
            self._coming = self._pool.submit(self._write, lines, files)
        self._last = time.monotonic()

    def close(self) -> None:
        """Write what is left.

        Raises:
            OSError: Something could not be written.
        """
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

    def _write(self, lines: list[bytes], files: list[str]) -> None:
        sync_files(files)
        try:
            self._stream.write(b"".join(lines))
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from error


def _line(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
