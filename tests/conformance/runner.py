"""Run one case in a copy of its dataset, in this process, and judge the outcome."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.cases import NOTHING_EXTRACTED, REFUSED, REFUSED_HERE_ONLY, REPRODUCED, Case
from tests.conformance.compare import OUR_ADDITIONS, Report, compare_run, files_below

# A run that is refused may leave its command line behind, but nothing that names volumes which do not exist.
PIPELINE_FILES = frozenset({"RELION_JOB_EXIT_FAILURE"})
ALLOWED_AFTER_REFUSAL = OUR_ADDITIONS | PIPELINE_FILES | {"note.txt"}


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit code, what it said on stderr (blanks folded), and its output folder."""

    exit_code: int
    stderr: str
    output: Path


def run_case(case: Case, folder: Path) -> Outcome:
    """Run a case in a copy of its dataset below `folder`; the inputs themselves are linked, not copied."""
    from subtomo.cli import main

    workdir = folder / case.dataset
    shutil.copytree(case.inputs, workdir, copy_function=os.symlink)
    if case.program == "relion_tomo_make_optimisation_set":
        (workdir / "out").mkdir()
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.chdir(workdir), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        exit_code = main(case.argv)
    return Outcome(exit_code, " ".join(stderr.getvalue().split()), workdir / "out")


def judge(case: Case, outcome: Outcome) -> Report:
    """Say what is wrong with the outcome of a covered case.

    Raises:
        KeyError: The case is not covered.
    """
    if case.name in REPRODUCED:
        return judge_success(case, outcome)
    return judge_refusal(case, outcome, {**REFUSED, **REFUSED_HERE_ONLY}[case.name])


def judge_success(case: Case, outcome: Outcome) -> Report:
    """Compare the files of a run that must succeed with RELION's."""
    expected = 1 if case.name in NOTHING_EXTRACTED else 0
    if outcome.exit_code != expected:
        return Report([f"exit code {outcome.exit_code}, expected {expected}; stderr: {outcome.stderr}"])
    return compare_run(case, outcome.output)


def judge_refusal(case: Case, outcome: Outcome, words: tuple[str, ...]) -> Report:
    """Check that a run ended with exit code 1, a message that holds `words`, and no data left behind."""
    report = Report()
    if outcome.exit_code != 1:
        report.problems.append(f"exit code {outcome.exit_code}, expected 1")
    report.problems += [f"the message lacks {word!r}: {outcome.stderr}" for word in words if word not in outcome.stderr]
    for name in sorted(set(case.files) & PIPELINE_FILES - files_below(outcome.output)):
        report.problems.append(f"{name} is missing: RELION's pipeline waits for it")
    left = sorted(files_below(outcome.output) - ALLOWED_AFTER_REFUSAL)
    if left:
        report.problems.append(f"a refused run left {left}")
    return report
