"""How many threads a run may use. On its own, because the command line asks it at every start."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
