"""Which option sets which field: errors below the command line name fields, and its users know options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields
from types import MappingProxyType

from subtomo.cli.arguments import names_of
from subtomo.errors import SubtomoError

FieldNames = Mapping[str, str]
"""Field, or ``field=value``, to what a user types."""

option_names: ContextVar[FieldNames] = ContextVar("option_names", default=MappingProxyType({}))
"""Those of the command that is running."""

_SET_BY = {
    "angle_deg": ("cone_angle",),
    "apply_ctf": ("no_ctf",),
    "apply_offsets": ("keep_offsets",),
    "check_disk": ("no_disk_check",),
    "circle_crop": ("no_circle_crop", "circle_precrop"),
    "cone": ("cone_weight", "cone_angle", "cone_sigma"),
    "extra_files": ("ctf", "multi", "nrm", "div"),
    'extra_files="normalised"': ("nrm",),
    "invert_contrast": ("keep_contrast",),
    "output": ("stack2d", "real_subtomo"),
    'output="projections"': ("real_subtomo",),
    'output="stack_2d"': ("stack2d",),
    "sigma_px": ("cone_sigma",),
    "keep_coordinates": ("drop_coordinates",),
    "subtract_mean": ("no_center",),
    "write_particles": ("no_writing",),
    "write_weights": ("no_comb",),
}
"""Fields that no option is named after, because it says the opposite or only a part; all others follow from the
declarations."""


def options_by_field(*groups: type) -> FieldNames:
    """Map the settings of a command to its options.

    Args:
        groups: Dataclasses of options, whose fields are named after the settings that they set.
    """
    names = {field.name: names_of(group, field.name)[0] for group in groups for field in fields(group)}
    known = dict(names)
    for field, parts in _SET_BY.items():
        if all(part in names for part in parts):
            known[field] = ", ".join(names[part] for part in parts)
    if "store" in names:
        known["as_zarr"] = f"{names['store']} zarr"
    return known


def in_words_of_options(text: str, named: Sequence[str] | None = None) -> str:
    """Put options in the place of fields.

    Args:
        text: A message that names fields in parentheses, or with a value: ``(box_size)``, ``weighting="whitened"``.
        named: The fields to look for; None for whatever fields the text names.
    """
    for field in _fields_in(text) if named is None else named:
        option = _option_of(field)
        if option is not None:
            text = _replaced(text, field, option)
    return text


def explained(problem: SubtomoError) -> str:
    """Give the message of an error with options in the place of fields; those it does not name are added at its end."""
    message = str(problem)
    text = in_words_of_options(message, problem.fields)
    unnamed = [
        option
        for field in problem.fields
        if (option := _option_of(field)) is not None
        and _replaced(message, field, option) == message
        and not re.search(rf"{re.escape(option)}(?![\w-])", text)
    ]
    return f"{text} ({', '.join(unnamed)})" if unnamed else text


def _fields_in(text: str) -> list[str]:
    return [field for field in option_names.get() if "=" not in field and field in text]


def _option_of(field: str) -> str | None:
    known = option_names.get()
    return known.get(field) or known.get(field.removesuffix("_file"))


def _replaced(text: str, field: str, option: str) -> str:
    """Replace a field where it stands with a value, or in parentheses."""

    def with_value(match: re.Match[str]) -> str:
        value = match[1]
        exact = option_names.get().get(f"{field}={value}")
        if exact is not None or value in ("True", "False"):
            return exact or option
        return option + " " + value.strip('"')

    def alone(match: re.Match[str]) -> str:
        return re.sub(rf"(?<![\w-]){field}(?![\w=])", option, match[0])

    text = re.sub(rf'(?<![\w-]){field}=("[^"]*"|[\w.]+)', with_value, text)
    return re.sub(r"\([^()]*\)", alone, text)
