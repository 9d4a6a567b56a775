"""One run per output folder: the second is told who was first, also where that one runs on another machine."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from subtomo.errors import InputError

HEARTBEAT_SECONDS = 5.0
"""Between two signs of life in the lock file."""
WATCH_SECONDS = 20.0
"""How long the lock of another machine must show no sign of life before it counts as left behind."""

_HELD = (errno.EAGAIN, errno.EACCES)


@contextmanager
def folder_lock(path: str | Path, note: Callable[[str], None] = lambda message: None) -> Iterator[None]:
    """Keep a folder to this run; the lock ends with the process, however that ends.

    Locks of the operating system do not reach other machines on every file system. Therefore the file also names its
    owner, who keeps changing it; on the same machine the process number is looked up where locks do not work at all.

    Args:
        path: The lock file. Its folder must exist; the file goes when the block ends.
        note: Told if it is necessary to wait for signs of life.

    Raises:
        InputError: Another run holds the folder.
    """
    path = Path(path)
    with _opened(path) as (handle, is_locked):
        owner = _owner(handle)
        if owner and not (is_locked and owner.get("host") == socket.gethostname()):
            _require_gone(path, owner, note)
        _sign(handle)
        stop = threading.Event()
        alive = threading.Thread(target=_keep_alive, args=(handle, stop), name="lock", daemon=True)
        alive.start()
        try:
            yield
        finally:
            stop.set()
            alive.join()
            with suppress(OSError):
                path.unlink()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open the lock file and lock it; tell whether the file system can do that."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another output folder") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputError(f"{path}: is no regular file, so that it cannot be the lock of a run; remove it")
        with open(descriptor, "r+b", buffering=0) as handle:
            is_locked = True
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _HELD:
                    raise _refusal(path, _owner(handle), "it is still at work") from error
                is_locked = False
            if _is_at(handle, path):
                yield handle, is_locked
                return
        # an ending run removed the file between opening and locking


def _is_at(handle: BinaryIO, path: Path) -> bool:
    """Tell whether the open file is the one that has the name."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _owner(handle: BinaryIO) -> dict[str, str | int]:
    """Read who left the lock; nothing if the file is new or damaged."""
    handle.seek(0)
    try:
        owner = json.loads(handle.read() or b"{}")
    except (ValueError, RecursionError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _sign(handle: BinaryIO) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    handle.seek(0)
    handle.truncate()
    handle.write(json.dumps(owner).encode())
    os.fsync(handle.fileno())


def _keep_alive(handle: BinaryIO, stop: threading.Event) -> None:
    """Renew the file's time; a disk that is away is not the lock's to complain about."""
    while not stop.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):
            os.utime(handle.fileno())


def _require_gone(path: Path, owner: Mapping[str, str | int], note: Callable[[str], None]) -> None:
    """Make sure that whoever left the lock does not work any more.

    Raises:
        InputError: It does.
    """
    if owner.get("host") == socket.gethostname():
        if _works(owner.get("pid")):
            raise _refusal(path, owner, "it is still at work")
        return
    note(f"{_named(owner)} left {path} behind; watching for {WATCH_SECONDS:g} s whether it is still at work")
    before, end = _changed(path), time.monotonic() + WATCH_SECONDS
    while time.monotonic() < end:
        time.sleep(min(1.0, WATCH_SECONDS / 4))
        if _changed(path) != before:
            raise _refusal(path, owner, "it is still at work")


def _changed(path: Path) -> int:
    """Give the time of the last sign of life; opening makes network file systems look it up."""
    with open(path, "rb") as handle:
        return os.fstat(handle.fileno()).st_mtime_ns


def _works(pid: object) -> bool:
    """Tell whether another process of this machine has the number, and is a Python program where that can be seen."""
    if not isinstance(pid, int) or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return b"subtomo" in words or b"python" in words


def _named(owner: Mapping[str, str | int]) -> str:
    if not owner:
        return "another run"
    return f"the run with process number {owner.get('pid')} on {owner.get('host')}, started {owner.get('started')},"


def _refusal(path: Path, owner: Mapping[str, str | int], state: str) -> InputError:
    return InputError(
        f"{path.parent.parent}: {_named(owner)} writes to this folder and {state}; wait for its end, end it, or choose "
        f"another output folder (output_dir). If it is certain that no such run exists, remove {path}",
        field="output_dir",
    )
