"""Where the ranks of a job meet: a hidden folder of the output, in which each signs, so that others see it live."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from subtomo.errors import InputError
from subtomo.jobs.ranks import Ranks

HEARTBEAT_SECONDS = 5.0
"""Between two signs of life."""
SILENT_SECONDS = 60.0
"""A rank of another host that shows no sign of life for so long counts as dead: files take time to be seen there."""
ARRIVAL_SECONDS = 10.0
"""How long the first rank waits at the start for those of its host, whose processor cores it takes over."""
END_SECONDS = 60.0
"""How long the first rank waits at the end for ranks that have not appeared yet."""
PATIENCE_SECONDS = 600.0
"""How long the others wait for the first rank to appear."""
LOCK_SECONDS = 2.0
"""How long a rank tries to sign where the lock is held."""
POLL_SECONDS = 0.1


class Rendezvous:
    """The signs of all ranks of a job.

    Args:
        output_dir: The output folder that all ranks share.
        ranks: Who this process is.
    """

    def __init__(self, output_dir: str, ranks: Ranks) -> None:
        self.folder = Path(output_dir) / ".subtomo" / f"ranks-{ranks.job}"
        self.ranks = ranks
        self._seen: dict[int, tuple[Any, float]] = {}

    @contextmanager
    def signed(self) -> Iterator[None]:
        """Sign, and show signs of life as long as the block lasts; the sign is gone at its end.

        Raises:
            InputError: The same rank of such a job lives already, or nothing can be written there.
        """
        path = self._sign_of(self.ranks.rank)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another output folder") from error
        with open(descriptor, "r+b", buffering=0) as handle:
            # whoever looks whether a rank lives holds its lock for a moment
            if not self.wait_for(lambda: _is_taken(handle), LOCK_SECONDS):
                raise InputError(f"another run is at work in {self.folder.parent.parent}")
            os.ftruncate(descriptor, 0)
            stop = threading.Event()
            alive = threading.Thread(target=self._keep_alive, args=(handle, stop), name="rank", daemon=True)
            _write(handle, 0)
            alive.start()
            try:
                yield
            finally:
                stop.set()
                alive.join()
                with suppress(OSError):
                    path.unlink()

    def is_signed(self, rank: int) -> bool:
        """Tell whether the sign of a rank is there, alive or not."""
        return self._sign_of(rank).exists()

    def lives(self, rank: int) -> bool:
        """Tell whether a rank is there and shows signs of life."""
        try:
            with open(self._sign_of(rank), "rb", buffering=0) as handle:
                text = handle.read()
                sign = json.loads(text) if text else {}
                if sign.get("host") == socket.gethostname() and _is_free(handle):
                    return False
        except (FileNotFoundError, ValueError, OSError):
            return False
        now = time.monotonic()
        before, since = self._seen.get(rank, (None, now))
        if sign != before:
            self._seen[rank] = (sign, now)
            return True
        return now - since < SILENT_SECONDS

    def cores_of_host(self) -> set[int]:
        """Give the processor cores that the ranks of this host may use, so far as they have come."""
        cores = set[int]()
        for rank in range(self.ranks.size):
            with suppress(OSError, ValueError):
                sign = json.loads(self._sign_of(rank).read_text())
                cores |= set(sign["cores"]) if sign["host"] == socket.gethostname() else set()
        return cores

    def wait_for(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, and tell whether it is."""
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def clear(self) -> None:
        """Remove what is left; what cannot be removed is hidden and harms nobody."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.folder.parent, self.folder.parent.parent):
            # if the job came to nothing
            with suppress(OSError):
                folder.rmdir()

    def _sign_of(self, rank: int) -> Path:
        return self.folder / f"rank-{rank}.json"

    def _keep_alive(self, handle: Any, stop: threading.Event) -> None:
        beat = 0
        while not stop.wait(HEARTBEAT_SECONDS):
            beat += 1
            with suppress(OSError):
                _write(handle, beat)


def _write(handle: Any, beat: int) -> None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    sign = {"host": socket.gethostname(), "process": os.getpid(), "cores": cores, "beat": beat}
    os.pwrite(handle.fileno(), json.dumps(sign).encode(), 0)


def _is_taken(handle: Any) -> bool:
    """Lock a sign; also true where the file system has no locks, and signs of life are all there is."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_free(handle: Any) -> bool:
    """Tell whether nobody holds the lock of a sign, whose owner has died then."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False
