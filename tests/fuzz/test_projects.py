"""Damaged projects: each command ends in success or in a line, within seconds, and nothing is written elsewhere."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from subtomo.cli import main
from subtomo.output import lock
from tests.fuzz.projects import COMMANDS, LATER, RARE, RARE_LATER, Project, damage, needs_results
from tests.fuzz.seeds import scratch_folder

SECONDS, SECONDS_OF_WAITING = 10.0, 60.0
"""Of work, and of anything; others may be at work on the same machine."""
AT_ONCE = 100
FOREIGN = re.compile(
    r"Traceback|unexpected [A-Z]\w+|\((?!Input|Settings|Subtomo|Output|Aborted)\w+(?:Error|Warning|Exception): "
)
"""What an exception that is not the project's own leaves in messages."""


class TookTooLongError(BaseException):
    """A command was still at work."""


@contextlib.contextmanager
def alarm() -> Iterator[None]:
    """Raise an error in whatever works, or waits, too long."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TookTooLongError

    before = {number: signal.signal(number, ring) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_OF_WAITING)
    try:
        yield
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def kept_project() -> Iterator[Project]:
    """A project in memory, with results of an extraction; whatever is compiled at first use is compiled."""
    scratch = scratch_folder()
    made = Project(scratch / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        # a lock of another machine is watched for as long as that may take to show a sign of life
        patch.setattr(lock, "WATCH_SECONDS", 0.05)
        assert main(COMMANDS[0]) == 0
        made.keep_results()
        for command in (*COMMANDS, *RARE, *LATER, *RARE_LATER):
            made.mend(with_results=command in LATER + RARE_LATER)
            main(command)
        yield made
    shutil.rmtree(scratch)


@pytest.fixture
def project(kept_project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, as the current folder."""
    monkeypatch.chdir(kept_project.folder)
    return kept_project


def problem_of(seed: int, project: Project) -> str | None:
    """Run the command of a number on its damaged project; give what is wrong with how it ended."""
    project.mend(with_results=needs_results(seed))
    command = damage(seed, project.folder)
    before = project.outside()
    out, err = io.StringIO(), io.StringIO()
    start = time.monotonic()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), alarm():
            code = main(command)
    except TookTooLongError:
        return f"{' '.join(command)}: still at work after {time.monotonic() - start:.0f} s"
    except BaseException as error:
        return f"{' '.join(command)}: {type(error).__name__}: {error}"
    said = out.getvalue() + err.getvalue()
    accounts = Path("out/extraction_summary.json")
    if accounts.is_file() and code == 0 and command[0] == "extract":
        said += accounts.read_text(encoding="utf-8", errors="replace")
    if code not in (0, 1):
        return f"{' '.join(command)}: exit code {code}"
    if found := FOREIGN.search(said):
        return f"{' '.join(command)}: {said[max(0, found.start() - 200) : found.end() + 300]}"
    if code and command[0] not in ("doctor", "compare") and not err.getvalue().splitlines()[-1].startswith("error: "):
        return f"{' '.join(command)}: no error is told"
    if not said.replace("\n", "").isprintable():
        return f"{' '.join(command)}: {said!r} cannot be printed"
    if (after := project.outside()) != before:
        return f"{' '.join(command)}: changed {sorted(set(after.items()) ^ set(before.items()))}"
    return None


def problems(seeds: Iterable[int], project: Project) -> str:
    """List what is wrong by number."""
    found = ((seed, problem_of(seed, project)) for seed in seeds)
    return "\n".join(f"{seed}: {problem}" for seed, problem in found if problem is not None)


@pytest.mark.parametrize("first", range(0, 1000, AT_ONCE))
def test_a_damaged_project_ends_in_success_or_in_a_line(first: int, project: Project) -> None:
    found = problems(range(first, first + AT_ONCE), project)
    assert not found, found


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 10_000, AT_ONCE))
def test_ten_thousand_damaged_projects_do(first: int, project: Project) -> None:
    found = problems(range(first, first + AT_ONCE), project)
    assert not found, found
