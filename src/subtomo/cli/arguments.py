"""Helpers for options: how they are declared, and what happens if they are repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields
from typing import Any, get_type_hints

from cyclopts import Parameter

command_line: ContextVar[tuple[str, ...]] = ContextVar("command_line", default=())
"""The words of the command that is running, for the note it leaves behind."""


def option(names: str, help: str) -> Parameter:
    """Declare an option by its names, RELION's first, and what it does; values may be negative.

    The help stands here and not in docstrings, which would have to be read from the source at every start.
    """
    return Parameter(name=tuple(names.split()), help=help, show_default=False, negative="", allow_leading_hyphen=True)


def known_options(*groups: type) -> dict[str, tuple[str, bool]]:
    """Map every option name of dataclasses to its first name and whether it takes a value."""
    known: dict[str, tuple[str, bool]] = {}
    for group in groups:
        hints: dict[str, Any] = get_type_hints(group, include_extras=True)
        for field in fields(group):
            hint = hints[field.name]
            parameter = next(extra for extra in hint.__metadata__ if isinstance(extra, Parameter))
            names = tuple(parameter.name or ())
            for name in names:
                known[name] = names[0], hint.__origin__ is not bool
    return known


def value_of(name: str, words: Sequence[str], options: Mapping[str, tuple[str, bool]]) -> str | None:
    """Find the value of an option that takes one, under any of its names; None if it is not given."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        given, _, value = word.partition("=")
        if name in options and options.get(given, ("", True))[0] == options[name][0]:
            return value or following
    return None


def last_of_each(words: Sequence[str], options: Mapping[str, tuple[str, bool]]) -> tuple[list[str], list[str]]:
    """Drop all but the last occurrence of every option.

    Args:
        words: Of the command line.
        options: As `known_options` gives them.

    Returns:
        The remaining words, and the options that were repeated.
    """
    pieces: list[tuple[str | None, list[str]]] = []
    position = 0
    while position < len(words):
        word = words[position]
        name, takes_value = options.get(word.partition("=")[0], (None, False))
        length = 2 if takes_value and "=" not in word else 1
        pieces.append((name, list(words[position : position + length])))
        position += length
    last = {name: index for index, (name, _) in enumerate(pieces) if name is not None}
    kept = [piece for index, (name, piece) in enumerate(pieces) if name is None or last[name] == index]
    repeated = [name for name in last if sum(other == name for other, _ in pieces) > 1]
    return [word for piece in kept for word in piece], repeated
