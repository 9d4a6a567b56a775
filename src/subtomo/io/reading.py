"""Opening files of others, and warning of what they hold."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from subtomo.errors import InputError, InputWarning
from subtomo.words import nearest, unencodable

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def warn(message: str) -> None:
    """Warn of something in a file; `collected_warnings` gathers such warnings."""
    warnings.warn(message, InputWarning, stacklevel=3)


@contextmanager
def collected_warnings(tell: Callable[[str], None] = lambda message: None) -> Iterator[list[str]]:
    """Gather the warnings about input that are given within the block, each message once, instead of printing them.

    Other warnings are treated as ever.

    Args:
        tell: Called with each message at once.
    """
    messages: dict[str, None] = {}
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        show = warnings.showwarning

        def gather(message: Warning | str, category: type[Warning], *rest: object) -> None:
            if not issubclass(category, InputWarning):
                show(message, category, *rest)  # type: ignore[arg-type]
            elif str(message) not in messages:
                messages[str(message)] = None
                found.append(str(message))
                tell(str(message))

        warnings.showwarning = gather  # type: ignore[assignment]
        yield found


def open_file(path: str | os.PathLike[str], expected: str, *, advice: str = "correct the name") -> BinaryIO:
    """Open a file for reading, at once whatever stands under its name: a pipe without a writer is refused, too.

    Args:
        path: Of the file.
        expected: What it should be, such as ``an MRC file``.
        advice: What to do if it cannot be opened.

    Raises:
        InputError: There is no such file, it may not be read, or it is no regular file.
    """
    try:
        # what is no file may block when it is opened, or do something
        _refuse_others(path, os.stat(path).st_mode, expected, advice)
        stream = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, expected, advice) from None
    try:
        _refuse_others(path, os.fstat(stream.fileno()).st_mode, expected, advice)
    except InputError:
        stream.close()
        raise
    return stream


def _refuse_others(path: str | os.PathLike[str], mode: int, expected: str, advice: str) -> None:
    """Raise InputError for whatever is not a regular file."""
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder, expected {expected}; {advice}")
    kind = next((f" but {text}" for is_kind, text in _KINDS if is_kind(mode)), "")
    raise InputError(f"{path}: is no regular file{kind}, expected {expected}; {advice}")


def read_bytes(path: str | os.PathLike[str], expected: str, *, advice: str = "correct the name") -> bytes:
    """Read a whole file; raises what `open_file` raises, or InputError if it does not fit into memory."""
    with open_file(path, expected, advice=advice) as stream:
        try:
            return stream.read()
        except (OSError, MemoryError) as error:
            raise _unreadable(path, error, expected, advice) from None


def similar_file(path: str | os.PathLike[str]) -> str:
    """Suggest a file of the same folder whose name is nearly the same: ``, did you mean x?``, or nothing."""
    wanted = Path(path)
    try:
        there = [entry.name for entry in os.scandir(wanted.parent)]
    except (OSError, ValueError):
        return ""
    return nearest(wanted.name, there)


def _unreadable(path: str | os.PathLike[str], error: Exception, expected: str, advice: str) -> InputError:
    """Say why a file cannot be read, with the name that may be meant."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, UnicodeEncodeError):
        reason = (unencodable(str(path)) or reason).replace("; ", ": ")
    if isinstance(error, MemoryError):
        reason = "it does not fit into memory"
    suggestion = similar_file(path) if isinstance(error, FileNotFoundError) else ""
    return InputError(f"{path}: cannot be read ({reason}{suggestion}), expected {expected}; {advice}")
