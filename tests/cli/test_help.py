"""Help, versions, completion, how much is said, and what comes next."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from subtomo import __version__
from subtomo.cli import main
from subtomo.cli.app import app
from subtomo.cli.arguments import known_options
from subtomo.cli.general import completion_script
from subtomo.cli.pages import COMMANDS as ALL_COMMANDS
from subtomo.cli.pages import IMPORTS, PAGES, groups_of
from subtomo.jobs.progress import Silent
from subtomo.jobs.signals import TerminatedError
from tests.cli.conftest import INPUT_FILES

Capture = pytest.CaptureFixture[str]

# import has commands of its own, whose help is the parser's
COMMANDS = [command for command in ALL_COMMANDS if command != "import"]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def said_by(words: tuple[str, ...], capsys: Capture, code: int = 0) -> str:
    capsys.readouterr()
    assert main(words) == code
    return capsys.readouterr().out


def first_names(command: str) -> Iterator[str]:
    yield from {first for first, _ in known_options(*groups_of(command)).values()}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_short_and_names_every_option_with_its_default(command: str, capsys: Capture) -> None:
    short, full = (said_by((command, flag), capsys) for flag in ("--help", "--help-all"))
    assert len(short.splitlines()) <= 60
    for name in first_names(command):
        assert re.search(rf"(^|[ ]){name}( \(|[ ,].*\[(default: |required))", short, re.MULTILINE), name
        assert re.search(rf"^  {name}[ ,].*\[(default: |required)", full, re.MULTILINE), name
    assert "--help-all" in short or len(list(first_names(command))) < 4
    assert all(len(line) <= 100 for line in short.splitlines() if not line.startswith("  subtomo "))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_their_docstrings_say(command: str) -> None:
    page = PAGES[command]
    assert page.summary == " ".join((page.function.__doc__ or "").partition("\n\n")[0].split())


@pytest.mark.parametrize("command", IMPORTS)
def test_the_list_of_imports_says_what_their_docstrings_say(command: str) -> None:
    path, summary = IMPORTS[command]
    module, _, name = path.partition(":")
    assert getattr(import_module(module), name).__doc__ == summary


@pytest.mark.parametrize("command", COMMANDS)
def test_help_gives_an_example_that_the_command_understands(command: str, capsys: Capture) -> None:
    assert set(PAGES) == set(COMMANDS)
    example = PAGES[command].example
    assert f"Example:\n  {example}\n" in said_by((command, "--help"), capsys)
    program, *words = shlex.split(example)
    assert program == "subtomo"
    # what is missing are files, not options
    function, bound, ignored = app.parse_args(words, exit_on_error=False, print_error=False)
    assert function.__name__ == command.replace("-", "_")
    assert bound.arguments or not ignored


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_help_shows_no_number_that_stands_for_nothing(command: str, flag: str, capsys: Capture) -> None:
    shown = said_by((command, flag), capsys)
    assert not re.search(r"(default: |\()(-1|-999|0\.0)[\])]", shown)


def test_numbers_that_stood_for_nothing_still_do(extract: tuple[str, ...], capsys: Capture) -> None:
    assert main((*extract, "--crop", "-1", "--SNR", "-1", "--div")) == 0


@pytest.mark.parametrize("words", [("help", "extract"), ("extract", "-h"), ("extract",)])
def test_help_is_asked_for_in_several_ways(words: tuple[str, ...], capsys: Capture) -> None:
    assert said_by(words, capsys) == said_by(("extract", "--help"), capsys)


def test_help_of_a_command_that_is_none_names_those_that_are(capsys: Capture) -> None:
    assert main(("help", "extrct")) == 1
    assert "there is no command 'extrct'; commands are average, " in capsys.readouterr().err
    assert "Commands" in said_by(("help",), capsys)


def test_version_is_told_in_two_ways(capsys: Capture) -> None:
    assert said_by(("version",), capsys).startswith(f"subtomo {__version__}, Python 3.")
    assert said_by(("--version",), capsys).strip()


def completed(script: Path, line: str) -> list[str]:
    """Ask bash to complete the last word of a line."""
    words = line.split(" ")
    quoted = " ".join(map(shlex.quote, words))
    code = f"""source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE={shlex.quote(line)}
    COMP_POINT={len(line)}; _subtomo; printf '%s\\n' "${{COMPREPLY[@]}}" """
    found = subprocess.run(["bash", "-c", code], check=True, capture_output=True, text=True).stdout
    return found.split()


def test_bash_completes_commands_options_and_choices(tmp_path: Path, capsys: Capture) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(said_by(("completion", "bash"), capsys), encoding="utf-8")
    assert sorted(completed(script, "subtomo ex")) == ["export", "export-stacks", "extract"]
    assert completed(script, "subtomo extract --for") == ["--for-refine3d"]
    assert completed(script, "subtomo extract --weighting ") == ["relion", "whitened"]
    # nothing of its own after an option with a file: bash then offers files
    assert completed(script, "subtomo extract --p par") == []
    assert "complete -o bashdefault -o default -F _subtomo subtomo" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells_are_understood_by_them(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "completion"
    text = completion_script(app, shell)  # type: ignore[arg-type]
    script.write_text(text, encoding="utf-8")
    assert all(command in text for command in ALL_COMMANDS)
    if shell == "zsh":
        assert ":particles:_files'" in text
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True)


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_says_nothing_of_a_run_that_went_well(flag: str, extract: tuple[str, ...], capsys: Capture) -> None:
    capsys.readouterr()
    assert main((*extract, flag, "--no-report", "--diag")) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_quiet_still_tells_warnings_errors_and_findings(extract: tuple[str, ...], capsys: Capture) -> None:
    assert main(("extract", "-q", *extract[1:], "--b", "31")) == 1
    said = capsys.readouterr()
    assert "warning: --b is given more than once" in said.err
    assert "error: box size (--b) is 31" in said.err
    main(("doctor", *INPUT_FILES, "-q"))
    assert "nothing wrong" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_verbose_names_every_particle(flag: str, extract: tuple[str, ...], capsys: Capture) -> None:
    assert main((*extract, flag, "--no-report")) == 0
    assert re.findall(r"^(\d)/2 (\S+), ", capsys.readouterr().err, re.MULTILINE)[0][0] == "1"


def test_a_value_that_looks_like_quiet_is_a_value(project: Path, extract: tuple[str, ...], capsys: Capture) -> None:
    assert main((*extract, "--o=-q", "--no-report")) == 0
    assert (project / "-q" / "particles.star").exists()
    assert "particles extracted" in capsys.readouterr().out


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def test_a_run_ends_with_the_next_command(extract: tuple[str, ...], capsys: Capture) -> None:
    end = last_line(said_by(extract, capsys))
    assert end == "next: subtomo average --p out/particles.star --o Average/"
    end = last_line(said_by((*shlex.split(end.removeprefix("next: "))[1:], "--particle_diameter", "60"), capsys))
    assert end.startswith("next: relion_postprocess --i Average/half1.mrc --mask Average/mask.mrc --angpix ")
    assert last_line(said_by((*extract, "--stack2d", "--o", "stacks/"), capsys)) == "next: subtomo report stacks/"
    end = last_line(said_by((*extract, "--store", "zarr", "--o", "store/"), capsys))
    assert end == "next: in Python, subtomo.PseudoSubtomograms.open('store/particles.zarr')"


def test_doctor_ends_with_the_extraction_of_what_it_examined(project: Path, capsys: Capture) -> None:
    sizes = ("--b", "32", "--crop", "24", "--bin", "2")
    end = last_line(said_by(("doctor", *INPUT_FILES, *sizes, "--headers-only"), capsys))
    assert (
        end == "next: subtomo extract --p particles_two.star --t tomograms.star --b 32 --crop 24 --bin 2 --o Extract/"
    )


@pytest.mark.parametrize("kind", [KeyboardInterrupt, TerminatedError])
@pytest.mark.parametrize("n_done", [0, 1])
def test_an_interrupted_extraction_says_what_is_kept_and_how_to_go_on(
    kind: type[BaseException], n_done: int, extract: tuple[str, ...], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object, name: str) -> None:
        advance(self, name)
        raise kind("stop") if kind is KeyboardInterrupt else TerminatedError(15)

    from subtomo.cli.progress import Lines

    advance = Lines.advance if n_done else (lambda *_: None)
    monkeypatch.setattr(Lines, "advance", interrupted)
    assert main((*extract, "--no-report")) in (130, 143)
    kept = capsys.readouterr().err
    if n_done:
        assert "note: 1 particle(s) are finished and kept in out/; the same command with --resume makes" in kept
    else:
        assert "kept" not in kept
    assert last_line(kept).startswith("error: ")


def test_silent_listeners_stay_silent(capsys: Capture) -> None:
    Silent().warn("x")
    assert capsys.readouterr().err == ""


def test_help_of_a_family_of_commands_lists_them(capsys: Capture) -> None:
    shown = said_by(("help", "import"), capsys)
    assert said_by(("import", "warp", "--help-all"), capsys) == said_by(("import", "warp", "--help"), capsys)
    assert all(word in shown for word in ("aretomo", "eman2", "imod", "picks", "portal", "warp"))
