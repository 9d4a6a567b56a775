"""Compare two output folders from Python."""

from __future__ import annotations

from subtomo.errors import SettingsError
from subtomo.jobs.compare import TreeComparison, compare_trees
from subtomo.jobs.cores import available_cores
from subtomo.model.account import ExtractionSummary
from subtomo.model.choices import check_kind, whole_number_of
from subtomo.verbs.places import Where, folder_of


def compare(
    ours: ExtractionSummary | Where,
    theirs: ExtractionSummary | Where,
    *,
    tolerance: float = 1e-5,
    threads: int | None = None,
) -> TreeComparison:
    """Compare two output folders file by file: images, STAR files, missing and extra files.

    Args:
        ours: The folder to judge, or the account of a run.
        theirs: The reference.
        tolerance: Largest relative error that passes.
        threads: Files at a time; None for one per available core.

    Raises:
        InputError: One of them is no folder, or neither holds a file to compare.
        SettingsError: Tolerance or threads make no sense.
    """
    check_kind("tolerance", tolerance, float, int)
    if not tolerance >= 0:
        raise SettingsError(f"tolerance (tolerance) is {tolerance:g}, but must be zero or more", field="tolerance")
    n = available_cores() if threads is None else whole_number_of("threads", threads)
    return compare_trees(folder_of(ours), folder_of(theirs), tolerance=tolerance, threads=n)
