"""The help of a command: short by default, with every default; in full with ``--help-all``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import Field, fields
from inspect import cleandoc
from textwrap import fill, wrap
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cyclopts import Parameter

from subtomo.cli.arguments import default_of
from subtomo.cli.pages import Page

SHORT = ("--help", "-h")
FULL = "--help-all"
_NARROWEST, _WIDEST = 60, 100
_INDENT = " " * 4


def help_text(command: str, page: Page, *, full: bool) -> str:
    """Write the help of a command, as wide as the terminal."""
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    summary, _, rest = cleandoc(page.function.__doc__ or "").partition("\n\n")
    lines = [f"Usage: subtomo {command} {_needed(page)}[options]", "", fill(" ".join(summary.split()), width), ""]
    if full and rest:
        lines += [line for part in rest.split("\n\n") for line in (fill(" ".join(part.split()), width), "")]
    lines += ["Example:", f"  {page.example}", ""]
    lines += _in_full(page, width) if full else _in_short(command, page, width)
    lines += ["-q, --quiet: warnings and errors only; -v, --verbose: every particle by its name; --traceback"]
    return "\n".join(lines)


def _in_full(page: Page, width: int) -> Iterator[str]:
    for group in page.groups:
        yield f"{(group.__doc__ or '').strip().rstrip('.')}:"
        for field, hint, parameter in _options(group):
            yield from _entry(default_of(group, field), hint, parameter, width)
        yield ""


def _in_short(command: str, page: Page, width: int) -> Iterator[str]:
    usual, others = list[tuple[int, list[str]]](), list[str]()
    for group in page.groups:
        for field, hint, parameter in _options(group):
            default = default_of(group, field)
            if not default or field.name in page.usual:
                place = page.usual.index(field.name) if default else -1
                usual.append((place, list(_entry(default, hint, parameter, width, is_short=True))))
            else:
                others.append(f"{_names(parameter)[0]} ({default})".replace(" ", "\0"))
    if usual:
        yield "Options:"
        yield from (line for _, entry in sorted(usual, key=lambda one: one[0]) for line in entry)
        yield ""
    if others:
        yield f"More options, with their defaults; subtomo {command} {FULL} explains them:"
        # an option and its default stay on one line
        yield from (
            f"  {line}".replace("\0", " ") for line in wrap(", ".join(others), width - 2, break_on_hyphens=False)
        )
        yield ""


def _entry(default: str, hint: Any, parameter: Parameter, width: int, *, is_short: bool = False) -> Iterator[str]:
    """Explain an option: names, kind of value and default on one line, what it does below."""
    state = f"default: {default}" if default else "required"
    yield f"  {' '.join((', '.join(_names(parameter)), _kind(hint))).rstrip()}  [{state}]"
    text = parameter.help or ""
    text = _first_sentence(text) if is_short else text
    yield from wrap(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _first_sentence(text: str) -> str:
    head, stop, _ = text.partition(". ")
    return head + stop.strip()


def _needed(page: Page) -> str:
    """Name the words and options that a command cannot do without."""
    given = [f"{page.words} "] if page.words else []
    for group in page.groups:
        given += [
            f"{_names(parameter)[0]} {_kind(hint)} "
            for field, hint, parameter in _options(group)
            if not default_of(group, field)
        ]
    return "".join(given)


def _options(group: type) -> Iterator[tuple[Field[Any], Any, Parameter]]:
    hints: dict[str, Any] = get_type_hints(group, include_extras=True)
    for field in fields(group):
        hint = hints[field.name]
        yield field, hint.__origin__, next(extra for extra in hint.__metadata__ if isinstance(extra, Parameter))


def _names(parameter: Parameter) -> tuple[str, ...]:
    return tuple(parameter.name or ())


def _kind(hint: Any) -> str:
    """Name the kind of value; nothing for a switch."""
    parts = (hint, *get_args(hint))
    choices = [part for part in parts if get_origin(part) is Literal]
    if choices:
        return "|".join(get_args(choices[0]))
    if any(get_origin(part) is tuple for part in parts):
        return "NAME …"
    kinds = {bool: "", int: "N", float: "NUMBER", str: "NAME"}
    return next(name for kind, name in kinds.items() if kind in parts)
