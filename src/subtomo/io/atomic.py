"""Write a file so that its final name only ever shows complete content."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from subtomo.errors import InputError

TEMPORARY_PREFIX = ".subtomo-"
TEMPORARY_SUFFIX = ".tmp"


_together: ContextVar[_Together | None] = ContextVar("together", default=None)


class _Together:
    """Files that are complete, but wait for others to take their names with them."""

    def __init__(self) -> None:
        self.waiting: dict[Path, Path] = {}
        """Final name to temporary one."""

    def add(self, temporary: Path, final: Path) -> None:
        earlier = self.waiting.pop(final, None)
        if earlier is not None:
            earlier.unlink()
        self.waiting[final] = temporary

    def rename(self, last: Path | None) -> None:
        names = sorted(self.waiting, key=lambda final: final == last)
        for final in names:
            os.replace(self.waiting.pop(final), final)
        for folder in sorted({final.parent for final in names}):
            _sync_folder(folder)

    def remove(self) -> None:
        for temporary in self.waiting.values():
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def renamed_together(last: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Let all files that `atomic_write` writes in the block take their names at its end, if there is no error.

    They are complete and on the disk before the first one gets its name; on an exception none does.

    Args:
        last: The file among them that says that the others are there.

    Raises:
        OSError: If a file cannot be written or named.
    """
    together = _Together()
    token = _together.set(together)
    try:
        yield
        together.rename(None if last is None else Path(last))
    finally:
        _together.reset(token)
        together.remove()


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the name `path` when the block ends without an error.

    The bytes go to a hidden file in the same folder. At the end it replaces whatever had the name; on any
    exception, an interrupt included, it is removed and an older file of that name stays as it was. Within
    `renamed_together` it waits for the others before it takes the name.

    Args:
        path: Final name. Its folder must exist.
        durable: Force the content and the new name to the disk before returning, so that they also survive a
            loss of power. This is slow: keep it for the few files that say that other files are complete.

    Raises:
        InputError: If the temporary file cannot be created or the final name belongs to a folder, pipe or device.
        OSError: If writing fails, for instance on a full disk.
    """
    final, together = Path(path), _together.get()
    if final.is_dir():
        raise InputError(f"{final}: is a folder, expected the name of a file to write; choose another name.")
    if final.exists() and not final.is_file():
        raise InputError(f"{final}: is no regular file, so it is not replaced; choose the name of a file to write.")
    temporary = final.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    # Mode "x" of plain open gives the permissions of the user's umask, where tempfile would give 0600.
    try:
        with _create(temporary, final) as handle:
            yield handle
            if durable or together is not None:
                handle.flush()
                os.fsync(handle.fileno())
        if together is not None:
            together.add(temporary, final)
            return
        os.replace(temporary, final)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            # failing writes do not say which file they were meant for
            raise OSError(error.errno, error.strerror, str(final)) from error
        raise
    if durable:
        _sync_folder(final.parent)


def sync_files(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Force files that were written before, and their names, to the disk; this is cheaper late than at once.

    Raises:
        OSError: If a file is gone or the disk reports that its content is lost.
    """
    folders = set()
    for path in paths:
        with open(path, "rb") as handle:
            os.fsync(handle.fileno())
        folders.add(Path(path).parent)
    for folder in sorted(folders):
        _sync_folder(folder)


def remove_leftovers(folder: str | os.PathLike[str], *, older_than_seconds: float = 0.0) -> int:
    """Remove temporary files that killed programs left in a folder, and count them.

    No program may be writing there at the same time, unless its failure does no harm, or none leaves a file that it is
    writing alone for so long.
    """
    count, newest = 0, time.time() - older_than_seconds
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX):
                with suppress(FileNotFoundError):
                    if older_than_seconds and entry.stat().st_mtime > newest:
                        continue
                    os.unlink(entry.path)
                    count += 1
    return count


def _create(temporary: Path, final: Path) -> BinaryIO:
    """Open the temporary file, and speak of the final name when that fails."""
    try:
        return open(temporary, "xb")
    except OSError as error:
        raise InputError(
            f"{final}: cannot be written ({error.strerror}); "
            f"expected the folder {final.parent} to exist and to be writable. Create it or choose another one."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Force the folder's list of names to the disk, where the system can open folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
