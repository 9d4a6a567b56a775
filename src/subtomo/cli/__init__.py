"""The command line: flags to settings to run, nothing else."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code: 0 done, 1 refused or failed, 2 aborted from outside, 130 interrupted."""
    from subtomo.cli.app import run

    return run(argv)
