"""Every run of RELION in the suite is repeated and compared, or named as not yet covered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.cases import CASES, COVERED, NOT_YET_COVERED, REFUSED, REFUSED_HERE_ONLY, REPRODUCED
from tests.conformance.runner import judge_refusal, judge_success, run_case


def in_order(names: frozenset[str]) -> list[str]:
    return [name for name in CASES if name in names]


def test_every_case_is_covered_or_named() -> None:
    print(f"{len(COVERED)} of {len(CASES)} cases covered; not yet covered:", *in_order(NOT_YET_COVERED), sep="\n  ")
    assert len(COVERED) == len(REPRODUCED) + len(REFUSED) + len(REFUSED_HERE_ONLY), "a case stands in two lists"
    assert COVERED.isdisjoint(NOT_YET_COVERED)
    assert set(CASES) == COVERED | NOT_YET_COVERED


@pytest.mark.parametrize("name", in_order(REPRODUCED))
def test_files_are_those_of_relion(name: str, tmp_path: Path) -> None:
    report = judge_success(CASES[name], run_case(CASES[name], tmp_path))
    assert not report.problems, "\n".join(report.problems)


@pytest.mark.parametrize("name", in_order(frozenset(REFUSED)))
def test_refused_as_by_relion_with_a_message_that_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    assert CASES[name].exit_code == 1
    report = judge_refusal(CASES[name], run_case(CASES[name], tmp_path), REFUSED[name])
    assert not report.problems, "\n".join(report.problems)


@pytest.mark.parametrize("name", in_order(frozenset(REFUSED_HERE_ONLY)))
def test_deviation_unknown_option_is_refused_where_relion_only_warns(name: str, tmp_path: Path) -> None:
    assert CASES[name].exit_code == 0
    report = judge_refusal(CASES[name], run_case(CASES[name], tmp_path), REFUSED_HERE_ONLY[name])
    assert not report.problems, "\n".join(report.problems)


def test_deviation_failed_run_leaves_no_star_file_that_names_missing_volumes(tmp_path: Path) -> None:
    case = CASES["tilts_err_optics"]
    assert "particles.star" in case.files, "RELION writes it before it notices the error"
    outcome = run_case(case, tmp_path)
    assert outcome.exit_code == 1
    assert not [*outcome.output.rglob("*.star")]
