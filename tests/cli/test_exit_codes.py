"""How a command ends: exit codes, the files RELION's pipeline waits for, and one line for whatever went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from subtomo.cli import main

Capture = pytest.CaptureFixture[str]
CONTROL = ("--pipeline_control", "out/")


def endings(folder: str = "out") -> set[str]:
    return {path.name.removeprefix("RELION_JOB_EXIT_") for path in Path(folder).glob("RELION_JOB_EXIT_*")}


def test_success_is_0_and_told_to_the_pipeline_without_a_note(extract: tuple[str, ...]) -> None:
    assert main((*extract, *CONTROL)) == 0
    assert endings() == {"SUCCESS"}
    assert not Path("out/note.txt").exists()


@pytest.mark.parametrize(
    "wrong",
    [("--min_frames", "-1"), ("--p", "nowhere.star"), ("--misspelt", "1"), ("--b", "x"), ("--o",), ("stray",)],
)
@pytest.mark.parametrize("control", [CONTROL, ("--pipeline_control=out/",), ("--pipeline-control", "out/")])
def test_failure_is_1_and_told_to_the_pipeline_however_early(
    wrong: tuple[str, ...], control: tuple[str, ...], extract: tuple[str, ...], capsys: Capture
) -> None:
    assert main((*extract, *control, *wrong)) == 1
    assert endings() == {"FAILURE"}
    assert "error: " in capsys.readouterr().err


def test_an_abort_asked_for_is_2_and_told_to_the_pipeline(extract: tuple[str, ...], capsys: Capture) -> None:
    Path("out").mkdir()
    Path("out/RELION_JOB_ABORT_NOW").touch()
    assert main((*extract, *CONTROL)) == 2
    assert endings() == {"ABORTED"}
    assert "RELION_JOB_ABORT_NOW" in capsys.readouterr().err
    assert not list(Path("out").rglob("*.star"))
    assert Path("out/RELION_JOB_ABORT_NOW").exists()


def test_the_pipeline_prefix_need_not_be_a_folder(extract: tuple[str, ...]) -> None:
    assert main((*extract, "--pipeline_control", "job_")) == 0
    assert Path("job_RELION_JOB_EXIT_SUCCESS").exists()


def raising(problem: BaseException) -> Any:
    def run_job(*arguments: Any) -> None:
        raise problem

    return run_job


def test_an_interrupt_is_130_without_a_traceback(
    extract: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("subtomo.jobs.extract.run_job", raising(KeyboardInterrupt()))
    assert main((*extract, *CONTROL)) == 130
    assert capsys.readouterr().err.splitlines() == ["error: interrupted"]
    assert endings() == {"FAILURE"}


def test_trouble_with_the_disk_is_1_and_one_line(
    extract: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    full = OSError(28, "No space left on device", "out/x_data.mrc")
    monkeypatch.setattr("subtomo.jobs.extract.run_job", raising(full))
    assert main(extract) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "No space left on device" in line
    assert "out/x_data.mrc" in line


def test_a_folder_that_cannot_be_written_is_1_and_one_line(extract: tuple[str, ...], capsys: Capture) -> None:
    Path("file").write_text("")
    assert main((*extract, "--o", "file/")) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: file")


def test_a_mistake_of_the_program_itself_is_not_hidden(
    extract: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("subtomo.jobs.extract.run_job", raising(ZeroDivisionError("a bug")))
    assert main(extract) == 1
    assert "error: unexpected ZeroDivisionError (run_job, line " in capsys.readouterr().err
    assert main((*extract, "--traceback")) == 1
    assert "ZeroDivisionError: a bug\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"), [(("--version",), 0), (("extract", "--b"), 1), (("sample-manifold", "--help"), 0)]
)
def test_the_process_ends_with_the_code_of_the_command(words: tuple[str, ...], code: int) -> None:
    run = subprocess.run([sys.executable, "-m", "subtomo", *words], capture_output=True, text=True, check=False)
    assert run.returncode == code
    assert "Traceback" not in run.stderr


def test_help_needs_neither_numpy_nor_numba() -> None:
    heavy = ("numpy", "numba", "scipy", "ducc0", "mrcfile", "gemmi", "matplotlib")
    program = (
        "import sys; from subtomo.cli import main; "
        f"codes = main(['--help']), main(['extract', '--help']); "
        f"print([name for name in {heavy} if name in sys.modules], codes, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "[] (0, 0)"


def test_help_imports_no_command_that_it_does_not_show() -> None:
    program = (
        "import sys; from subtomo.cli import main; main(['--help']); "
        "print([name for name in sys.modules if name.startswith('subtomo.cli.extract')], file=sys.stderr); "
        "main(['extract', '--help']); print('subtomo.cli.refine' in sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stderr.split("\n")[:2] == ["[]", "False"]


def test_help_prints_where_only_ascii_can_be_printed() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict", "COLUMNS": "100"}
    command = [sys.executable, "-m", "subtomo", "extract", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    assert "--max_dose" in run.stdout
