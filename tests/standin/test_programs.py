"""RELION's command lines, as its GUI and scripts give them, run through a shell that finds the links."""

from __future__ import annotations

import json
import shlex

import pytest

from subtomo.cli import main
from tests.standin.conftest import SIZES, Project

Capture = pytest.CaptureFixture[str]

GUI = f"`which relion_tomo_subtomo` {SIZES}"
"""As the GUI builds it; options of the job follow."""


def job(name: str, more: str = "") -> str:
    return f"{GUI} --o {name}/ {more} --pipeline_control {name}/ >> run.out 2>> run.err"


def test_the_command_line_of_the_gui_gives_the_files_of_extract(project: Project) -> None:
    project.shell(job("Extract/job001", "--stack2d --float16 --j 2"))
    assert main(["extract", *SIZES.split(), "--stack2d", "--float16", "--o", "Extract/job002/"]) == 0
    assert project.differing("Extract/job001", "Extract/job002") == []
    assert project.endings("Extract/job001") == ["RELION_JOB_EXIT_SUCCESS"]
    assert not (project.folder / "Extract/job001/note.txt").exists()
    assert (project.folder / "run.err").read_text() == ""


def test_progress_reads_well_in_run_out(project: Project) -> None:
    project.shell(job("Extract/job001"))
    lines = (project.folder / "run.out").read_text().splitlines()
    assert lines[0] == "extracting 4 particles" or "compiling" in lines[0]
    assert any(line.startswith("4/4 particles, ") for line in lines)
    assert all("\r" not in line and "\x1b" not in line for line in lines)
    assert not any(line.startswith("next:") for line in lines)


def here(line: str) -> int:
    """Run a command line in this process, which takes less time."""
    return main(shlex.split(line))


def test_unknown_options_are_warned_about_and_ignored_with_their_values(project: Project, capsys: Capture) -> None:
    assert here(f"relion_tomo_subtomo {SIZES} --o out/ --nonsense -3 --more --sig name stray --j 1") == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: option {name} is not an option of relion_tomo_subtomo, and is ignored"
        for name in ("--nonsense", "--more", "--sig")
    ] + ["warning: 'stray' belongs to no option of relion_tomo_subtomo, and is ignored"]
    account = json.loads((project.folder / "out/extraction_summary.json").read_text())
    assert account["command"][0] == "relion_tomo_subtomo"
    assert "--nonsense" not in account["command"]
    assert (
        (project.folder / "out/note.txt").read_text().startswith("Command:\n\nrelion_tomo_subtomo --t tomograms.star")
    )
    # the command itself still refuses them
    assert here(f"extract {SIZES} --o out2/ --stack2") == 1
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize("program", ["subtomo", "subtomo_mpi", "sample_manifold", "make_optimisation_set"])
def test_versions_and_help_are_given_on_stdout(program: str, capsys: Capture) -> None:
    assert here(f"relion_tomo_{program} --version") == 0
    version = capsys.readouterr().out
    assert version.startswith("subtomo ")
    assert f"relion_tomo_{program} of RELION 5.0" in version
    for words in ("", "--help", "--help-all"):
        assert here(f"relion_tomo_{program} {words}") == 0
        assert capsys.readouterr().out.startswith("Usage: subtomo ")


@pytest.mark.parametrize("more", ["--p nowhere.star", "--b 33", "--b", "--crop 64"])
def test_a_job_that_fails_says_so_to_the_pipeline(more: str, project: Project, capsys: Capture) -> None:
    assert here(f"relion_tomo_subtomo {SIZES} --o Extract/job001/ --pipeline_control Extract/job001/ {more}") == 1
    assert project.endings("Extract/job001") == ["RELION_JOB_EXIT_FAILURE"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_the_request_to_stop_is_honoured(project: Project) -> None:
    (project.folder / "Extract/job001").mkdir(parents=True)
    (project.folder / "Extract/job001/RELION_JOB_ABORT_NOW").touch()
    project.shell(job("Extract/job001"), code=2)
    assert project.endings("Extract/job001") == ["RELION_JOB_EXIT_ABORTED"]
    assert not (project.folder / "Extract/job001/particles.star").exists()


@pytest.mark.parametrize(
    ("more", "variable", "is_whitened"),
    [
        ("", "", False),
        ("", "0", False),
        ("", "1", True),
        ("--for-refine3d", "", True),
        ("--for-refine3d", "yes", True),
        ("--stack2d", "1", False),
        ("--stack2d --for-refine3d", "", False),
        ("--no_ctf --no_comb", "1", False),
        ("--weighting relion", "1", False),
    ],
)
def test_a_variable_or_an_argument_makes_particles_for_refinement(
    more: str, variable: str, is_whitened: bool, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SUBTOMO_FOR_REFINE3D", variable)
    assert here(f"relion_tomo_subtomo {SIZES} --o out/ {more}") == 0
    settings = json.loads((project.folder / "out/extraction_summary.json").read_text())["settings"]
    assert (settings["weighting"] == "WHITENED") == is_whitened, settings["weighting"]
    assert ("--for-refine3d is left out" in capsys.readouterr().out) == ("--stack2d --for" in more)


@pytest.mark.parametrize(("dose", "most"), [("-1", None), ("0", None), ("6.5", 6.5)])
def test_a_dose_that_is_not_positive_means_all_tilts(dose: str, most: float | None, project: Project) -> None:
    assert here(f"relion_tomo_subtomo {SIZES} --o out/ --max_dose {dose}") == 0
    settings = json.loads((project.folder / "out/extraction_summary.json").read_text())["settings"]
    assert settings["max_dose_e_per_a2"] == most


def test_optimisation_sets_are_made_with_an_exit_file(project: Project) -> None:
    program = "relion_tomo_make_optimisation_set --pipeline_control job/"
    (project.folder / "job").mkdir()
    assert here(f"{program} --p particles.star --t tomograms.star --o job/optimisation_set.star") == 0
    assert project.endings("job") == ["RELION_JOB_EXIT_SUCCESS"]
    assert "particles.star" in (project.folder / "job/optimisation_set.star").read_text()
    assert here(f"{program} --i nowhere.star --o job/again.star") == 1
    assert project.endings("job") == ["RELION_JOB_EXIT_FAILURE", "RELION_JOB_EXIT_SUCCESS"]


def test_manifolds_are_sampled(project: Project) -> None:
    (project.folder / "manifolds.star").write_text(
        "data_TS_1\nloop_\n_rlnTomoManifoldIndex #1\n_rlnTomoManifoldType #2\n_rlnTomoManifoldParams #3\n"
        "0 sphere [64,64,32,20]\n"
    )
    words = "--t tomograms.star --man manifolds.star --spacing 60 --depth 0 --max_tilt 90 --theme classic --o Man/"
    run = project.shell(f"`which relion_tomo_sample_manifold` {words}")
    assert "--theme is not an option" in run.err
    assert "particles sampled" in run.out
    assert (project.folder / "Man/optimisation_set.star").is_file()
