"""``subtomo compare``: how far one output folder is from another."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, whole_number
from subtomo.cli.messages import tell
from subtomo.errors import SettingsError
from subtomo.jobs.cores import available_cores
from subtomo.words import as_json

if TYPE_CHECKING:
    from subtomo.jobs.compare import TreeComparison
    from subtomo.jobs.compare_files import FileComparison


@Parameter(name="*", group=Group("Comparison", sort_key=1))
@dataclass(frozen=True)
class CompareOptions:
    """What counts as equal, and how it is told."""

    tolerance: Annotated[
        float,
        option(
            "--tolerance",
            "Largest relative error that passes: of images max |a - b| / max |b| per file, of numbers in STAR files "
            "|a - b| / max(1, |b|).",
        ),
    ] = 1e-5
    json: Annotated[bool, option("--json", "Print everything as JSON instead of a table.")] = False
    rows: Annotated[int, whole_number("--rows", "Most rows of the table, and most missing or extra files named.")] = 20
    threads: Annotated[int, whole_number("--j --threads", "Files at a time; by default one per available core.")] = (
        field(default_factory=available_cores)
    )


GROUPS = (CompareOptions,)
"""All options of the command, in the order of its help."""


def compare(
    ours: Annotated[str, Parameter(help="Output folder to judge.")],
    theirs: Annotated[str, Parameter(help="Its reference, for instance RELION's.")],
    /,
    *,
    options: CompareOptions | None = None,
) -> int:
    """Compare two output folders file by file: images, STAR files, missing and extra files.

    Ends with 0 if all is equal within the tolerance, with 1 if not. Accounts of runs (extraction_summary.json,
    note.txt, report.html, files of RELION's pipeline) and hidden files are not compared.
    """
    from subtomo.jobs.compare import compare_trees

    options = options or CompareOptions()
    if options.tolerance < 0:
        raise SettingsError(f"--tolerance is {options.tolerance:g}, but must be zero or more")
    if options.threads < 1 or options.rows < 0:
        raise SettingsError("--j must be at least 1, and --rows zero or more")
    found = compare_trees(ours, theirs, tolerance=options.tolerance, threads=options.threads)
    if options.json:
        tell(as_json(_plain(found)))
    else:
        _print_table(found, options.rows)
    return 0 if found.is_within else 1


def _print_table(found: TreeComparison, most: int) -> None:
    differing = [file for file in found.files if file.error > 0]
    if differing:
        shown = [row for file in differing for row in _rows(file, found.tolerance)]
        width = min(60, max(len(row[1]) for row in shown[:most]) if most else 0)
        tell(f"{'error':>8}  {'file':<{width}}  where")
        for error, name, where in shown[:most]:
            tell(f"{error:>8}  {name:<{width}}  {where}".rstrip())
        if len(shown) > most:
            tell(f"{'':8}  and {len(shown) - most} more rows (--rows, --json)")
        tell()
    for kind, names in (("missing", found.missing), ("extra", found.extra)):
        for name in names[:most]:
            tell(f"{kind:>8}  {name}")
        if len(names) > most:
            tell(f"{kind:>8}  … and {len(names) - most} more")
    worst = max((file.error for file in found.files if isfinite(file.error)), default=0.0)
    tell(
        f"{len(found.files)} files compared: {len(found.files) - len(differing)} equal, "
        f"{len(differing) - len(found.beyond)} within {found.tolerance:g}, {len(found.beyond)} beyond; largest number "
        f"{_number(worst)}; {len(found.missing)} missing, {len(found.extra)} extra; {len(found.accounts)} not "
        "compared, as they tell of the run"
    )
    tell("the same within the tolerance" if found.is_within else "different")


def _rows(file: FileComparison, tolerance: float) -> list[tuple[str, str, str]]:
    """Put a file into rows: one, or one per problem and per label beyond the tolerance."""
    rows = [("differs", file.name, problem) for problem in file.problems]
    beyond = {label: error for label, error in file.labels.items() if isfinite(error) and error > tolerance}
    rows += [(_number(error), file.name, label) for label, error in sorted(beyond.items(), key=lambda item: -item[1])]
    return rows or [(_number(file.error), file.name, file.where)]


def _number(error: float) -> str:
    return f"{error:.1e}" if isfinite(error) and error else "0" if not error else "differs"


def _plain(found: TreeComparison) -> dict[str, Any]:
    """Put a comparison into the types that JSON has; an infinite error is null."""

    def number(value: float) -> float | None:
        return value if isfinite(value) else None

    return {
        "ours": found.ours,
        "theirs": found.theirs,
        "tolerance": found.tolerance,
        "within": found.is_within,
        "compared": len(found.files),
        "equal": sum(file.error == 0 for file in found.files),
        "beyond": len(found.beyond),
        "missing": list(found.missing),
        "extra": list(found.extra),
        "not_compared": list(found.accounts),
        "files": [
            {
                "name": file.name,
                "error": number(file.error),
                "where": file.where,
                "problems": list(file.problems),
                "labels": {label: number(error) for label, error in file.labels.items()},
            }
            for file in found.files
            if file.error > 0
        ],
    }
