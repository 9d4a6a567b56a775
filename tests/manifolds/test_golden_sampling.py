"""Samplings are those of RELION: every row, every vertex, every note."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from subtomo.errors import InputError
from subtomo.jobs.sample_manifold import ManifoldJob, sample_manifold
from tests.conformance.cases import CASES, Case
from tests.conformance.compare import compare_run

REPRODUCED = (
    "tilts_sample",
    "tilts_sample_nmw",
    "tilts_sample_npw",
    "tilts_sample_ts",
    "tilts_sample_optset",
    "r4_sample_ts",
)
NOTHING_BUT_ROUNDING = 2


def job_of(case: Case) -> ManifoldJob:
    args, flags = list(case.args), {}
    for flag in ("--nmw", "--npw", "--ts"):
        flags[flag] = flag in args
        if flags[flag]:
            args.remove(flag)
    values = dict(zip(args[::2], args[1::2], strict=True))
    return ManifoldJob(
        values["--o"],
        float(values["--spacing"]),
        float(values["--depth"]),
        float(values["--max_tilt"]),
        tomograms_file=values.get("--t"),
        manifolds_file=values.get("--man"),
        optimisation_set_file=values.get("--i"),
        avoid_missing_wedge=flags["--nmw"],
        avoid_present_wedge=flags["--npw"],
        store_tilt_series_name=flags["--ts"],
        command=("subtomo", *case.argv),
    )


def enter_dataset(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / case.dataset
    shutil.copytree(case.inputs, folder, copy_function=os.symlink)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", REPRODUCED)
def test_files_are_those_of_relion(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    folder = enter_dataset(case, tmp_path, monkeypatch)
    summary = sample_manifold(job_of(case))
    report = compare_run(case, folder / "out")
    assert not report.problems, "\n".join(report.problems[:20])
    assert {Path(path).relative_to("out").as_posix() for path in summary.files} == set(case.files)
    ours, theirs = (
        path.read_text().splitlines() for path in (folder / "out/particles.star", case.expected / "particles.star")
    )
    differing = [number for number, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    assert len(differing) <= NOTHING_BUT_ROUNDING, f"rows equal in value but not in text: {differing[:10]}"


def test_without_manifolds_the_message_names_both_ways_to_give_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["sample_err_no_manifolds"]
    folder = enter_dataset(case, tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"Neither a manifolds file .* nor an optimisation-set file .* specified"):
        sample_manifold(job_of(case))
    assert not (folder / "out").exists()
