"""What surrounds a run fails: its terminal, its reader, its installation, its user's patience; the work does not."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import subtomo
from subtomo.cli import main
from subtomo.cli.guard import guarded
from subtomo.doing import doing, what_was_done
from tests.strangers.conftest import SIZES, extract, volumes

Capture = pytest.CaptureFixture[str]
WORDS = ("extract", "--t", "tomograms.star", "--p", "particles.star", *SIZES, "--o", "out/")
SUBTOMO = f"{sys.executable} -m subtomo "
COMMAND = SUBTOMO + " ".join(WORDS)


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script; what the command gives is its exit code."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], capture_output=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(
    "around",
    [
        "{} 2>&-",
        "{} >&-",
        "{} <&- >&- 2>&-",
        "{} >/dev/full",
        "{} 2>/dev/full",
        "{} >/dev/full 2>&1",
        "{{ {} 2>&1 >/dev/null; echo $? >code; }} | head -c1; (exit $(cat code))",
        "{{ {}; echo $? >code; }} | true; (exit $(cat code))",
        "{{ {} 2>&1; echo $? >code; }} | true; (exit $(cat code))",
    ],
)
@pytest.mark.usefixtures("project")
def test_a17_an_extraction_does_not_depend_on_who_listens(around: str, untouched: dict[str, bytes]) -> None:
    run = shell(around.format(COMMAND), PYTHONUNBUFFERED="1" if "&1" in around else "")
    assert run.returncode == 0, run.stderr
    assert volumes() == untouched
    assert b"Traceback" not in run.stderr
    assert b"Exception" not in run.stderr


@pytest.mark.usefixtures("project")
def test_a17_closed_streams_do_not_let_output_into_files() -> None:
    assert shell(COMMAND + " <&- >&- 2>&-").returncode == 0
    assert b"particles" not in Path("out/.subtomo/journal.jsonl").read_bytes().partition(b"\n")[2]
    assert not [path for path in Path("out").rglob("*") if path.is_file() and b"extracting" in path.read_bytes()]


@pytest.mark.usefixtures("project")
def test_a17_other_commands_give_the_code_of_their_work_too() -> None:
    words = f"doctor --headers-only --t tomograms.star --p particles.star {' '.join(SIZES)}"
    alone = shell(SUBTOMO + words)
    for around in ("{{ {}; echo $? >code; }} | head -1; exit $(cat code)", "{} >/dev/full", "{} >&-", "{} 2>&-"):
        assert shell(around.format(SUBTOMO + words)).returncode == alone.returncode
    lost = shell(f"{SUBTOMO}{words} >/dev/full")
    assert b"warning: what was printed is lost (No space left on device)" in lost.stderr
    helps = shell("{ " + SUBTOMO + "extract --help; echo $? >code; } | head -1; exit $(cat code)")
    assert helps.returncode == 0
    assert helps.stderr == b""


INTERRUPTED = """
import os, signal, sys, threading, time
from subtomo.cli import main
def interrupt():
    time.sleep(float(sys.argv.pop()))
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
time.sleep(0.001)
sys.exit(main())
"""


@pytest.mark.usefixtures("project")
def test_a21_an_interrupt_at_any_time_is_one_line_and_130() -> None:
    for delay in (0.005, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
        shutil.rmtree("out", ignore_errors=True)
        program = [sys.executable, "-c", INTERRUPTED, *WORDS, "--particles", "particles.star", str(delay)]
        run = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
        if run.returncode == 0:  # done before
            continue
        assert run.returncode == 130, (delay, run.stderr)
        lines = [line for line in run.stderr.splitlines() if not line.startswith(("warning", "note", "extracting"))]
        assert [line for line in lines if "particles," not in line] == ["error: interrupted"], (delay, run.stderr)
        assert not list(Path("out").rglob("*.tmp"))


def test_a21_an_interrupt_waits_until_a_module_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.1)\nIS_WHOLE = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def run(words: list[str]) -> int:
        import slow_to_import  # type: ignore[import-not-found]

        assert slow_to_import.IS_WHOLE
        time.sleep(5)
        return 0

    # libraries may have put a handler of their own there
    alarm, interrupt = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGINT)
    start = time.monotonic()
    assert guarded(run, [], is_process=False) == 130
    assert time.monotonic() - start < 2
    assert sys.modules.pop("slow_to_import").IS_WHOLE
    assert capsys.readouterr().err == "error: interrupted\n"
    assert signal.getsignal(signal.SIGALRM) == alarm
    assert signal.getsignal(signal.SIGINT) is interrupt


STUBBORN = """
import sys, time
from subtomo.cli.guard import guarded
def run(words):
    while True:
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            pass
sys.exit(guarded(run, [], is_process=True))
"""


def test_a21_a_second_interrupt_ends_what_does_not_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)  # the same one, sent twice
        time.sleep(0.7)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert said == "error: interrupted\n"


@pytest.mark.usefixtures("project")
def test_a14_a_copy_that_nobody_installed_does_all_of_it(untouched: dict[str, bytes]) -> None:
    hidden = (
        "import importlib.metadata as m, sys\n"
        "find = m.Distribution.from_name.__func__\n"
        "def from_name(cls, name):\n"
        "    if name == 'subtomo': raise m.PackageNotFoundError(name)\n"
        "    return find(cls, name)\n"
        "m.Distribution.from_name = classmethod(from_name)\n"
        "from subtomo.cli import main\n"
        "sys.exit(main())\n"
    )
    environment = {**os.environ, "SUBTOMO_NO_REPORT": ""}
    for words in (
        WORDS,
        ("--version",),
        ("report", "out"),
        ("average", "--p", "out/particles.star", "--o", "average/"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", hidden, *words], capture_output=True, text=True, check=False, env=environment
        )
        assert run.returncode == 0, run.stderr
        assert "could not" not in run.stderr
        if words == ("--version",):
            assert run.stdout.strip() == subtomo.__version__
    assert volumes() == untouched
    assert f"subtomo {subtomo.__version__}" in Path("out/extraction_summary.json").read_text()
    assert subtomo.__version__ in Path("out/report.html").read_text()


@pytest.mark.parametrize("problem", [RuntimeError("planted"), MemoryError(), ImportError("planted"), RecursionError()])
@pytest.mark.usefixtures("project")
def test_a14_a_report_that_fails_is_a_warning(
    problem: Exception, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("SUBTOMO_NO_REPORT")
    monkeypatch.setattr("subtomo.report.page.write_report", raising(problem))
    assert extract() == 0
    said = capsys.readouterr()
    assert "warning: the report could not be written" in said.err
    assert "10 of 10 particles extracted" in said.out


def raising(problem: BaseException) -> Callable[..., Any]:
    """Make a function that raises."""

    def fail(*arguments: Any, **named: Any) -> None:
        raise problem

    return fail


@pytest.mark.usefixtures("project")
def test_a1_what_is_no_regular_file_is_not_replaced_by_one(capsys: Capture) -> None:
    os.mkfifo("x.star")
    os.symlink("/dev/null", "y.star")
    for name in ("x.star", "y.star"):
        assert main(["optimisation-set", "--p", "particles.star", "--o", name]) == 1
        assert "is no regular file, so it is not replaced" in capsys.readouterr().err
    assert stat.S_ISFIFO(os.stat("x.star").st_mode)
    assert stat.S_ISCHR(os.stat("y.star").st_mode)


UNEXPECTED = {
    "MemoryError": (MemoryError(), "not enough memory"),
    "UnicodeError": (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "planted"), "unexpected UnicodeDecodeError"),
    "TypeError": (TypeError("planted\nin two lines \x9b"), "unexpected TypeError"),
    "RecursionError": (RecursionError("planted"), "unexpected RecursionError"),
    "threads": (RuntimeError("can't start new thread"), "not enough memory"),
    "handles": (OSError(24, "Too many open files"), "too many files are open at a time"),
    "library": (ImportError("libx.so: failed to map segment from shared object"), "not enough memory"),
    "group": (ExceptionGroup("planted", [ValueError(1)]), "unexpected ExceptionGroup"),
}
VERBS = {
    "extract": (WORDS, "subtomo.io.star.read_bytes"),
    "doctor": (("doctor", "--t", "tomograms.star", "--p", "particles.star"), "subtomo.doctor.examine.examine"),
    "average": (("average", "--p", "particles.star", "--o", "a/"), "subtomo.io.star.read_bytes"),
    "compare": (("compare", ".", "."), "subtomo.jobs.compare.compare_trees"),
    "report": (("report", "."), "subtomo.report.page.write_report"),
    "export": (("export", "--p", "particles.star", "--o", "x.star"), "subtomo.io.star.read_bytes"),
    "fidelity": (("fidelity", "--seed", "1"), "subtomo.jobs.fidelity.run_study"),
    "optimisation-set": (("optimisation-set", "--o", "x.star", "--i", "tomograms.star"), "subtomo.io.star.read_bytes"),
    "sample-manifold": (
        ("sample-manifold", "--o", "m/", "--t", "tomograms.star", "--man", "particles.star", "--spacing", "50",
         "--depth", "0", "--max_tilt", "90"),
        "subtomo.io.star.read_bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNEXPECTED)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.usefixtures("project")
def test_a28_whatever_goes_wrong_is_one_line(
    kind: str, verb: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (words, place), (problem, told) = VERBS[verb], UNEXPECTED[kind]
    monkeypatch.setattr(place, raising(problem))
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert line.isprintable()
    assert ".star" in line or verb in line


@pytest.mark.usefixtures("project")
def test_a28_the_line_says_what_was_done_to_which_file(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("subtomo.io.star.read_bytes", raising(ZeroDivisionError("planted")))
    assert main(WORDS) == 1
    assert "while reading tomograms.star: planted; --traceback shows where" in capsys.readouterr().err
    assert main((*WORDS, "--traceback")) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.splitlines()[-1].startswith("error: unexpected ZeroDivisionError (fail, line ")


@pytest.mark.usefixtures("project")
def test_a28_a_run_that_has_begun_keeps_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("subtomo.output.relion_tree.write_records", raising(ZeroDivisionError("planted")))
    assert main(WORDS) == 1
    assert "out/.subtomo/traceback.txt says where" in capsys.readouterr().err
    assert "ZeroDivisionError: planted" in Path("out/.subtomo/traceback.txt").read_text()


@pytest.mark.usefixtures("project")
def test_a28_errors_that_the_user_can_mend_are_traced_on_demand_too(capsys: Capture) -> None:
    assert main((*WORDS, "--traceback", "--bin", "-1")) == 1
    said = capsys.readouterr().err
    assert "SettingsError" in said
    assert said.splitlines()[-1].startswith("error: ")


def test_a28_the_innermost_note_counts() -> None:
    with pytest.raises(ValueError, match="planted") as caught, doing("averaging", "x"), doing("reading", "y.star"):
        raise ValueError("planted")
    assert what_was_done(caught.value) == "reading y.star"
    wrapped = RuntimeError()
    wrapped.__cause__ = caught.value
    assert what_was_done(wrapped) == "reading y.star"
    assert what_was_done(RuntimeError()) == ""


def test_a28_other_threads_may_run_commands() -> None:
    codes = list[int]()
    thread = threading.Thread(target=lambda: codes.append(main(["--version"])))
    thread.start()
    thread.join()
    assert codes == [0]
