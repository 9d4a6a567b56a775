"""The option reference as Markdown, made from the options themselves: ``python -m subtomo.cli.reference``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from cyclopts import Parameter

from subtomo.cli import (
    average,
    classify,
    compare,
    doctor,
    export,
    export_stacks,
    extract,
    fidelity,
    import_picks,
    import_series,
    optimisation_set,
    refine,
    report,
    sample_manifold,
    select,
)
from subtomo.cli.arguments import default_of
from subtomo.foreign.formats import TILT_SERIES

_COMMANDS = {
    "extract": ("relion_tomo_subtomo", extract.GROUPS),
    "average": ("", average.GROUPS),
    "refine": ("", refine.GROUPS),
    "classify": ("", classify.GROUPS),
    "select": ("", select.GROUPS),
    "fidelity": ("", fidelity.GROUPS),
    "doctor": ("", doctor.GROUPS[:1]),
    "report": ("", report.GROUPS),
    "compare": ("", compare.GROUPS),
    "export": ("", export.GROUPS),
    "export-stacks (or export stacks)": ("", export_stacks.GROUPS[2:]),
    f"import {', '.join(TILT_SERIES)}": ("", import_series.GROUPS),
    "import picks": ("", import_picks.GROUPS),
    "sample-manifold": ("relion_tomo_sample_manifold", sample_manifold.GROUPS),
    "optimisation-set": ("relion_tomo_make_optimisation_set", optimisation_set.GROUPS),
}
"""Command to RELION's program and the groups of options; those that doctor shares with extract are not repeated."""


def reference() -> str:
    """Give the whole page."""
    lines = [
        "# Options",
        "",
        "Made from the code by `make docs-options`. The first name of each option is RELION's, the second a readable",
        "one; both mean the same. An unknown option is an error here, where RELION only warns. Every command takes",
        "`--help` (its usual options), `--help-all` (all of them), `-q` (warnings and errors only) and `-v` (every",
        "particle by its name), and `--traceback`, which shows where in the program it failed.",
    ]
    for command, (program, groups) in _COMMANDS.items():
        lines += ["", f"## subtomo {command}"]
        if program:
            lines += ["", f"Takes the options of `{program}`."]
        for group in groups:
            lines += ["", *_table(group)]
    return "\n".join(lines) + "\n"


def _table(group: type) -> Iterator[str]:
    yield f"**{(group.__doc__ or '').strip()}**"
    yield ""
    yield "| option | value | default | what it does |"
    yield "|---|---|---|---|"
    hints: dict[str, Any] = get_type_hints(group, include_extras=True)
    for field in fields(group):
        hint = hints[field.name]
        parameter = next(extra for extra in hint.__metadata__ if isinstance(extra, Parameter))
        names = " ".join(f"`{name}`" for name in parameter.name or ())
        default = default_of(group, field) or "required"
        yield f"| {names} | {_kind(hint.__origin__)} | {default} | {_escaped(parameter.help)} |"


def _escaped(text: str | None) -> str:
    """Keep bars, which would end a cell."""
    return (text or "").replace("|", "\\|")


def _kind(hint: Any) -> str:
    kinds = {bool: "flag", int: "whole number", float: "number", str: "name"}
    if any(get_origin(part) is tuple for part in (hint, *get_args(hint))):
        return "names"
    choices = [part for part in (hint, *get_args(hint)) if get_origin(part) is Literal]
    if choices:
        return " or ".join(f"`{choice}`" for choice in get_args(choices[0]))
    return next(name for kind, name in kinds.items() if kind is hint or kind in get_args(hint))


if __name__ == "__main__":
    print(reference(), end="")
