"""The command line: flags to settings to run, nothing else."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code: 0 done, 1 refused or failed, 2 aborted from outside, 130 interrupted."""
    # what is imported lives as long as the process; looking for garbage in it would take a tenth of a small job's time
    atexit.register(gc.freeze)
    gc.disable()
    try:
        from subtomo.cli.app import run
    finally:
        gc.enable()
    return run(argv)
