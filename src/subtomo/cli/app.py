"""The command ``subtomo``: finds the subcommand, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

from cyclopts import App, CycloptsError
from rich.console import Console

from subtomo.cli import (
    average,
    compare,
    doctor,
    export,
    extract,
    fidelity,
    optimisation_set,
    refine,
    report,
    sample_manifold,
)
from subtomo.cli.arguments import command_line, known_options, last_of_each, value_of
from subtomo.cli.field_names import explained, option_names, options_by_field
from subtomo.cli.messages import error, explain, warn
from subtomo.errors import AbortedError, SubtomoError
from subtomo.io.reading import collected_warnings
from subtomo.jobs.control import PipelineControl
from subtomo.jobs.signals import TerminatedError, termination_as_error

_INTERRUPTED = 130

app = App(
    name="subtomo",
    help="Pseudo-subtomograms for cryo-electron tomography, as relion_refine aligns them.",
    help_format="plaintext",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
app.command(extract.extract, name="extract")
app.command(doctor.doctor, name="doctor")
app.command(average.average, name="average")
app.command(refine.refine, name="refine")
app.command(fidelity.fidelity, name="fidelity")
app.command(report.report, name="report")
app.command(compare.compare, name="compare")
app.command(export.export, name="export")
app.command(optimisation_set.optimisation_set, name="optimisation-set")
app.command(sample_manifold.sample_manifold, name="sample-manifold")

GROUPS: dict[str, tuple[type, ...]] = {
    "average": average.GROUPS,
    "compare": compare.GROUPS,
    "doctor": doctor.GROUPS,
    "export": export.GROUPS,
    "extract": extract.GROUPS,
    "fidelity": fidelity.GROUPS,
    "optimisation-set": optimisation_set.GROUPS,
    "refine": refine.GROUPS,
    "report": report.GROUPS,
    "sample-manifold": sample_manifold.GROUPS,
}
"""Options of every command."""
_OPTIONS = {command: known_options(*groups) for command, groups in GROUPS.items()}


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command line; see `subtomo.cli.main`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, TextIOWrapper):
        # a terminal without Å must not turn the account of a finished run into a traceback
        sys.stdout.reconfigure(errors="replace")
    command_line.set(tuple(words))
    if len(words) == 1 and words[0] in _OPTIONS:
        words.append("--help")
    prefix = None
    if words and words[0] in _OPTIONS:
        option_names.set(options_by_field(*GROUPS[words[0]]))
        words, repeated = last_of_each(words, _OPTIONS[words[0]])
        prefix = value_of("--pipeline_control", words, _OPTIONS[words[0]])
        for name in repeated:
            warn(f"{name} is given more than once; the last value counts")
    try:
        # RELION's pipeline waits for a file that tells the end, however early it comes
        with termination_as_error(), PipelineControl(prefix), collected_warnings(warn):
            return _dispatch(words)
    except CycloptsError as problem:
        error(explain(problem, words, _OPTIONS))
    except AbortedError as problem:
        error(str(problem))
        return 2
    except SubtomoError as problem:
        error(explained(problem))
    except OSError as problem:
        error(str(problem))
    except KeyboardInterrupt:
        error("interrupted")
        return _INTERRUPTED
    except TerminatedError as problem:
        error(str(problem))
        return problem.exit_code
    return 1


def _dispatch(words: list[str]) -> int:
    code = app(words, exit_on_error=False, print_error=False, console=Console(), result_action="return_value")
    return code if isinstance(code, int) else 0
