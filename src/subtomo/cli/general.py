"""Commands about the command itself, such as ``version`` and ``help``; and the page of help of every other one."""

from __future__ import annotations

import platform
import re
from typing import Annotated, Literal

from cyclopts import App, Parameter

from subtomo.cli import (
    average,
    classify,
    compare,
    doctor,
    export,
    export_stacks,
    extract,
    fidelity,
    optimisation_set,
    refine,
    report,
    sample_manifold,
    select,
)
from subtomo.cli.help import Page, help_text
from subtomo.cli.stand_in import stand_in
from subtomo.errors import SettingsError
from subtomo.version import __version__

PAGES: dict[str, Page] = {
    "average": Page(
        average.average,
        average.GROUPS,
        "subtomo average --p Extract/particles.star --particle_diameter 300 --o Average/",
        ("particles", "optimisation_set", "symmetry", "mask_diameter_angstrom", "from_tilts", "tomograms", "threads"),
    ),
    "classify": Page(
        classify.classify,
        classify.GROUPS,
        "subtomo classify Refine/ --t tomograms.star --b 128 --crop 64 --K 3 --particle_diameter 300 --o Class3D/",
        ("optimisation_set", "particles", "tomograms", "box_size", "crop_size", "binning", "classes", "false_picks",
         "reference", "focus_mask", "ini_high_angstrom", "particle_diameter_angstrom", "starts", "resume", "threads"),
    ),
    "compare": Page(
        compare.compare, compare.GROUPS, "subtomo compare Extract/ Extract-relion/", ("tolerance",), "OURS THEIRS"
    ),
    "doctor": Page(
        doctor.doctor,
        doctor.GROUPS,
        "subtomo doctor --p particles.star --t tomograms.star --b 128 --crop 64 --bin 2",
        ("particles", "tomograms", "optimisation_set", "box_size", "crop_size", "binning", "hand_test", "json"),
    ),
    "export": Page(
        export.export, export.GROUPS, "subtomo export --p Extract/particles.star --o Extract/relion31.star", ("style",)
    ),
    "export-stacks": Page(
        export_stacks.export_stacks,
        export_stacks.GROUPS,
        "subtomo export-stacks --p Refine/run_data.star --t tomograms.star --b 128 --crop 96 --bin 2 --o Stacks/",
        ("particles", "tomograms", "optimisation_set", "crop_size", "binning", "style", "threads"),
    ),
    "extract": Page(
        extract.extract,
        extract.GROUPS,
        "subtomo extract --p particles.star --t tomograms.star --b 128 --crop 64 --bin 2 --for-refine3d --o Extract/",
        ("particles", "tomograms", "optimisation_set", "crop_size", "binning", "for_refine3d", "stack2d", "resume",
         "threads"),
    ),
    "fidelity": Page(
        fidelity.fidelity,
        fidelity.GROUPS,
        "subtomo fidelity --scan snr=0.1,0.02 --o fidelity/",
        ("model_file", "scan", "output_dir"),
    ),
    "optimisation-set": Page(
        optimisation_set.optimisation_set,
        optimisation_set.GROUPS,
        "subtomo optimisation-set --p particles.star --t tomograms.star --o optimisation_set.star",
        ("particles", "tomograms", "trajectories", "manifolds"),
    ),
    "refine": Page(
        refine.refine,
        refine.GROUPS,
        "subtomo refine --t tomograms.star --p particles.star --b 128 --crop 64 --particle_diameter 300 --o Refine/",
        ("optimisation_set", "particles", "tomograms", "reference", "box_size", "crop_size", "binning",
         "particle_diameter_angstrom", "symmetry", "search", "resume", "threads"),
    ),
    "report": Page(report.report, report.GROUPS, "subtomo report Extract/", ("project",), "FOLDER"),
    "sample-manifold": Page(
        sample_manifold.sample_manifold,
        sample_manifold.GROUPS,
        "subtomo sample-manifold --t tomograms.star --man manifolds.star --spacing 80 --depth 0 --max_tilt 90 --o Man/",
        ("tomograms", "manifolds", "optimisation_set", "centred"),
    ),
    "select": Page(
        select.select,
        select.GROUPS,
        "subtomo select Class3D/ --class 1,3 --min-probability 0.9 --o Select/",
        ("kept_classes", "min_probability"),
    ),
}  # fmt: skip
"""Every command by its name."""
GENERAL = ("completion", "help", "stand-in", "version")
FAMILIES = ("import",)
"""Commands that have commands of their own."""
TELLS_RESULTS = ("compare", "doctor", *GENERAL)
"""Commands whose words on stdout are what they are run for."""


def add_general_commands(app: App) -> None:
    """Add the commands about the command."""
    app.command(stand_in, name="stand-in")

    @app.command
    def version() -> None:
        """Tell the versions of the program and of Python."""
        print(f"subtomo {__version__}, Python {platform.python_version()}")

    @app.command(name="help")
    def help_(command: Annotated[str, Parameter(help="A command; without it, all are listed.")] = "", /) -> None:
        """Show the help of a command."""
        if command in PAGES:
            print(help_text(command, PAGES[command], full=False))
        elif command and command not in (*FAMILIES, *GENERAL):
            commands = ", ".join((*sorted((*PAGES, *FAMILIES)), *GENERAL))
            raise SettingsError(f"there is no command {command!r}; commands are {commands}")
        else:
            app.help_print([command] if command else [])

    @app.command
    def completion(
        shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell that is to complete.")], /
    ) -> None:
        """Print a script that lets a shell complete commands, options and names of files.

        For bash: source <(subtomo completion bash)
        """
        print(completion_script(app, shell))


def completion_script(app: App, shell: Literal["bash", "zsh", "fish"]) -> str:
    """Make the script for a shell; where an option takes a value, names of files are offered besides choices."""
    script = app.generate_completion(shell=shell)
    if shell == "bash":
        return script.replace("\ncomplete -F", "\ncomplete -o bashdefault -o default -F")
    if shell == "zsh":
        return re.sub(r":([\w-]+)'( \\)?$", r":\1:_files'\2", script, flags=re.MULTILINE)
    return script
