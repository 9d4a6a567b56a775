"""Every command: where it is, what it does, and what its page of help shows; it is imported when that is needed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from subtomo.foreign.formats import TILT_SERIES


class Page(NamedTuple):
    """What is known of a command before it is imported."""

    module: str
    """Has the function of the command, under its own last name, and ``GROUPS`` of options."""
    summary: str
    """First sentence of that function's docstring, for the list of all commands."""
    example: str
    """A whole command line."""
    usual: tuple[str, ...] = ()
    """Fields of the options that the short help explains; required ones come first in any case."""
    words: str = ""
    """What stands in front of the options."""

    @property
    def path(self) -> str:
        """Name the function as the parser imports it."""
        return f"{self.module}:{self.module.rpartition('.')[2]}"

    @property
    def function(self) -> Callable[..., int]:
        """Import the command."""
        found: Callable[..., int] = self._named(self.path.rpartition(":")[2])
        return found

    @property
    def groups(self) -> tuple[type, ...]:
        """Import the command, and give its options as dataclasses, in the order of its help."""
        found: tuple[type, ...] = self._named("GROUPS")
        return found

    def _named(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


PAGES: dict[str, Page] = {
    "average": Page(
        "subtomo.cli.average",
        "Average particles into half maps and a merged map, and measure their resolution.",
        "subtomo average --p Extract/particles.star --particle_diameter 300 --o Average/",
        usual=("particles", "optimisation_set", "symmetry", "mask_diameter_angstrom", "from_tilts",
               "tomograms", "threads"),
    ),
    "classify": Page(
        "subtomo.cli.classify",
        "Sort particles into classes on the exact cost, in their poses or with --align, for RELION to go on from.",
        "subtomo classify Refine/ --t tomograms.star --b 128 --crop 64 --K 3 --particle_diameter 300 --o Class3D/",
        usual=("optimisation_set", "particles", "tomograms", "box_size", "crop_size", "binning", "classes",
               "false_picks", "reference", "focus_mask", "ini_high_angstrom", "particle_diameter_angstrom",
               "starts", "resume", "threads"),
    ),
    "compare": Page(
        "subtomo.cli.compare",
        "Compare two output folders file by file: images, STAR files, missing and extra files.",
        "subtomo compare Extract/ Extract-relion/",
        usual=("tolerance",),
        words="OURS THEIRS",
    ),
    "doctor": Page(
        "subtomo.cli.doctor",
        "Examine a project before a long job: files, geometry, units, names, visible tilts, disk, time, hand.",
        "subtomo doctor --p particles.star --t tomograms.star --b 128 --crop 64 --bin 2",
        usual=("particles", "tomograms", "optimisation_set", "box_size", "crop_size", "binning", "hand_test",
               "json"),
    ),
    "export": Page(
        "subtomo.cli.export",
        "Write particles for RELION 3 or 4, Dynamo, STOPGAP, AV3 or IMOD.",
        "subtomo export --p Extract/particles.star --o Extract/relion31.star",
        usual=("style",),
    ),
    "export-stacks": Page(
        "subtomo.cli.export_stacks",
        "Write the tilt images of every particle as they are, and a row for each with its pose, defocus and dose.",
        "subtomo export-stacks --p Refine/run_data.star --t tomograms.star --b 128 --crop 96 --bin 2 --o Stacks/",
        usual=("particles", "tomograms", "optimisation_set", "crop_size", "binning", "style", "threads"),
    ),
    "extract": Page(
        "subtomo.cli.extract",
        "Extract pseudo-subtomograms (or stacks of images) from tilt series.",
        "subtomo extract --p particles.star --t tomograms.star --b 128 --crop 64 --bin 2 --for-refine3d --o Extract/",
        usual=("particles", "tomograms", "optimisation_set", "crop_size", "binning", "for_refine3d",
               "stack2d", "resume", "threads"),
    ),
    "fidelity": Page(
        "subtomo.cli.fidelity",
        "Measure how far the cost by particle files is from the cost by tilt images, on simulated particles.",
        "subtomo fidelity --scan snr=0.1,0.02 --o fidelity/",
        usual=("model_file", "scan", "output_dir"),
    ),
    "optimisation-set": Page(
        "subtomo.cli.optimisation_set",
        "Write an optimisation set: the one file that names all files of a project.",
        "subtomo optimisation-set --p particles.star --t tomograms.star --o optimisation_set.star",
        usual=("particles", "tomograms", "trajectories", "manifolds"),
    ),
    "refine": Page(
        "subtomo.cli.refine",
        "Refine poses on the exact cost, in two half sets, and write what RELION goes on from.",
        "subtomo refine --t tomograms.star --p particles.star --b 128 --crop 64 --particle_diameter 300 --o Refine/",
        usual=("optimisation_set", "particles", "tomograms", "reference", "box_size", "crop_size", "binning",
               "particle_diameter_angstrom", "symmetry", "search", "resume", "threads"),
    ),
    "report": Page(
        "subtomo.cli.report",
        "Write report.html, a page on an extraction, and its pictures into the folder of that extraction.",
        "subtomo report Extract/",
        usual=("project",),
        words="FOLDER",
    ),
    "sample-manifold": Page(
        "subtomo.cli.sample_manifold",
        "Sample particles on surfaces; the z axis of their frame is the surface's outward normal.",
        "subtomo sample-manifold --t tomograms.star --man manifolds.star --spacing 80 --depth 0 --max_tilt 90 --o Man/",
        usual=("tomograms", "manifolds", "optimisation_set", "centred"),
    ),
    "select": Page(
        "subtomo.cli.select",
        "Write the particles of some classes as a particle set and an optimisation set.",
        "subtomo select Class3D/ --class 1,3 --min-probability 0.9 --o Select/",
        usual=("kept_classes", "min_probability"),
    ),
}  # fmt: skip
"""Every command by its name, apart from `FAMILIES` and `GENERAL`."""
IMPORT_MODULES = ("subtomo.cli.import_series", "subtomo.cli.import_picks")
IMPORTS = {
    **{name: (f"{IMPORT_MODULES[0]}:{name}", reader.summary) for name, reader in TILT_SERIES.items()},
    "picks": (
        f"{IMPORT_MODULES[1]}:import_picks",
        "Import picks of another program into the tomograms that they name.",
    ),
}
"""Every command of ``subtomo import``: its function, as the parser imports it, and what it does."""
GENERAL = ("completion", "help", "stand-in", "version")
FAMILIES = ("import",)
"""Commands that have commands of their own."""
COMMANDS = tuple(sorted((*PAGES, *FAMILIES)))
TELLS_RESULTS = ("compare", "doctor", *GENERAL)
"""Commands whose words on stdout are what they are run for."""


def groups_of(command: str) -> tuple[type, ...]:
    """Import a command, or a family of commands, and give its options as dataclasses."""
    if command in PAGES:
        return PAGES[command].groups
    return tuple(group for module in IMPORT_MODULES for group in import_module(module).GROUPS)
