"""A second run keeps what is finished, if it was made with the same settings and inputs, and only that."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import pytest

from subtomo.jobs.extract import RunContext, extract
from subtomo.jobs.progress import Silent
from subtomo.model.account import ExtractionSummary
from subtomo.model.settings import Cone, ExtractionSettings, ExtraFile, Output, OutputSettings, Weighting
from subtomo.output.journal import read_journal
from tests.helpers.builders import SETTINGS
from tests.helpers.options import refused
from tests.helpers.project import edit, read_project, write_project
from tests.reliability.runs import contents

SUMS = OutputSettings(write_sums=True)
UNFINISHED = OutputSettings(skip_existing=True)


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of four particles in two tomograms."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def run(
    settings: ExtractionSettings = SETTINGS, output: OutputSettings | None = None, *, resume: bool = False, **more: Any
) -> tuple[ExtractionSummary, str]:
    notes = Notes()
    context = RunContext(threads=1, resume=resume, progress=notes, **more)
    summary = extract(*read_project(Path()), settings, "out", output=output, context=context)
    return summary, "\n".join(notes.said)


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.rglob("*_data.mrc")}


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        (SETTINGS, OutputSettings()),
        (SETTINGS, OutputSettings(float16=True, write_weights=False)),
        (SETTINGS, OutputSettings(extra_files=~ExtraFile.NONE)),
        (replace(SETTINGS, output=Output.STACK_2D), OutputSettings(float16=True)),
        (replace(SETTINGS, weighting=Weighting.WHITENED), OutputSettings()),
    ],
)
def test_all_kinds_of_finished_particles_are_recognised(
    small: Path, settings: ExtractionSettings, output: OutputSettings
) -> None:
    run(settings, output)
    before = contents(small / "out")
    summary, said = run(settings, output, resume=True)
    assert (summary.n_found, summary.n_extracted, summary.n_written_files) == (4, 4, 0)
    assert "4 of 4 particle(s) are finished already" in said
    assert contents(small / "out") == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"binning": 1.5}, r"binning \(--bin\) was 1\.0, now 1\.5"),
        ({"apply_ctf": False}, r"apply_ctf \(--no_ctf\) was true, now false"),
        ({"cone": Cone(20.0)}, r"cone \(--cone_weight, .*\) was null, now \{"),
        ({"output": Output.STACK_2D}, r'output \(--stack2d, --real_subtomo\) was "PSEUDO_SUBTOMOGRAM", now "STACK_2D"'),
    ],
)
@pytest.mark.parametrize("resume", [True, False])
def test_other_settings_are_refused_by_name_with_old_and_new_value_and_the_way_out(
    small: Path, change: dict[str, Any], told: str, resume: bool
) -> None:
    run()
    before = contents(small / "out")
    with refused(rf"out/ holds 4 finished .*: {told}.*\(--o\).*remove out/.*leave out --resume"):
        run(replace(SETTINGS, **change), None if resume else UNFINISHED, resume=resume)
    assert contents(small / "out") == before


def test_another_precision_is_refused(small: Path) -> None:
    run()
    with refused(r"float16 \(--float16\) was false, now true"):
        run(output=OutputSettings(float16=True), resume=True)


def test_particles_whose_images_changed_are_made_again_and_no_others(small: Path) -> None:
    run()
    before = times(small / "out")
    os.utime(small / "TS_1.mrcs", ns=(1, 1))
    stack = small / "TS_2.mrcs"
    time = stack.stat().st_mtime_ns
    with mrcfile.open(stack, mode="r+", permissive=True) as images:
        images.data[:] = -images.data
    os.utime(stack, ns=(time, time))
    summary, said = run(resume=True)
    assert summary.n_found == 2, (
        "a file that was only touched is the same one; another one of the same size and time is not"
    )
    assert "2 finished particle(s) are made again, for their images or tables have changed since" in said
    assert {name for name, time in times(small / "out").items() if time != before[name]} == {"3_data.mrc", "4_data.mrc"}


@pytest.mark.parametrize("label", ["rlnTomoSubtomogramRot", "rlnCenteredCoordinateXAngst"])
def test_a_particle_whose_row_changed_is_made_again_and_no_other(small: Path, label: str) -> None:
    run()
    edit(small / "particles.star", "particles", **{label: ["20", "20", "21", "20"]})
    run(resume=False)
    edit(small / "particles.star", "particles", **{label: ["20", "20", "20", "20"]})
    summary, _ = run(resume=True)
    assert (summary.n_found, summary.n_written_files) == (3, 2)


def test_a_changed_tilt_table_and_changed_motion_are_noticed(small: Path) -> None:
    run()
    edit(small / "TS_1.star", "TS_1", rlnDefocusU=["21000"] * 4 + ["21001"])
    assert run(resume=True)[0].n_found == 2
    context = RunContext(threads=1, resume=True)
    assert extract(*read_project(small, motion=True), SETTINGS, "out", context=context).n_found == 0


@pytest.mark.parametrize("damage", ["_data.mrc", "_weights.mrc"])
@pytest.mark.parametrize("size", [None, 0, 5000])
def test_a_missing_or_truncated_file_is_made_again(small: Path, damage: str, size: int | None) -> None:
    run()
    before = contents(small / "out")
    path = small / f"out/Subtomograms/TS_2/3{damage}"
    path.unlink()
    if size is not None:
        path.write_bytes(bytes(size))
    summary, said = run(resume=True)
    assert summary.n_found == 3
    assert "1 finished particle(s) are made again, for files of theirs are missing or cut short" in said
    assert contents(small / "out") == before


@pytest.mark.parametrize("float16", [False, True])
def test_sums_of_a_resumed_run_are_those_over_all_particles(small: Path, float16: bool) -> None:
    output = replace(SUMS, float16=float16)
    run(output=output)
    before = contents(small / "out")
    (small / "out/Subtomograms/TS_1/2_data.mrc").unlink()
    for path in small.glob("out/sum_*"):
        path.unlink()
    run(output=output, resume=True)
    assert contents(small / "out") == before


def test_a_line_cut_short_in_the_journal_costs_that_particle_only(small: Path) -> None:
    run()
    before = contents(small / "out")
    journal = small / "out/.subtomo/journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])
    assert run(resume=True)[0].n_found == 3
    assert contents(small / "out") == before


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", b"[]\n", b'{"journal": 99}\n["TS_1/1", "x"]\n'])
def test_a_journal_that_makes_no_sense_counts_for_nothing(small: Path, content: bytes) -> None:
    run()
    (small / "out/.subtomo/journal.jsonl").write_bytes(content)
    summary, said = run(resume=True)
    assert summary.n_found == 0
    assert "no record of how its particles were made" in said


def test_a_run_without_resume_says_that_it_makes_finished_particles_again(small: Path) -> None:
    run()
    summary, said = run()
    assert (
        "out/ holds 4 finished particle(s) of an earlier run, which are made again; resume=True would keep them" in said
    )
    assert (summary.n_found, summary.n_written_files) == (0, 8)


def test_particles_of_another_program_are_trusted_if_whole_for_only_do_unfinished_and_not_for_resume(
    small: Path,
) -> None:
    run()
    out = small / "out"
    shutil.rmtree(out / ".subtomo")
    mine = bytes((out / "Subtomograms/TS_1/1_data.mrc").stat().st_size)
    (out / "Subtomograms/TS_1/1_data.mrc").write_bytes(mine)
    (out / "Subtomograms/TS_2/4_data.mrc").write_bytes(b"short")
    summary, said = run(output=UNFINISHED)
    assert "3 particle(s) in out/ have whole files that another program made; they are trusted" in said
    assert (summary.n_found, summary.n_written_files) == (3, 2)
    assert run(output=UNFINISHED)[0].n_found == 4, "still trusted when this run is the one that is resumed"
    assert (out / "Subtomograms/TS_1/1_data.mrc").read_bytes() == mine
    summary, said = run(resume=True)
    assert "3 particle(s) are made again, for another program made them" in said
    assert summary.n_found == 1


def test_only_do_unfinished_leaves_finished_particles_out_of_sums_as_relion_does(small: Path) -> None:
    run()
    (small / "out/Subtomograms/TS_1/2_data.mrc").unlink()
    run(output=replace(SUMS, skip_existing=True))
    alone = contents(small / "out")["sum_data.mrc"]
    shutil.rmtree(small / "out")
    edit(small / "particles.star", "particles", rlnTomoName=["TS_9", "TS_1", "TS_9", "TS_9"])
    run(output=SUMS)
    assert contents(small / "out")["sum_data.mrc"] == alone


def test_keys_do_not_depend_on_where_the_project_stands(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    moved = small.parent / f"{small.name}-moved"
    shutil.copytree(small, moved)
    monkeypatch.chdir(moved)
    assert run(resume=True)[0].n_found == 4


def test_the_journal_is_in_the_order_of_the_plan_and_holds_the_settings(small: Path) -> None:
    run()
    recorded = read_journal(small / "out/.subtomo/journal.jsonl")
    assert recorded is not None
    assert list(recorded.keys) == ["TS_1/1", "TS_1/2", "TS_2/3", "TS_2/4"]
    assert recorded.settings["box_size"] == SETTINGS.box_size
