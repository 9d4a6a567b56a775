"""``subtomo report``: a page on what an extraction made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option
from subtomo.cli.field_names import in_words_of_options


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class ReportOptions:
    """Where files are."""

    project: Annotated[
        str | None,
        option(
            "--project",
            "Folder that file names in STAR files are relative to; by default that where the extraction ran, if the "
            "place of its output tells, else the present one.",
        ),
    ] = None


GROUPS = (ReportOptions,)
"""All options of the command, in the order of its help."""


def report(
    folder: Annotated[str, Parameter(help="Output folder of subtomo extract, or a file in it.")],
    /,
    *,
    options: ReportOptions = ReportOptions(),
) -> int:
    """Write report.html, a page on an extraction, and its pictures into the folder of that extraction.

    It shows particles on tilt images, visible tilts, sample particles, CTF and dose weights, orientations, what was
    left out and why, and all settings. What cannot be found is named on the page.
    """
    from subtomo.cli.messages import tell, warn
    from subtomo.report.page import write_report

    if os.path.isfile(folder):
        folder = os.path.dirname(folder) or "."
    written = write_report(folder, options.project or None)
    for note in written.notes:
        warn(in_words_of_options(note))
    size = written.page.stat().st_size / 1e6
    tell(f"report {written.page}: {len(written.pictures)} pictures, {size:.1f} MB, {written.seconds:.1f} s")
    return 0


def reports_are_off() -> bool:
    """Tell whether the environment asks for extractions without reports."""
    return bool(os.environ.get("SUBTOMO_NO_REPORT"))


def report_after_extraction(folder: str) -> None:
    """Write the report of an extraction that is done; whatever goes wrong is but a warning."""
    from subtomo.cli.messages import tell, warn

    try:
        from subtomo.report.page import write_report

        write_report(folder)
        tell(f"report {folder}report.html")
    except Exception as error:  # the particles are whole, whatever becomes of their pictures
        warn(f"the report could not be written ({type(error).__name__}: {error}); subtomo report {folder} tries again")
