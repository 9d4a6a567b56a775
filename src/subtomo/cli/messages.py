"""What the command line says when something is not right; always on stderr."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence

from cyclopts import ArgumentCollection, CycloptsError, UnknownCommandError, UnknownOptionError


def note(message: str) -> None:
    """Say something worth knowing."""
    print(f"note: {message}", file=sys.stderr)


def warn(message: str) -> None:
    """Say something that is probably not what the user wanted."""
    print(f"warning: {message}", file=sys.stderr)


def error(message: str) -> None:
    """Say why the command failed, in one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)


def explain(problem: CycloptsError, words: Sequence[str]) -> str:
    """Put a complaint of the parser into one line, with the nearest name for an unknown one."""
    command = " ".join(["subtomo", *words[:1]]) if words and not words[0].startswith("-") else "subtomo"
    if isinstance(problem, UnknownOptionError):
        found = str(problem.token.keyword or problem.token.value)
        return f"unknown option {found}{_nearest(found, _names(problem.argument_collection))}; see {command} --help"
    if isinstance(problem, UnknownCommandError):
        return f"unknown command {words[0]!r}; see subtomo --help"
    return f"{' '.join(str(problem).split())} See {command} --help"


def _names(arguments: ArgumentCollection) -> list[str]:
    return [name for argument in arguments for name in argument.names]


def _nearest(found: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(found, known, n=1, cutoff=0.5)
    return f", did you mean {nearest[0]}?" if nearest else ""
