"""What the program takes before it does anything: where there is less, libraries abort, or wait for ever."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

NEEDED_BYTES = 750_000_000
"""Of address space, with its libraries and compiled loops, for the smallest of runs."""
NEEDED_HANDLES = 64
_COMFORTABLE_HANDLES = 1024
_ARENAS = -8
"""Number of the option of malloc for the most arenas; each reserves 64 MB of address space."""


def shortage() -> str | None:
    """Say what there is too little of to begin with, and make the best of what there is; None if there is enough."""
    return _of_handles() or _of_memory()


def _of_memory() -> str | None:
    limits = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    finite = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    if not finite:
        return None
    # its threads reserve address space that nothing here makes use of
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENAS, 1)
    if min(finite) >= NEEDED_BYTES:
        return None
    return (
        f"memory is limited to {min(finite) // 1_000_000} MB (ulimit -v), but the program with its libraries takes "
        f"{NEEDED_BYTES // 1_000_000} MB, and more for large boxes; raise that limit"
    )


def _of_handles() -> str | None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= NEEDED_HANDLES:
        return None
    if hard == resource.RLIM_INFINITY or hard >= NEEDED_HANDLES:
        most = _COMFORTABLE_HANDLES if hard == resource.RLIM_INFINITY else min(hard, _COMFORTABLE_HANDLES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return None
    return f"only {hard} files may be open at a time (ulimit -n), but {NEEDED_HANDLES} are needed; raise that limit"
