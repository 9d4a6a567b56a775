"""The command ``subtomo``: finds the subcommand, and turns errors into messages and exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from cyclopts import App, CycloptsError
from rich.console import Console

from subtomo.cli import STANDS_IN_FOR
from subtomo.cli.arguments import (
    Options,
    command_line,
    control_prefix,
    find_control_prefix,
    find_option,
    known_options,
    last_of_each,
    pieces,
    value_of,
)
from subtomo.cli.field_names import explained, option_names, options_by_field
from subtomo.cli.floor import shortage
from subtomo.cli.general import add_general_commands
from subtomo.cli.help import FULL, SHORT, help_text
from subtomo.cli.messages import error, explain, trace, warn, within_relion
from subtomo.cli.pages import COMMANDS, FAMILIES, GENERAL, IMPORTS, PAGES, TELLS_RESULTS, groups_of
from subtomo.cli.unexpected import TRACEBACK, told
from subtomo.cli.verbosity import Verbosity, as_quiet_as_wanted, without_verbosity
from subtomo.errors import AbortedError, SettingsError, SubtomoError
from subtomo.io.reading import collected_warnings
from subtomo.jobs.control import PipelineControl
from subtomo.jobs.signals import TerminatedError, termination_as_error
from subtomo.version import __version__
from subtomo.words import invisible, shown, unencodable

app = App(
    name="subtomo",
    help="Pseudo-subtomograms for cryo-electron tomography, as relion_refine aligns them.",
    help_epilogue="subtomo COMMAND --help shows its usual options, --help-all explains all of them.\n"
    "With --traceback, a command that fails shows where in the program that happened.",
    help_format="plaintext",
    version=__version__,
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
for name, page in PAGES.items():
    app.command(page.path, name=name, help=page.summary)
imports = App(name="import", help="Import alignments and picks of other programs, as a project of RELION 5.")
for name, (path, summary) in IMPORTS.items():
    imports.command(path, name=name, help=summary)
app.command(imports)
add_general_commands(app)

_CHECKS_FOLDER = ("average", "export-stacks", "extract", "sample-manifold")
"""Commands that look at the name of their output folder more closely, for it stands in STAR files."""
_MAIN_FILES = ("--particles", "--tomograms", "--optimisation-set", "--manifolds", "--model")


class _KnownOptions(Mapping[str, Options]):
    """The options of every command, which is imported when they are asked for."""

    def __getitem__(self, command: str) -> Options:
        if command in GENERAL:
            return {}
        if command not in COMMANDS:
            raise KeyError(command)
        return _options_of(command)

    def __iter__(self) -> Iterator[str]:
        return iter((*COMMANDS, *GENERAL))

    def __len__(self) -> int:
        return len(COMMANDS) + len(GENERAL)


_OPTIONS = _KnownOptions()


@cache
def _options_of(command: str) -> Options:
    return known_options(*groups_of(command))


def _known_to(words: list[str]) -> Options:
    return _OPTIONS.get(words[0], {}) if words else {}


def run(words: list[str], command: tuple[str, ...] | None = None) -> int:
    """Run a command line; see `subtomo.cli.main`, which takes care of interrupts.

    Args:
        words: The command and its words; or one of RELION's programs and its words.
        command: What is noted beside the results; by default this command line.
    """
    if words and words[0].startswith(STANDS_IN_FOR):
        from subtomo.cli.relion_programs import PROGRAMS, run_program

        if words[0] in PROGRAMS:
            return run_program(words[0], words[1:], run)
    command_line.set(command or ("subtomo", *words))
    wants_traceback = TRACEBACK in words
    words = [word for word in words if word != TRACEBACK]
    if words[:2] == ["export", "stacks"]:
        words[:2] = ["export-stacks"]
    if len(words) == 1 and words[0] in COMMANDS:
        words.append("--help")
    prefix, folder, chosen = None, None, Verbosity.USUAL
    if words and words[0] in COMMANDS:
        option_names.set(options_by_field(*groups_of(words[0])))
        words, chosen = without_verbosity(words, _OPTIONS[words[0]])
        words, repeated = last_of_each(words, _OPTIONS[words[0]])
        prefix, folder = find_control_prefix(words, _OPTIONS[words[0]]), value_of("--output", words, _OPTIONS[words[0]])
        for name in repeated:
            warn(f"{name} is given more than once; the last value counts")
    control_prefix.set(prefix)
    token = within_relion.set(within_relion.get() or prefix is not None)
    try:
        # RELION's pipeline waits for a file that tells the end, however early it comes
        tells_results = not words or words[0] in TELLS_RESULTS
        quiet = as_quiet_as_wanted(chosen, tells_results=tells_results)
        control = PipelineControl(prefix)
        with termination_as_error(run.__code__, control.fail), control, collected_warnings(warn), quiet:
            return _dispatch(words)
    except (Exception, TerminatedError) as problem:
        if wants_traceback:
            trace(problem)
        message, code = _ending(problem, words, folder)
        error(message)
        return code
    finally:
        within_relion.reset(token)


def _ending(problem: BaseException, words: list[str], folder: str | None) -> tuple[str, int]:
    """Put what ended a command into words, and give the exit code."""
    if isinstance(problem, CycloptsError):
        return explain(problem, words, _OPTIONS), 1
    if isinstance(problem, AbortedError):
        return str(problem), 2
    if isinstance(problem, SubtomoError):
        return explained(problem), 1
    if isinstance(problem, TerminatedError):
        return str(problem), problem.exit_code
    assert isinstance(problem, Exception)
    return told(problem, _main_words(words), folder), 1


def _refuse_invisible(word: str) -> None:
    """Refuse what a terminal would hide, or the locale cannot read: the names of files that nobody sees."""
    reason = unencodable(word)
    if reason is None and (strange := invisible(word)) is not None:
        reason = f"holds {strange}; choose another name"
    if reason is not None:
        raise SettingsError(f"{shown(word)!r} {reason}")


def _main_words(words: list[str]) -> str:
    """Name the command, and the file that it is mainly about."""
    command, options = words[0] if words else "", _known_to(words)
    given = (value_of(name, words, options) for name in _MAIN_FILES if find_option(name, options)[0] is not None)
    file = next((name for name in (*given, *words[1:2]) if name and not name.startswith("-")), "")
    return f"{command} on {file}" if file else command


def _dispatch(words: list[str]) -> int:
    known = _known_to(words)
    checked = value_of("--output", words, known) if words and words[0] in _CHECKS_FOLDER else None
    for word in words:
        if checked is None or not word.endswith(checked):
            _refuse_invisible(word)
    if words and words[0] in PAGES:
        asked = {piece[0] for name, piece in pieces(words[1:], known) if name is None}
        if asked.intersection((*SHORT, FULL)):
            print(help_text(words[0], PAGES[words[0]], full=FULL in asked))
            return 0
    if words and words[0] in FAMILIES:
        # whose help is the parser's, and shows all
        words = [SHORT[0] if word == FULL else word for word in words]
    if words and words[0] in COMMANDS and (lack := shortage()) is not None:
        raise SettingsError(lack)
    code = app(words, exit_on_error=False, print_error=False, console=Console(), result_action="return_value")
    return code if isinstance(code, int) else 0
