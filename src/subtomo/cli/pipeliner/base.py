"""What the jobs share: the program, questions of all, and how answers become options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeliner.display_tools import create_results_display_object
from pipeliner.job_options import (
    EXT_STARFILE,
    BooleanJobOption,
    FileDescription,
    FloatJobOption,
    InputNodeJobOption,
    IntJobOption,
)
from pipeliner.nodes import (
    NODE_PARTICLEGROUPMETADATA,
    NODE_TOMOGRAMGROUPMETADATA,
    NODE_TOMOOPTIMISATIONSET,
)
from pipeliner.pipeliner_job import ExternalProgram, PipelinerCommand, PipelinerJob

_PROGRAM = "subtomo"
KEYWORDS = ["relion", "tomo", "subtomo"]
_NOT_GIVEN = ("", "None", "-1", "-1.0")


class SubtomoJob(PipelinerJob):
    """What the jobs share: the program, its input, and how options become words.

    Attributes:
        COMMAND: The command of the program.
        NAMES: Question to the option that it sets.
    """

    COMMAND = ""
    NAMES: dict[str, str] = {}  # noqa: RUF012 -- read by the base class, too, which is no dataclass

    def __init__(self, name: str, summary: str) -> None:
        super().__init__()
        self.jobinfo.programs = [ExternalProgram(_PROGRAM, vers_com=[_PROGRAM, "version"])]
        self.jobinfo.display_name = name
        self.jobinfo.short_desc = summary
        self.jobinfo.long_desc = summary

    def _ask_for_particles(self) -> None:
        self.joboptions["in_optimisation"] = InputNodeJobOption(
            label="Input optimisation set:",
            node_type=NODE_TOMOOPTIMISATIONSET,
            help_text="A STAR file that names the files below. Files that are given below go before it.",
        )
        self.joboptions["in_particles"] = InputNodeJobOption(
            label="OR: particle set:",
            node_type=NODE_PARTICLEGROUPMETADATA,
            pattern=FileDescription("Particles STAR file", EXT_STARFILE),
            help_text="Positions, and orientations where there are any.",
        )
        self.joboptions["in_tomograms"] = InputNodeJobOption(
            label="AND: tomogram set:",
            node_type=NODE_TOMOGRAMGROUPMETADATA,
            pattern=FileDescription("Tomograms STAR file", EXT_STARFILE),
            help_text="Tilt series with their alignment and defocus.",
        )

    def _ask_for_sizes(self, *, needed: bool) -> None:
        self.joboptions["box_size"] = IntJobOption(
            label="Box size (binned pix):",
            default_value=128 if needed else None,
            hard_min=4,
            is_required=needed,
            help_text="Side of the squares that are cut from the tilt images. Larger boxes catch more of the signal "
            "that defocus spreads." + ("" if needed else " Leave empty to read particles of an extraction."),
        )
        self.joboptions["crop_size"] = IntJobOption(
            label="Cropped box size (binned pix):",
            default_value=None,
            handle_minus_one_as_none=True,
            help_text="Side of the volumes; by default the box size.",
        )
        self.joboptions["binning"] = FloatJobOption(
            label="Binning factor:",
            default_value=1,
            hard_min=1,
            help_text="Against the tilt images; need not be whole.",
        )

    def _words(self) -> list[str]:
        """Turn what was answered into options: switches by their name alone, what is not answered not at all."""
        words = list[str]()
        for question, option in self.NAMES.items():
            asked = self.joboptions[question]
            if isinstance(asked, BooleanJobOption):
                words += [option] if asked.get_boolean() else []
            elif (answer := str(asked.get_string())) not in _NOT_GIVEN:
                words += [option, answer]
        return words

    def _whole(self, words: Sequence[str]) -> list[Any]:
        command = [_PROGRAM, *self.COMMAND.split(), *words, "--o", self.output_dir]
        if "nr_threads" in self.joboptions:
            command += ["--j", self.joboptions["nr_threads"].get_string()]
        return [*command, *self.parse_additional_args()]

    def get_commands(self) -> list[PipelinerCommand]:
        """Give the command line."""
        return [PipelinerCommand(self._whole(self._words()), relion_control=True)]

    def _report(self, name: str = "report.html") -> list[Any]:
        """Show the page that the program made, if it is there."""
        page = Path(self.output_dir) / name
        if not page.is_file():
            return []
        return [create_results_display_object("html", title="Report", html_file=str(page), associated_data=[str(page)])]
