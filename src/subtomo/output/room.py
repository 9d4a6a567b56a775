"""Is there room for what will be written? Found out before the first particle is made, and said when it runs out."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass

from subtomo.errors import OutputError, SettingsError
from subtomo.words import in_bytes

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What systems say when something does not fit."""
_WAYS = "free some room, choose another folder (output_dir), crop more, write half precision (float16=True)"


@dataclass(frozen=True)
class Room:
    """What files take on a disk beyond what is there."""

    bytes: int = 0
    files: int = 0
    largest: int = 0
    """Bytes of the largest file."""

    def __add__(self, other: Room) -> Room:
        return Room(self.bytes + other.bytes, self.files + other.files, max(self.largest, other.largest))


def free_room(folder: str) -> tuple[int, int] | None:
    """Give the bytes and the number of files that a folder, or the nearest one that exists above it, has room for.

    Returns:
        None if the system does not say. A file system that counts no files has room for any number.
    """
    place = os.path.abspath(folder)
    while not os.path.exists(place) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files > 0 else 1 << 62


def require_room(folder: str, needed: Iterable[Room], *, can_be_less: bool = False) -> None:
    """Refuse to begin what cannot be finished.

    Args:
        folder: Where files will be written.
        needed: Of every part of the output.
        can_be_less: The bytes are what is needed at least, for they are compressed.

    Raises:
        SettingsError: The disk has no room for the files, or no file may become so large.
    """
    room = sum(needed, Room())
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if resource.RLIM_INFINITY != limit < room.largest:
        raise SettingsError(
            f"{folder}: files of {in_bytes(room.largest)} are needed, but none may be larger than {in_bytes(limit)} "
            "(ulimit -f); raise that limit, crop more, or go on all the same with check_disk=False",
            field="check_disk",
        )
    free = free_room(folder)
    if free is None:
        return
    least = "at least " if can_be_less else ""
    if room.bytes > free[0]:
        raise SettingsError(
            f"{folder}: {least}{in_bytes(room.bytes)} in {room.files} file(s) are needed, but {in_bytes(free[0])} are "
            f"free; {_WAYS}, or go on all the same with check_disk=False",
            field=("output_dir", "float16", "check_disk"),
        )
    if room.files > free[1]:
        raise SettingsError(
            f"{folder}: {room.files} files are needed, but the file system has room for {free[1]} more; choose another "
            "folder (output_dir), write one store (as_zarr=True), or go on all the same with check_disk=False",
            field=("output_dir", "as_zarr", "check_disk"),
        )


def ran_out(error: OSError, folder: str, n_made: int, n_planned: int, missing: Room) -> OutputError:
    """Say what was made before the room ran out, how much is missing, and how to go on."""
    place = f"{error.filename}: " if error.filename else f"{folder}: "
    free = free_room(folder)
    rest = f"what is left needs {in_bytes(missing.bytes)}" + ("" if free is None else f", {in_bytes(free[0])} are free")
    way = "free some room"
    if error.errno == errno.EFBIG:
        rest, way = rest.partition(",")[0], "raise the limit on the size of files (ulimit -f)"
    return OutputError(
        f"{place}{error.strerror}; {n_made} of {n_planned} particle(s) are made, {rest}; {way}, and run again with "
        "resume=True to go on",
        field="resume",
    )


def used_by(folder: str) -> int:
    """Count the bytes of all files in a folder and those below it; none if it is not there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total
