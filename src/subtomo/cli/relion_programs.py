"""The command lines of RELION's programs, as its job system and scripts give them, when this program stands in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import get_type_hints

from cyclopts import Parameter

from subtomo.cli import extract, optimisation_set, sample_manifold
from subtomo.cli.arguments import Options, find_option, known_options, pieces, value_of
from subtomo.cli.extract import leader_of_ranks
from subtomo.cli.help import FULL, SHORT, help_text
from subtomo.cli.messages import error, note, warn, within_relion
from subtomo.cli.pages import PAGES
from subtomo.cli.unexpected import TRACEBACK
from subtomo.cli.verbosity import Verbosity
from subtomo.errors import InputError
from subtomo.jobs.control import PipelineControl
from subtomo.jobs.rank_job import Leader, follow
from subtomo.jobs.ranks import ALONE, Ranks, ranks_of
from subtomo.version import __version__

Run = Callable[[list[str], tuple[str, ...]], int]

PROGRAMS: dict[str, tuple[str, tuple[type, ...]]] = {
    "relion_tomo_subtomo": ("extract", extract.GROUPS),
    "relion_tomo_subtomo_mpi": ("extract", extract.GROUPS),
    "relion_tomo_sample_manifold": ("sample-manifold", sample_manifold.GROUPS),
    "relion_tomo_make_optimisation_set": ("optimisation-set", optimisation_set.GROUPS),
}
"""Program to the command that stands in for it, and its options."""
FOR_REFINE3D = "--for-refine3d"
FOR_REFINE3D_VARIABLE = "SUBTOMO_FOR_REFINE3D"
"""Environment variable that gives `FOR_REFINE3D` to all 3-D jobs."""
_CONTROL = "--pipeline_control"
_MPI = "_mpi"
"""Ending of the program that a launcher starts several times."""
_OURS = (*(word for level in Verbosity for word in level.value), TRACEBACK)
_DOSE = "--max_dose"
_FLAT = ("--stack2d", "--real_subtomo")
_OTHERS_NEED = ("--no_ctf", "--no_comb", "--weighting", "--data-term", "--nrm")
"""Whoever gives one of these wants particles of a certain kind, which the variable leaves alone."""


def run_program(program: str, given: Sequence[str], run: Run) -> int:
    """Run one of RELION's programs and give its exit code.

    Args:
        program: Its name.
        given: Its command line, with the options of the program and of ours.
        run: Runs a command of ours, given its words and what the note in the output folder says.
    """
    command, groups = PROGRAMS[program]
    # otherwise numba's colours end in run.out, for launchers show programs a terminal
    os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
    ranks = ranks_of(os.environ) if program.endswith(_MPI) else ALONE
    if ranks.rank:
        _follow(given, known_options(*groups), ranks)
        return 0
    token = within_relion.set(True)
    try:
        if "--version" in given:
            print(f"subtomo {__version__}, in place of {program} of RELION 5.0")
            return 0
        if not given or set(given).intersection((*SHORT, FULL)):
            print(help_text(command, PAGES[command], full=FULL in given))
            return 0
        options = known_options(*groups)
        control, words = _control(given, options)
        words = _understood(program, words, groups)
        if command == "extract":
            words = _as_meant(words, options)
        folder = value_of("--o", words, options)
        if ranks.size > 1 and folder is not None:
            return _lead([command, *words], (program, *words), run, Leader(folder, ranks), options)
        code = run([command, *words], (program, *words))
        if control is not None:
            PipelineControl(control).leave("FAILURE" if code else "SUCCESS")
        return code
    finally:
        within_relion.reset(token)


def _lead(words: list[str], command: tuple[str, ...], run: Run, leader: Leader, options: Options) -> int:
    """Run a command as the first of several ranks."""
    control = PipelineControl(value_of(_CONTROL, words, options))
    try:
        with control.watched(), leader:
            token = leader_of_ranks.set(leader)
            try:
                return run(words, command)
            finally:
                leader_of_ranks.reset(token)
    except InputError as problem:
        error(str(problem))
        control.fail()
        return 1


def _follow(given: Sequence[str], options: Options, ranks: Ranks) -> None:
    """Be another rank than the first, which tells what is wrong with the command line."""
    folder, threads = (value_of(name, given, options) for name in ("--o", "--j"))
    if folder is None or set(given).intersection(("--version", *SHORT, FULL)):
        return
    wanted = int(threads) if threads and threads.isdecimal() else 1
    follow(folder, ranks, max(1, wanted), value_of(_CONTROL, given, options))


def _control(given: Sequence[str], options: Options) -> tuple[str | None, list[str]]:
    """Take the folder of control files out of the words of a command that knows nothing of it."""
    words = list(given)
    if find_option(_CONTROL, options)[0] is None and _CONTROL in words[:-1]:
        place = words.index(_CONTROL)
        return words[place + 1], words[:place] + words[place + 2 :]
    return None, words


def _understood(program: str, given: Sequence[str], groups: tuple[type, ...]) -> list[str]:
    """Keep what the program understands, and warn of everything else, as RELION does (quirk 17)."""
    options, negated = known_options(*groups), set(_negated(groups))
    kept, found = list[str](), list(pieces(given, options))
    for place, (name, piece) in enumerate(found):
        if name is not None or piece[0] in negated or piece[0] in _OURS:
            kept += piece
        elif piece[0].startswith("--"):
            warn(f"option {piece[0]} is not an option of {program}, and is ignored")
        elif not (place and found[place - 1][1][0].startswith("--")):
            # a word behind an option is what the option would have been set to
            warn(f"{piece[0]!r} belongs to no option of {program}, and is ignored")
    return kept


def _negated(groups: tuple[type, ...]) -> Iterator[str]:
    """List the words that switch off what is on by default."""
    for group in groups:
        hints = get_type_hints(group, include_extras=True)
        for field in fields(group):
            parameter = next(extra for extra in hints[field.name].__metadata__ if isinstance(extra, Parameter))
            negative = parameter.negative or ()
            yield from ((negative,) if isinstance(negative, str) else negative)


def _as_meant(words: list[str], options: Options) -> list[str]:
    """Add what RELION's programs take for granted, and what the user wants of all 3-D jobs."""
    # no dose at all means every dose there
    words = [word for name, piece in pieces(words, options) if name != _DOSE or _is_positive(piece) for word in piece]
    given = {name for name, _ in pieces(words, options)}

    def is_given(*names: str) -> bool:
        return any(find_option(name, options)[0] in given for name in names)

    if is_given(*_FLAT):
        if is_given(FOR_REFINE3D):
            note(f"{FOR_REFINE3D} is left out, for it is about volumes, and this job makes 2-D images")
        words = [word for name, piece in pieces(words, options) if name != FOR_REFINE3D for word in piece]
    elif _is_set(FOR_REFINE3D_VARIABLE) and not is_given(FOR_REFINE3D, *_OTHERS_NEED):
        note(f"{FOR_REFINE3D}, because {FOR_REFINE3D_VARIABLE} is set")
        words = [*words, FOR_REFINE3D]
    # a job takes no more of a machine than it is given
    return words if is_given("--j") else [*words, "--j", "1"]


def _is_positive(piece: Sequence[str]) -> bool:
    """Tell whether an option has a value above zero, or one that is no number, about which others complain."""
    try:
        return float(piece[-1].rpartition("=")[2]) > 0
    except ValueError:
        return True


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in ("", "0", "no", "off", "false")
