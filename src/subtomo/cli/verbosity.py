"""How much a command says: ``-q`` warnings and errors only, ``-v`` every particle by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from enum import Enum
from os import devnull

from subtomo.cli.arguments import Options, pieces


class Verbosity(Enum):
    """How much is said."""

    QUIET = ("-q", "--quiet")
    USUAL = ()
    VERBOSE = ("-v", "--verbose")


verbosity: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity.USUAL)
"""Of the command that is running."""


def without_verbosity(words: Sequence[str], options: Options) -> tuple[list[str], Verbosity]:
    """Take the words that say how much is said out of a command line; values of options stay."""
    kept, found = list[str](), Verbosity.USUAL
    for name, piece in pieces(words, options):
        meant = [one for one in Verbosity if name is None and piece[0] in one.value]
        found = meant[0] if meant else found
        kept += [] if meant else piece
    return kept, found


@contextmanager
def as_quiet_as_wanted(chosen: Verbosity, *, tells_results: bool) -> Iterator[None]:
    """Set how much is said as long as the block lasts.

    Args:
        chosen: How much.
        tells_results: Whether what the command prints is its result, which is never kept silent about.
    """
    token = verbosity.set(chosen)
    try:
        if chosen is Verbosity.QUIET and not tells_results:
            with open(devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
                yield
        else:
            yield
    finally:
        verbosity.reset(token)
