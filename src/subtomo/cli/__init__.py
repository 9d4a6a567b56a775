"""The command line: flags to settings to run, nothing else."""

from __future__ import annotations

import os
import sys

_EXTERNAL = {"subtomo_refine": "refine"}
"""Links to the command for RELION's External jobs, and what they mean."""
STANDS_IN_FOR = "relion_tomo_"
"""Beginning of the names of links to the command that mean a program of RELION."""
_NEW_OBJECTS = 200_000
"""After so many the process looks for garbage among them; as many as imports leave behind."""

TYPE_CHECKING = False  # the module typing takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code: 0 done, 1 refused or failed, 2 aborted from outside, 130 interrupted.

    Args:
        argv: Words of the command line; None for those of the process, which then is the command's own.
    """
    try:
        from subtomo.cli.guard import guarded

        return guarded(_run, _own_words() if argv is None else list(argv), is_process=argv is None)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


def _own_words() -> list[str]:
    """Give the words of the process's command line, and before them what the name of the link means, if it is one."""
    name = os.path.basename(sys.argv[0])
    name = _EXTERNAL.get(name, name)
    return [name, *sys.argv[1:]] if name.startswith(STANDS_IN_FOR) or name in _EXTERNAL.values() else sys.argv[1:]


def _run(words: list[str]) -> int:
    import atexit
    import gc

    # what is imported lives as long as the process; looking for garbage in it would take a tenth of a small job's time
    atexit.register(gc.freeze)
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    from subtomo.cli.app import run

    return run(words)
