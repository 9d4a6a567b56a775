"""What the system lets a run have: memory and open files, compared with what its plan says that it needs."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable, Iterable
from pathlib import Path

from subtomo.backends.cache import is_filled
from subtomo.errors import SettingsError
from subtomo.extraction.memory import Memory
from subtomo.io.mrc import TiltImages
from subtomo.model.plan import ExtractionPlan
from subtomo.words import in_bytes

_LATER = 150_000_000
"""Bytes of libraries and compiled loops that are loaded when the first particle is made."""
_LATER_RESIDENT = 80_000_000
_COMPILING = 250_000_000
"""Bytes that the compiler takes on top where loops are not compiled yet."""
_STACKS = 30_000_000
"""Address space of the threads that work for one particle at a time."""
_OPEN_SERIES = 3
"""Tilt series whose files are open at a time: in use, asked for ahead, and the next one."""
_OTHER_HANDLES, _HANDLES_PER_THREAD = 32, 4
_CGROUP = "/sys/fs/cgroup"


def fitting_threads(
    plan: ExtractionPlan | None, needed: Iterable[Memory], threads: int, note: Callable[[str], None]
) -> int:
    """Give the number of threads that memory allows, at most those that are wanted.

    Args:
        plan: Of the extraction; None if no tilt images are opened.
        needed: What making the particles takes, and what their way out takes.
        threads: Wanted.
        note: Hears if there are to be fewer.

    Raises:
        SettingsError: Not even one thread has what it needs, or too few files may be open.
    """
    _require_handles(plan, threads)
    memory = sum(needed, Memory()) + Memory(0 if is_filled() else _COMPILING)
    spaces = [
        (address_space_left(), Memory(_LATER + _OPEN_SERIES * _largest_series(plan), _STACKS), "ulimit -v"),
        (memory_allowed(), Memory(_LATER_RESIDENT), "the memory of this machine or job"),
    ]
    fitting = threads
    for left, besides, limit in spaces:
        if left is None:
            continue
        total = memory + besides
        if left < total.of(1):
            raise SettingsError(
                f"some {in_bytes(total.of(1))} of memory are needed for one thread, but {in_bytes(max(0, left))} are "
                f"left ({limit}); take a smaller crop (crop_size) or box (box_size), or raise that limit",
                field=("crop_size", "box_size"),
            )
        fitting = min(fitting, (left - total.shared) // max(1, total.per_thread))
    free = memory_free()
    if free is not None:
        # others may give some back, so that too little is no reason to refuse
        fitting = min(fitting, max(1, (free - memory.shared) // max(1, memory.per_thread)))
    if fitting < threads:
        note(
            f"memory suffices for {fitting} of {threads} threads (threads), as each takes some "
            f"{in_bytes(memory.per_thread)} besides {in_bytes(memory.shared)} for all; no more are used"
        )
    return fitting


def address_space_left() -> int | None:
    """Give the bytes of address space that this process may still take; None if there is no limit."""
    limits = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    finite = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    return min(finite) - _in_use(0) if finite else None


def memory_allowed() -> int | None:
    """Give the bytes of memory that this process could have beyond its own if it had the machine, or job, to itself."""
    sizes = [size for size in (_of_machine("MemTotal"), _of_group("memory.max")) if size is not None]
    return min(sizes) - _in_use(1) if sizes else None


def memory_free() -> int | None:
    """Give the bytes of memory that are free now, on the machine and in the group of processes."""
    free = _of_machine("MemAvailable")
    limit, used = _of_group("memory.max"), _of_group("memory.current")
    if limit is None or used is None:
        return free
    # files that the system keeps in memory count there, though they give way
    cached = _of_group_statistic("inactive_file")
    return min(limit - used + cached, limit if free is None else free)


def _in_use(which: int) -> int:
    """Give the bytes of address space (0) or memory (1) of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[which]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _of_machine(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else 1024 * int(found[1])


def _of_group(name: str) -> int | None:
    """Read a number of the control group of this process; None if there is none, or no limit."""
    try:
        text = Path(_CGROUP, name).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _of_group_statistic(name: str) -> int:
    try:
        found = re.search(rf"^{name} (\d+)", Path(_CGROUP, "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return 0 if found is None else int(found[1])


def _files(plan: ExtractionPlan | None) -> list[set[str]]:
    """List the image files of every tilt series."""
    images = [entry.series.images for entry in plan.series] if plan is not None else []
    return [{address.path for address in one.addresses} for one in images if isinstance(one, TiltImages)]


def _largest_series(plan: ExtractionPlan | None) -> int:
    """Give the bytes of the files of the largest tilt series: they are mapped, which takes address space."""
    sizes = (sum(os.stat(path).st_size for path in paths if os.path.exists(path)) for paths in _files(plan))
    return max(sizes, default=0)


def _require_handles(plan: ExtractionPlan | None, threads: int) -> None:
    """Raise the limit of open files if the plan needs more, as far as the system allows."""
    most = max(map(len, _files(plan)), default=0)
    needed = _OPEN_SERIES * most + _HANDLES_PER_THREAD * threads + _OTHER_HANDLES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise SettingsError(
            f"some {needed} files are open at a time, as a tilt series has {most} image files, but {hard} are allowed "
            "(ulimit -n); raise that limit, use fewer threads (threads), or stack the tilt images",
            field="threads",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
