"""Values of settings as people write them: words for choices, numbers of any library, and no guesses."""

from __future__ import annotations

import os
import types
from collections.abc import Collection
from dataclasses import MISSING, fields
from enum import Enum, Flag
from functools import cache
from numbers import Real
from typing import Any, get_args, get_origin, get_type_hints

from subtomo.errors import SettingsError

_KINDS: dict[type, str] = {
    str: "the name of a file",
    os.PathLike: "the name of a file",
    bool: "True or False",
    float: "a number",
    int: "a number",
}
_LONGEST = 80
_UNITS = ("_e_per_a2", "_angstrom", "_px", "_deg")


def settle(settings: Any) -> None:
    """Turn the values of a frozen dataclass into the types that its fields declare.

    Words choose among the members of an enumeration, in capital or small letters, with hyphens or underscores;
    several of them, in a list, choose among flags. Numbers of NumPy become Python's, and whole numbers stay whole.

    Args:
        settings: To be called at the beginning of its ``__post_init__``.

    Raises:
        SettingsError: A value has the wrong type, or a word is no choice.
    """
    for field, kind in _kinds(settings.__class__).items():
        value = getattr(settings, field)
        settled = _settled(field, kind, value)
        if settled is not value:
            object.__setattr__(settings, field, settled)


class Settings:
    """Settings that show themselves as the call that makes them, without what is as by default."""

    def __repr__(self) -> str:
        """Give the call in Python."""
        given = [
            f"{field.name}={_word(value)}"
            for field in fields(self)  # type: ignore[arg-type]
            if (value := getattr(self, field.name)) != field.default or field.default is MISSING
        ]
        return f"{type(self).__name__}({', '.join(given)})"


def _word(value: Any) -> str:
    """Write a value as Python takes it; members of an enumeration by their words."""
    if isinstance(value, Flag):
        words = tuple(str(flag.name).lower() for flag in value)
        return repr(words[0] if len(words) == 1 else words)
    return repr(str(value.name).lower() if isinstance(value, Enum) else value)


@cache
def _kinds(settings: Any) -> dict[str, Any]:
    return get_type_hints(settings)


def _settled(field: str, kind: Any, value: Any) -> Any:
    optional = get_origin(kind) is types.UnionType
    if optional:
        if value is None:
            return None
        kind = next(part for part in get_args(kind) if part is not type(None))
    if getattr(value, "ndim", None) == 0:
        value = value.item()  # a number of NumPy
    expected = ""
    if issubclass(kind, Enum):
        return value if isinstance(value, kind) else _chosen(field, kind, value)
    if kind is bool:
        expected = "" if isinstance(value, bool) else "True or False"
    elif kind is int:
        expected = "" if _is_number(value) and float(value).is_integer() else "a whole number"
    elif kind is float:
        expected = "" if _is_number(value) else "a number"
    elif not isinstance(value, kind):
        expected = "text" if kind is str else f"a {kind.__name__}"
    if expected:
        none = " or None" if optional else ""
        raise SettingsError(f"{_title(field)} is {value!r}, but must be {expected}{none}", field=field)
    return kind(value) if kind in (int, float) else value


def word_of(field: str, kind: Any, value: Any) -> Any:
    """Give the member of an enumeration that a word means, or the member itself; SettingsError names the others."""
    return value if isinstance(value, kind) else _chosen(field, kind, value)


def check_kind(field: str, value: Any, *kinds: type) -> None:
    """Refuse an argument that is none of some kinds; strings and paths count as one kind, the name of a file.

    Raises:
        SettingsError: With the argument, what it is, and what it must be.
    """
    if isinstance(value, kinds):
        return
    names = ["None" if kind is type(None) else _KINDS.get(kind) or f"{kind.__name__}(…)" for kind in kinds]
    *others, last = dict.fromkeys(names)
    shown = repr(value)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    expected = f"{', '.join(others)} or {last}" if others else last
    raise SettingsError(f"{_title(field)} is {shown}, but must be {expected}", field=field)


def whole_number_of(field: str, value: Any, *, least: int = 1) -> int:
    """Take a whole number of any library.

    Raises:
        SettingsError: It is none, or below the least.
    """
    number: int = _settled(field, int, value)
    if number < least:
        raise SettingsError(f"{_title(field)} is {number}, but must be at least {least}", field=field)
    return number


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real)


def _title(field: str) -> str:
    """Name a field in words, with its own name in parentheses."""
    plain = field
    for unit in _UNITS:
        plain = plain.removesuffix(unit)
    return f"{plain.replace('_', ' ')} ({field})"


def _chosen(field: str, kind: Any, value: Any) -> Any:
    """Find the member that a word means, or the union of the flags that several words mean."""
    members = {name.lower(): member for name, member in kind.__members__.items()}
    if issubclass(kind, Flag) and isinstance(value, Collection) and not isinstance(value, str):
        union = kind(0)
        for one in value:
            union |= one if isinstance(one, kind) else _chosen(field, kind, one)
        return union
    word = value.strip().lower().replace("-", "_") if isinstance(value, str) else None
    if word not in members:
        *others, last = (f'"{name}"' for name in members)
        several = ", or several of them in a list" if issubclass(kind, Flag) else ""
        raise SettingsError(
            f"{_title(field)} is {value!r}, but must be {', '.join(others)} or {last}{several}", field=field
        )
    return members[word]
