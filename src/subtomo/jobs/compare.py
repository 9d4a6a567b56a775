"""Compare two output folders file by file: ours with RELION's, or those of two versions or settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.errors import InputError, SubtomoError
from subtomo.jobs.compare_files import FileComparison, compare_bytes, compare_images, compare_words
from subtomo.jobs.compare_star import star_errors
from subtomo.model.notebook import Shown

_BATCH = 4096
_IMAGES = (".mrc", ".mrcs", ".st", ".rec", ".map")
# Accounts of a run, of this program and of RELION's pipeline: they name folders, times and versions.
_ACCOUNTS = {
    "extraction_summary.json", "left_out.star", "report.html", "note.txt", "run.out", "run.err", "run.job", "job.star",
    "job_pipeline.star", "continue_job.star", "default_pipeline.star",
}  # fmt: skip
_ACCOUNT_FOLDERS = {"report"}


@dataclass(frozen=True, repr=False)
class TreeComparison(Shown):
    """How far a folder is from its reference."""

    ours: str
    theirs: str
    tolerance: float
    files: tuple[FileComparison, ...]
    """Those in both folders, worst first."""
    missing: tuple[str, ...]
    """Files that only the reference has."""
    extra: tuple[str, ...]
    """Files that the reference has not."""
    accounts: tuple[str, ...]
    """Files that tell of a run and are not compared."""

    @property
    def beyond(self) -> tuple[FileComparison, ...]:
        """The files whose error exceeds the tolerance."""
        return tuple(file for file in self.files if not file.error <= self.tolerance)

    @property
    def is_within(self) -> bool:
        """Whether both folders hold the same files, within the tolerance."""
        return not (self.beyond or self.missing or self.extra)

    def _facts(self) -> list[tuple[str, Any]]:
        worst = max((file.error for file in self.files if np.isfinite(file.error)), default=0.0)
        return [
            ("", f"{self.ours} and {self.theirs} {'are the same' if self.is_within else 'differ'}"),
            ("files compared", len(self.files)),
            ("beyond the tolerance", len(self.beyond) or None),
            ("largest error", f"{worst:.1e}, tolerance {self.tolerance:g}"),
            ("missing", len(self.missing) or None),
            ("extra", len(self.extra) or None),
        ]


def compare_trees(ours: str, theirs: str, *, tolerance: float = 1e-5, threads: int = 1) -> TreeComparison:
    """Compare every file of a folder with the file of the same name in another.

    Args:
        ours: The folder to judge.
        theirs: The reference.
        tolerance: Largest relative error that passes.
        threads: Files at a time.

    Raises:
        InputError: One of them is no folder, or neither holds a file to compare.
    """
    (our_files, our_accounts), (their_files, their_accounts) = _files_below(ours), _files_below(theirs)
    common = sorted(our_files & their_files)
    if not our_files and not their_files:
        raise InputError(f"neither {ours} nor {theirs} holds a file to compare; give two output folders")
    pair = _Pair(Path(ours), Path(theirs), frozenset(our_files), frozenset(their_files))
    compared: list[FileComparison] = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        names = iter(common)
        # in batches, so that an interrupt need not wait for a million files
        while batch := list(islice(names, _BATCH)):
            compared += pool.map(pair.compare, batch)
    compared.sort(key=lambda file: (-file.error, file.name))
    return TreeComparison(
        ours=ours,
        theirs=theirs,
        tolerance=tolerance,
        files=tuple(compared),
        missing=tuple(sorted(their_files - our_files)),
        extra=tuple(sorted(our_files - their_files)),
        accounts=tuple(sorted(our_accounts | their_accounts)),
    )


@dataclass(frozen=True)
class _Pair:
    """Two folders and the files below them."""

    ours: Path
    theirs: Path
    our_names: frozenset[str]
    their_names: frozenset[str]

    def compare(self, name: str) -> FileComparison:
        """Compare one file; what cannot be read is a difference."""
        ours, theirs, kind = self.ours / name, self.theirs / name, Path(name).suffix.lower()
        try:
            if kind in _IMAGES:
                return compare_images(name, ours, theirs)
            if kind == ".star":
                labels, problems = star_errors(ours, theirs, (self.our_names, self.their_names))
                return _of_labels(name, labels, problems)
            if kind == ".obj":
                return compare_words(name, ours, theirs)
            return compare_bytes(name, ours, theirs)
        except (SubtomoError, OSError, ValueError) as error:
            return FileComparison(name, np.inf, problems=(str(error),))


def _files_below(folder: str) -> tuple[set[str], set[str]]:
    """List the files to compare below a folder, relative to it, and the accounts; hidden files are neither."""
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: is no folder; give two output folders, the one to judge and its reference")
    names, accounts = set[str](), set[str]()
    for path, folders, files in os.walk(folder):
        inner = os.path.relpath(path, folder)
        prefix = "" if inner == "." else inner.replace(os.sep, "/") + "/"
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            told = name in _ACCOUNTS or name.startswith("RELION_JOB_") if not prefix else False
            told = told or prefix.split("/")[0] in _ACCOUNT_FOLDERS
            (accounts if told else names).add(prefix + name)
    return names, accounts


def _of_labels(name: str, labels: dict[str, float], problems: Sequence[str]) -> FileComparison:
    worst = max(labels, key=lambda label: labels[label], default="")
    error = np.inf if problems else labels.get(worst, 0.0)
    differing = {label: value for label, value in labels.items() if value > 0}
    return FileComparison(name, error, worst if labels.get(worst) else "", tuple(problems), differing)
