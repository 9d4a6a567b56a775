"""Helpers for options: how they are declared, and what happens if they are repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import MISSING, Field, fields
from functools import cache
from math import isfinite, nan
from typing import Any, get_type_hints

from cyclopts import Parameter, Token

Options = Mapping[str, tuple[str, bool]]
"""Every name of every option of a command, with the option's first name and whether it takes a value."""

command_line: ContextVar[tuple[str, ...]] = ContextVar("command_line", default=())
"""Program and words of the command that is running, for the note it leaves behind."""

control_prefix: ContextVar[str | None] = ContextVar("control_prefix", default=None)
"""Where RELION's pipeline follows the command that is running; None if no pipeline is there."""

EXTERNAL = "--in_parts"
"""The option by which RELION's External jobs name particles; whoever gives it expects files that tell the end."""


_UNSET = {
    "DoctorSizeOptions.box_size": "not examined",
    "TiltOptions.box_size": "needed with --from-tilts",
    "TiltOptions.data_term": "as the extraction's account says, or exact with --from-tilts",
    "complete_noise": "on with --for-refine3d",
    "crop_size": "the box size",
    "data_term": "relion, or exact with --for-refine3d",
    "image_size": "read from the images",
    "mask_diameter_angstrom": "estimated",
    "max_dose_e_per_a2": "all tilts",
    "model_file": "random particles",
    "project": "found out",
    "snr": "weights are clamped",
    "weighting": "relion, or whitened with --for-refine3d",
}
"""What happens where an option is not given and has no value by default."""


def option(names: str, help: str) -> Parameter:
    """Declare an option by its names, RELION's first, and what it does; numbers may be negative, but must be finite.

    The help stands here and not in docstrings, which would have to be read from the source at every start.
    """
    return Parameter(name=tuple(names.split()), help=help, show_default=False, negative="", validator=_check_finite)


def switch(name: str, help: str) -> Parameter:
    """Declare an option that is on, off (``--no-…``), or decided by others if it is not given."""
    return Parameter(name=(f"--{name}",), help=help, show_default=False, negative=f"--no-{name}")


def several(names: str, help: str) -> Parameter:
    """Declare an option as `option` does that takes all values up to the next option."""
    return Parameter(name=tuple(names.split()), help=help, show_default=False, negative="", consume_multiple=True)


def whole_number(names: str, help: str) -> Parameter:
    """Declare an option as `option` does, whose value must be a whole number."""
    return Parameter(name=tuple(names.split()), help=help, show_default=False, converter=_to_whole_number)


def _check_finite(kind: Any, value: Any) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("Numbers must be finite.")


def _to_whole_number(kind: Any, tokens: Sequence[Token]) -> int:
    # by itself the parser would round 32.5 without a word
    word = tokens[0].value
    try:
        number = float(word)
    except ValueError:
        number = nan
    if not number.is_integer():
        raise ValueError(f'"{word}" is not a whole number.')
    return int(number)


def given_or_none(value: int | None, unset: int) -> int | None:
    """Take what RELION's programs take for "not given", such as -1, as just that."""
    return None if value == unset else value


def default_of(group: type, field: Field[Any]) -> str:
    """Put the default of an option, which a field of a dataclass declares, into words; empty if it is required."""
    if field.default_factory is not MISSING:
        return "one per available core"
    if field.default is MISSING:
        return ""
    if field.default is None or field.default == "":
        return _UNSET.get(f"{group.__name__}.{field.name}") or _UNSET.get(field.name, "none")
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    return field.default if isinstance(field.default, str) else f"{field.default:.12g}"


def known_options(*groups: type) -> Options:
    """Map every option name of dataclasses to its first name and whether it takes a value."""
    known: dict[str, tuple[str, bool]] = {}
    for group in groups:
        hints = _hints(group)
        for field in fields(group):
            names = names_of(group, field.name)
            for name in names:
                known[name] = names[0], hints[field.name].__origin__ is not bool
    return known


def names_of(group: type, field: str) -> tuple[str, ...]:
    """List the names of the option that a field of a dataclass declares."""
    parameter = next(extra for extra in _hints(group)[field].__metadata__ if isinstance(extra, Parameter))
    return tuple(parameter.name or ())


@cache
def _hints(group: type) -> dict[str, Any]:
    return get_type_hints(group, include_extras=True)


def find_option(word: str, options: Options) -> tuple[str | None, bool]:
    """Give the first name of an option and whether it takes a value; hyphens and underscores mean the same."""
    plain = {name.replace("_", "-"): entry for name, entry in options.items()}
    return plain.get(word.partition("=")[0].replace("_", "-"), (None, False))


def value_of(name: str, words: Sequence[str], options: Options) -> str | None:
    """Find the value of an option that takes one, under any of its names; None if it is not given or empty."""
    for found, piece in pieces(words, options):
        if found is not None and found == find_option(name, options)[0]:
            return (piece[1] if len(piece) == 2 else piece[0].partition("=")[2]) or None
    return None


def find_control_prefix(words: Sequence[str], options: Options) -> str | None:
    """Find where RELION's pipeline follows a command: where it says, or the output folder of an External job."""
    prefix = value_of("--pipeline_control", words, options)
    if prefix is None and EXTERNAL in words:
        folder = value_of("--output", words, options)
        return folder and folder.rstrip("/") + "/"
    return prefix


def last_of_each(words: Sequence[str], options: Options) -> tuple[list[str], list[str]]:
    """Drop all but the last occurrence of every option.

    Args:
        words: Of the command line.
        options: As `known_options` gives them.

    Returns:
        The remaining words, and the options that were repeated.
    """
    found = list(pieces(words, options))
    last = {name: index for index, (name, _) in enumerate(found) if name is not None}
    kept = [piece for index, (name, piece) in enumerate(found) if name is None or last[name] == index]
    repeated = [name for name in last if sum(other == name for other, _ in found) > 1]
    return [word for piece in kept for word in piece], repeated


def unknown_options(words: Sequence[str], options: Options) -> list[str]:
    """List what looks like an option, but is none; RELION only warns of these (quirk 17)."""
    unknown = [piece[0] for name, piece in pieces(words, options) if name is None and piece[0].startswith("--")]
    return [word.partition("=")[0] for word in unknown if word not in ("--", "--help", "--help-all", "--version")]


def pieces(words: Sequence[str], options: Options) -> Iterator[tuple[str | None, list[str]]]:
    """Split a command line into options with their values, and single words that belong to none."""
    position = 0
    while position < len(words):
        word = words[position]
        name, takes_value = find_option(word, options)
        length = 2 if takes_value and "=" not in word else 1
        yield name, list(words[position : position + length])
        position += length
