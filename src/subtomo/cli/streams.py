"""What the command prints must never end its work: streams whose failures to write are nobody's failure."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO, RawIOBase, TextIOWrapper
from typing import Any

_STANDARD = {"stdout": 1, "stderr": 2}
_OWN = (BufferedWriter, FileIO)
"""What stands below the streams that the interpreter made, unbuffered ones included."""
_PATIENCE_SECONDS = 10.0
"""How long a reader that is slow to take what is printed is waited for, if the stream may not block."""


class Forgiving(RawIOBase):
    """Writes to a file descriptor; once that fails (the reader is gone, the disk is full), all else is dropped.

    Args:
        descriptor: Stays open when this is closed.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.problem: OSError | None = None
        """Why something is lost."""

    def write(self, content: Any) -> int:
        """Write what can be written, and say that all of it is."""
        size = memoryview(content).nbytes
        if self.problem is not None:
            return size
        try:
            return os.write(self._descriptor, content)
        except BlockingIOError as error:
            if select.select([], [self._descriptor], [], _PATIENCE_SECONDS)[1]:
                return 0 if size == 0 else self._once_more(content, size)
            self.problem = error
        except OSError as error:
            self.problem = error
        return size

    def _once_more(self, content: Any, size: int) -> int:
        try:
            return os.write(self._descriptor, content)
        except OSError as error:
            self.problem = error
            return size

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a terminal is there."""
        return os.isatty(self._descriptor)


@contextmanager
def forgiving_streams(*, for_good: bool) -> Iterator[None]:
    """Let nothing that is printed raise an error, nor show a character that the terminal has not.

    Streams that are closed lead to nowhere: otherwise the next file that is opened would take their place, and get
    what is printed.

    Args:
        for_good: Leave the streams as they are at the end, for the process ends, too.
    """
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    before = {name: getattr(sys, name) for name in _STANDARD}
    ours = {name: stream for name in _STANDARD if (stream := _forgiving(name)) is not None}
    for name, stream in ours.items():
        setattr(sys, name, stream)
    try:
        yield
    finally:
        for name, stream in ours.items():
            stream.flush()
            if not for_good:
                setattr(sys, name, before[name])
        _report_loss(ours)


def _occupy(descriptor: int) -> None:
    """Open nowhere in the place of a standard stream that is closed."""
    try:
        os.fstat(descriptor)
    except OSError:
        # the lowest free number is taken
        opened = os.open(os.devnull, os.O_RDWR)
        os.set_inheritable(opened, True)


def _forgiving(name: str) -> TextIOWrapper | None:
    """Make a forgiving stream in the place of a standard one; None if that is not the process's own."""
    old = getattr(sys, name)
    if old is None:
        encoding, is_line_buffered = "utf-8", True
    elif type(old) is TextIOWrapper and type(old.buffer) in _OWN and old.fileno() == _STANDARD[name]:
        encoding, is_line_buffered = old.encoding, old.line_buffering or old.write_through
        try:
            old.flush()
        except OSError:
            return None
    else:
        # a terminal without Å must not turn the account of a finished run into a traceback
        if isinstance(old, TextIOWrapper):
            old.reconfigure(errors="backslashreplace")
        return None
    raw = BufferedWriter(Forgiving(_STANDARD[name]))
    return TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", line_buffering=is_line_buffered)


def _report_loss(streams: dict[str, TextIOWrapper]) -> None:
    """Say that what was printed is lost, where somebody may have wanted it: not if the reader went away."""
    raw = streams["stdout"].buffer.raw if "stdout" in streams else None  # type: ignore[attr-defined]
    problem = raw.problem if isinstance(raw, Forgiving) else None
    if problem is not None and problem.errno != errno.EPIPE:
        print(
            f"warning: what was printed is lost ({problem.strerror}); the work itself is not affected", file=sys.stderr
        )
