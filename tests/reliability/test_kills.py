"""Runs that are killed lose nothing: a second start finishes the work, byte for byte as if nothing had happened."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest

from subtomo.jobs.signals import TerminatedError, termination_as_error
from subtomo.output.journal import read_journal
from tests.reliability.runs import N_PARTICLES, account, contents, finish, leftovers, n_volumes, start, stop_after

Undisturbed = tuple[Path, dict[str, Any]]

KILLS = 20
SERIES = 2
"""So many folders, each killed `KILLS` / `SERIES` times before it may finish."""


@pytest.mark.parametrize("series", range(SERIES))
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(
    undisturbed: Undisturbed, project: Path, series: int
) -> None:
    moments, out, kept, killed = random.Random(series), project / "out", 0, 0
    for _ in range(KILLS // SERIES):
        files = n_volumes(out) + moments.randint(0, N_PARTICLES // 5)
        process = start(project, "--sum", "--resume")
        code, said = stop_after(process, out, files, signal.SIGKILL)
        assert code in (-signal.SIGKILL, 0), said
        recorded = read_journal(out / ".subtomo/journal.jsonl")
        found = 0 if recorded is None else len(recorded.keys)
        assert found >= kept, "what was finished before is finished still"
        kept = found
        assert code == 0 or not (out / "particles.star").exists()
        killed += code != 0
    assert killed >= KILLS // SERIES // 2, "the others had come to their end"
    code, said = finish(project, "--sum", "--resume")
    assert code == 0, said
    assert contents(out) == undisturbed[1]
    assert account(out)["n_found"] == kept


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_end_leaves_no_temporary_file_and_can_be_resumed(
    undisturbed: Undisturbed, project: Path, number: signal.Signals, code: int
) -> None:
    out = project / "out"
    found, said = stop_after(start(project, "--sum", "--resume"), out, 20, number)
    assert found == code, said
    assert "Traceback" not in said
    assert said.splitlines()[-1] in (f"error: ended by {number.name}", "error: interrupted")
    assert leftovers(out) == []
    assert not list(out.glob("*.star"))
    recorded = read_journal(out / ".subtomo/journal.jsonl")
    assert recorded is not None
    assert recorded.keys
    assert finish(project, "--sum", "--resume")[0] == 0
    assert contents(out) == undisturbed[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_run_in_order_and_only_once(number: signal.Signals, code: int) -> None:
    cleaned = []

    def asked_twice() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            cleaned.append(number)

    # the tests may run under nohup, which ignores SIGHUP
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(TerminatedError) as caught, termination_as_error(asked_twice.__code__):
            asked_twice()
        assert cleaned == [number]
        assert caught.value.exit_code == code
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_signals_that_are_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_as_error(read_journal.__code__):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_temporary_files_of_a_killed_run_are_swept_by_the_next(undisturbed: Undisturbed, project: Path) -> None:
    out = project / "out"
    places = [out / ".subtomo", out, out / "Subtomograms/TS_1"]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / ".subtomo-0123456789abcdef.tmp").write_bytes(b"half a volume")
    code, said = finish(project, "--sum")
    assert code == 0
    assert "note: removed 3 temporary file(s) that a killed run left in out/" in said
    assert contents(out) == undisturbed[1]
