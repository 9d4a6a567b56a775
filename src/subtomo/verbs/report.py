"""Write the page on an extraction from Python."""

from __future__ import annotations

from subtomo.model.account import ExtractionSummary
from subtomo.report.page import WrittenReport, write_report
from subtomo.verbs.places import Where, folder_of
from subtomo.verbs.rooms import shares_name_with_room


@shares_name_with_room
def report(run: ExtractionSummary | Where, project: Where | None = None) -> WrittenReport:
    """Write ``report.html``, the page on an extraction, and its pictures into the folder of that extraction.

    Args:
        run: The output folder, or the account that `extract` returns.
        project: The folder that names in STAR files are relative to; None to find out.

    Returns:
        Where page and pictures are, and what could not be shown.

    Raises:
        InputError: The folder has no account of an extraction, or the files cannot be written.
    """
    return write_report(folder_of(run), project)
