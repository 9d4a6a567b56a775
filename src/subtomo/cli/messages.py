"""What the command line says: accounts on stdout, and what is not right on stderr."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import TextIO

from cyclopts import CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from subtomo.cli.arguments import Options, find_option, unknown_options
from subtomo.cli.unexpected import traceback_of
from subtomo.cli.verbosity import Verbosity, verbosity
from subtomo.words import printable

within_relion: ContextVar[bool] = ContextVar("within_relion", default=False)
"""Whether RELION's job system reads along: what goes well belongs on stdout then, for stderr is shown as trouble."""


def progress_stream() -> TextIO:
    """Give the stream on which a run tells how far it is."""
    return sys.stdout if within_relion.get() else sys.stderr


def note(message: str) -> None:
    """Say something worth knowing, unless only what is wrong is wanted."""
    if verbosity.get() is not Verbosity.QUIET:
        print(printable(f"note: {message}"), file=progress_stream(), flush=True)


def warn(message: str) -> None:
    """Say something that is probably not what the user wanted."""
    _say(f"warning: {message}")


def error(message: str) -> None:
    """Say why the command failed, in one line."""
    _say(f"error: {' '.join(message.split())}")


def trace(problem: BaseException) -> None:
    """Show where in the program a command failed."""
    print(traceback_of(problem), file=sys.stderr)


def tell(text: str = "") -> None:
    """Give a line of the command's account, on stdout."""
    print(printable(text))


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)


def explain(problem: CycloptsError, words: Sequence[str], commands: Mapping[str, Options]) -> str:
    """Put a complaint of the parser into one line, with the nearest name for an unknown one."""
    command, given = words[0], words[1:]
    if isinstance(problem, UnknownCommandError) and command in commands:
        return f"unknown command {f'{command} {words[1]}'!r}; see subtomo {command} --help"
    if isinstance(problem, UnknownCommandError) or command not in commands:
        return f"unknown command {command!r}{_nearest(command, commands)}; commands are {', '.join(commands)}"
    return f"{_complaint(problem, given, commands[command])}; see subtomo {command} --help"


def _complaint(problem: CycloptsError, given: Sequence[str], options: Options) -> str:
    unknown = unknown_options(given, options)
    if unknown:  # the likely cause of whatever else is wrong
        return f"unknown option {unknown[0]}{_nearest(unknown[0], options)}"
    if isinstance(problem, MissingArgumentError) and problem.argument is not None:
        names = problem.argument.names
        used = [word for word in given if find_option(word, options)[0] == names[0]]
        return f"{used[0]} needs a value" if used else f"{' or '.join(names)} is missing, but required"
    if isinstance(problem, UnusedCliTokensError):
        return f"unexpected {' '.join(problem.unused_tokens or ())!r}: every value follows an option"
    return " ".join(str(problem).split()).rstrip(".")


def _nearest(found: str, known: Iterable[str]) -> str:
    bare = {name.lstrip("-"): name for name in known}
    word = found.lstrip("-")
    longer = [name for name in bare if word and name.startswith(word)]
    nearest = longer[:1] or difflib.get_close_matches(word, bare, n=1, cutoff=0.5)
    return f", did you mean {bare[nearest[0]]}?" if nearest else ""
