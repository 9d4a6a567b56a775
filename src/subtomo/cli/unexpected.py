"""The last resort: whatever else goes wrong in any command is one line, with what was being done to which file."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator

from subtomo.doing import what_was_done
from subtomo.errors import SubtomoError
from subtomo.words import printable

TRACEBACK = "--traceback"
TRACEBACK_FILE = ".subtomo/traceback.txt"
"""In an output folder, if a run has made it."""
_MEMORY = re.compile(
    r"(?i)alloc|out of memory|not enough memory|temporarily unavailable|can't start new thread|failed to map segment"
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HANDLES = (errno.EMFILE, errno.ENFILE)
_LONGEST = 300


def told(problem: Exception, running: str, folder: str | None = None) -> str:
    """Put any exception into one line, and keep its traceback in the output folder.

    Args:
        problem: What was raised.
        running: The command, with its main file, for errors that do not know what was being done.
        folder: The output folder of the command, if it has one.
    """
    done = what_was_done(problem) or f"running subtomo {running}".rstrip()
    out_of = _shortage(problem)
    if out_of is not None:
        return out_of if done.rpartition(" ")[2] in out_of else f"{out_of} (while {done})"
    if isinstance(problem, OSError) and problem.strerror:
        name = "" if problem.filename is None else f"{problem.filename}: "
        return f"{name}{problem.strerror}{'' if name else f', while {done}'}"
    kept = None if folder is None else _keep(problem, folder)
    where = f"{TRACEBACK} shows where" if kept is None else f"{kept} says where"
    return f"unexpected {type(problem).__name__}{_place(problem)} while {done}: {_shown(problem)}; {where}"


def traceback_of(problem: BaseException) -> str:
    """Give the whole traceback, which may be printed as it is."""
    return printable("".join(traceback.format_exception(problem)).rstrip("\n"))


def _shortage(problem: Exception) -> str | None:
    """Say what there was not enough of, and the way out; None if the error is of another kind."""
    for error in _chain(problem):
        number = error.errno if isinstance(error, OSError) else None
        name = f"{error.filename}: " if isinstance(error, OSError) and error.filename is not None else ""
        if number in _FULL:
            return f"{name}{os.strerror(number or 0)}: free some room, or write elsewhere, and run again"
        if number in _HANDLES or "too many open files" in str(error).lower():
            return f"{name}too many files are open at a time: raise the limit (ulimit -n), or use fewer threads"
        if isinstance(error, MemoryError) or number == errno.ENOMEM or _is_of_memory(error):
            return "not enough memory: use fewer threads, smaller boxes, or raise the limit (ulimit -v, or the job's)"
    return None


def _is_of_memory(error: BaseException) -> bool:
    """Tell from the words of libraries whether memory ran out."""
    return isinstance(error, RuntimeError | ImportError | OSError | SystemError) and bool(_MEMORY.search(str(error)))


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """List an error and what it was raised from or while."""
    seen = list[BaseException]()
    current: BaseException | None = problem
    while current is not None and current not in seen and not isinstance(current, SubtomoError):
        yield current
        seen.append(current)
        current = current.__cause__ or current.__context__


def _place(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    return f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""


def _shown(problem: BaseException) -> str:
    text = " ".join(str(problem).split()) or "it says no more"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _keep(problem: BaseException, folder: str) -> str | None:
    """Write the traceback into the folder of a run; None if there is none, or it cannot be written."""
    from subtomo.io.atomic import atomic_write

    path = os.path.join(folder, TRACEBACK_FILE)
    try:
        if not os.path.isdir(os.path.dirname(path)):
            return None
        text = f"{printable(' '.join(sys.argv))}\n\n{traceback_of(problem)}\n"
        with atomic_write(path) as stream:
            stream.write(text.encode("utf-8", "backslashreplace"))
    except (OSError, SubtomoError):
        return None
    return path
