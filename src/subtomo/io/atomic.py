"""Write a file so that its final name only ever shows complete content."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from subtomo.errors import InputError

TEMPORARY_PREFIX = ".subtomo-"
TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the name `path` when the block ends without an error.

    The bytes go to a hidden file in the same folder. At the end it replaces whatever had the name; on any
    exception, an interrupt included, it is removed and an older file of that name stays as it was.

    Args:
        path: Final name. Its folder must exist.
        durable: Force the content and the new name to the disk before returning, so that they also survive a
            loss of power. This is slow: keep it for the few files that say that other files are complete.

    Raises:
        InputError: If the temporary file cannot be created or the final name belongs to a folder, pipe or device.
        OSError: If writing fails, for instance on a full disk.
    """
    final = Path(path)
    if final.is_dir():
        raise InputError(f"{final}: is a folder, expected the name of a file to write; choose another name.")
    if final.exists() and not final.is_file():
        raise InputError(f"{final}: is no regular file, so it is not replaced; choose the name of a file to write.")
    temporary = final.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    # Mode "x" of plain open gives the permissions of the user's umask, where tempfile would give 0600.
    try:
        with _create(temporary, final) as handle:
            yield handle
            if durable:
                handle.flush()
                os.fsync(handle.fileno())
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


def remove_leftovers(folder: str | os.PathLike[str]) -> int:
    """Remove temporary files that killed programs left in a folder, and count them.

    No program may be writing there at the same time, unless its failure does no harm.
    """
    count = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX):
                with suppress(FileNotFoundError):
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
