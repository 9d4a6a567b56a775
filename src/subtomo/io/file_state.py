"""Whether files are still those that were there before: size, time and inode."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from subtomo.errors import InputError
from subtomo.io.mrc_header import unreadable


@dataclass(frozen=True)
class FileState:
    """What changes if somebody replaces, truncates or overwrites a file."""

    size: int
    mtime_ns: int
    inode: int
    device: int


def file_states(paths: Iterable[str]) -> dict[str, FileState]:
    """Note the state of files, each once.

    Raises:
        InputError: A file is not there.
    """
    found = {}
    for path in dict.fromkeys(paths):
        try:
            found[path] = _state(path)
        except OSError as error:
            raise unreadable(path, error) from None
    return found


def changed_files(before: Mapping[str, FileState]) -> dict[str, str]:
    """Compare files with what they were: those that changed, each with what happened to it.

    Args:
        before: What `file_states` gave, when the files were opened.
    """
    changed = {}
    for path, old in before.items():
        try:
            new = _state(path)
        except OSError as error:
            changed[path] = f"cannot be found any more ({error.strerror})"
            continue
        if new.size != old.size:
            changed[path] = f"had {old.size} bytes, now it has {new.size}"
        elif (new.inode, new.device) != (old.inode, old.device):
            changed[path] = "was replaced by another file"
        elif new.mtime_ns != old.mtime_ns:
            changed[path] = "was written to"
    return changed


def require_unchanged(before: Mapping[str, FileState], since: str = "while it was read") -> None:
    """Raise InputError if a file changed; names the first one, and how many more there are."""
    changed = changed_files(before)
    if changed:
        path, what = next(iter(changed.items()))
        others = f" (and {len(changed) - 1} more files changed)" if len(changed) > 1 else ""
        raise InputError(f"{path}: {what} {since}{others}; leave inputs alone during a run, and run again")


def _state(path: str) -> FileState:
    stat = os.stat(path)
    return FileState(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev)
