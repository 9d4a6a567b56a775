"""What stands around every command: streams that fail nobody, interrupts, and the last resort."""

from __future__ import annotations

import sys
from collections.abc import Callable

from subtomo.cli.interrupts import EXIT_CODE, MESSAGE, interrupts
from subtomo.cli.streams import forgiving_streams


def guarded(run: Callable[[list[str]], int], words: list[str], *, is_process: bool) -> int:
    """Run a command line and give its exit code, whatever happens.

    Args:
        run: Imports the command and runs it.
        words: Of the command line.
        is_process: Whether the process is the command's own.
    """
    with interrupts(run.__code__, is_process=is_process), forgiving_streams(for_good=is_process):
        try:
            return run(words)
        except KeyboardInterrupt:
            print(MESSAGE, file=sys.stderr)
            return EXIT_CODE
        except Exception as problem:  # not even the command can be imported
            from subtomo.cli.unexpected import TRACEBACK, told, traceback_of

            print(f"error: {told(problem, ' '.join(words[:1]))}", file=sys.stderr)
            if TRACEBACK in words:
                print(traceback_of(problem), file=sys.stderr)
            return 1
