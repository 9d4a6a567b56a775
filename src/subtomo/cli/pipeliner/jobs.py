"""Extraction, refinement and import as jobs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeliner.display_tools import create_results_display_object
from pipeliner.job_options import (
    EXT_MRC_MAP,
    BooleanJobOption,
    DirPathJobOption,
    FileDescription,
    FloatJobOption,
    InputNodeJobOption,
    IntJobOption,
    MultipleChoiceJobOption,
    StringJobOption,
)
from pipeliner.nodes import (
    NODE_DENSITYMAP,
    NODE_MASK3D,
    NODE_PARTICLEGROUPMETADATA,
    NODE_TOMOGRAMGROUPMETADATA,
    NODE_TOMOOPTIMISATIONSET,
)
from pipeliner.pipeliner_job import PipelinerCommand

from subtomo.cli.pipeliner.base import KEYWORDS, SubtomoJob
from subtomo.foreign.formats import TILT_SERIES


class ExtractJob(SubtomoJob):
    """Extraction of pseudo-subtomograms or 2-D stacks."""

    PROCESS_NAME = "subtomo.extract"
    OUT_DIR = "Extract"
    CATEGORY_LABEL = "PseudoSubTomogram Generation"
    COMMAND = "extract"
    NAMES = {  # noqa: RUF012
        "in_optimisation": "--i",
        "in_particles": "--p",
        "in_tomograms": "--t",
        "box_size": "--b",
        "crop_size": "--crop",
        "binning": "--bin",
        "max_dose": "--max_dose",
        "min_tilts": "--min_frames",
        "stack2d": "--stack2d",
        "for_refine3d": "--for-refine3d",
        "float16": "--float16",
    }

    def __init__(self) -> None:
        super().__init__("Extract pseudo-subtomograms", "Extract particles from tilt series, for relion_refine")
        self._ask_for_particles()
        self._ask_for_sizes(needed=True)
        self.joboptions["max_dose"] = FloatJobOption(
            label="Maximum dose (e/A^2):",
            default_value=None,
            handle_minus_one_as_none=True,
            help_text="Tilts with more dose before them are left out.",
        )
        self.joboptions["min_tilts"] = IntJobOption(
            label="Minimum nr. tilts:",
            default_value=1,
            hard_min=0,
            help_text="Particles that are visible in fewer tilts are left out.",
        )
        self.joboptions["stack2d"] = BooleanJobOption(
            label="Write 2D stacks?", default_value=False, help_text="Stacks of images instead of volumes."
        )
        self.joboptions["for_refine3d"] = BooleanJobOption(
            label="Make volumes for refinement?",
            default_value=True,
            help_text="The cost of a pose is then that of the tilt images, and relion_refine finds better poses. No "
            "effect on 2D stacks.",
        )
        self.joboptions["float16"] = BooleanJobOption(
            label="Write half precision?", default_value=False, help_text="Half the disk, values rounded to 11 bits."
        )
        self.get_runtab_options(threads=True, addtl_args=True)

    def _words(self) -> list[str]:
        words = super()._words()
        return [word for word in words if word != "--for-refine3d"] if "--stack2d" in words else words

    def create_output_nodes(self) -> None:
        """Name the results."""
        self.add_output_node("particles.star", NODE_PARTICLEGROUPMETADATA, KEYWORDS)
        self.add_output_node("optimisation_set.star", NODE_TOMOOPTIMISATIONSET, KEYWORDS)

    def create_results_display(self) -> Sequence[Any]:
        """Show how many particles were made and why others were not, and the report."""
        account = Path(self.output_dir) / "extraction_summary.json"
        if not account.is_file():
            return []
        told = json.loads(account.read_text(encoding="utf-8"))
        causes = [f"{entry['name']}: {entry['reason']}" for entry in told["left_out"]]
        text = "\n".join([f"{told['n_extracted']} of {told['n_particles']} particles extracted", *causes])
        shown = create_results_display_object(
            "text", title="Particles", display_data=text, associated_data=[str(account)]
        )
        return [shown, *self._report()]


class RefineJob(SubtomoJob):
    """Refinement of poses on the cost of the tilt images."""

    PROCESS_NAME = "subtomo.refine"
    OUT_DIR = "Refine3D"
    CATEGORY_LABEL = "3D Refinement"
    COMMAND = "refine"
    NAMES = {  # noqa: RUF012
        "in_optimisation": "--i",
        "in_particles": "--p",
        "in_tomograms": "--t",
        "reference": "--ref",
        "mask": "--solvent_mask",
        "box_size": "--b",
        "crop_size": "--crop",
        "diameter": "--particle_diameter",
        "symmetry": "--sym",
        "initial_resolution": "--ini_high",
        "search": "--search",
        "rounds": "--rounds",
    }

    def __init__(self) -> None:
        super().__init__("Refine poses", "Refine poses in two half sets on the exact cost, from picks or an extraction")
        self._ask_for_particles()
        self.joboptions["reference"] = InputNodeJobOption(
            label="Reference map:",
            node_type=NODE_DENSITYMAP,
            pattern=FileDescription("MRC map", EXT_MRC_MAP),
            help_text="By default the average of the particles in their poses.",
        )
        self.joboptions["mask"] = InputNodeJobOption(
            label="Mask:",
            node_type=NODE_MASK3D,
            pattern=FileDescription("MRC map", EXT_MRC_MAP),
            help_text="By default a sphere.",
        )
        self._ask_for_sizes(needed=False)
        self.joboptions["diameter"] = FloatJobOption(
            label="Particle diameter (A):", default_value=None, help_text="By default estimated."
        )
        self.joboptions["symmetry"] = StringJobOption(
            label="Symmetry:", default_value="C1", help_text="Point group, with axes as in RELION."
        )
        self.joboptions["initial_resolution"] = FloatJobOption(
            label="Initial resolution (A):", default_value=None, help_text="To which the reference is filtered."
        )
        self.joboptions["search"] = MultipleChoiceJobOption(
            label="Search:",
            choices=["local", "priors", "global"],
            default_value_index=0,
            help_text="Near the starting poses, within priors, or everywhere.",
        )
        self.joboptions["rounds"] = IntJobOption(
            label="Rounds at most:", default_value=20, hard_min=1, help_text="It stops by itself before."
        )
        self.get_runtab_options(threads=True, addtl_args=True)

    def _words(self) -> list[str]:
        words = super()._words()
        # binning belongs to building particles from tilt images
        return [*words, "--bin", self.joboptions["binning"].get_string()] if "--b" in words else words

    def create_output_nodes(self) -> None:
        """Name the results."""
        self.add_output_node("run_data.star", NODE_PARTICLEGROUPMETADATA, KEYWORDS)
        self.add_output_node("optimisation_set.star", NODE_TOMOOPTIMISATIONSET, KEYWORDS)
        self.add_output_node("run_class001.mrc", NODE_DENSITYMAP, KEYWORDS)
        for half in (1, 2):
            self.add_output_node(f"run_half{half}_class001_unfil.mrc", NODE_DENSITYMAP, [*KEYWORDS, "halfmap"])
        self.add_output_node("mask.mrc", NODE_MASK3D, KEYWORDS)

    def create_results_display(self) -> Sequence[Any]:
        """Show the map and the report."""
        maps = [node for node in self.output_nodes if node.name.endswith("run_class001.mrc")]
        shown = [node.default_results_display(self.output_dir) for node in maps if Path(node.name).is_file()]
        return [*shown, *self._report()]


class ImportJob(SubtomoJob):
    """Import of tilt series that another program aligned."""

    PROCESS_NAME = "subtomo.import"
    OUT_DIR = "Import"
    CATEGORY_LABEL = "Tomography Import"
    COMMAND = "import"

    def __init__(self) -> None:
        super().__init__("Import tilt series", "Import tilt series that Warp, M, AreTomo, IMOD or EMAN2 aligned")
        self.joboptions["program"] = MultipleChoiceJobOption(
            label="Aligned by:",
            choices=list(TILT_SERIES),
            default_value_index=0,
            help_text="warp is also for M; portal is the CryoET Data Portal.",
        )
        self.joboptions["alignments"] = StringJobOption(
            label="Alignments:", is_required=True, help_text="Files, folders or patterns, with blanks between them."
        )
        self.joboptions["images"] = DirPathJobOption(
            label="Folder of the tilt images:",
            must_exist=False,
            help_text="By default the folder of each alignment.",
        )
        self.joboptions["mdoc"] = DirPathJobOption(
            label="Folder of .mdoc files:", must_exist=False, help_text="By default beside the alignment."
        )
        self.joboptions["ctf"] = DirPathJobOption(
            label="Folder of defocus files:", must_exist=False, help_text="By default beside the alignment."
        )
        self.joboptions["pixel_size"] = FloatJobOption(
            label="Pixel size (A):", default_value=None, help_text="By default that of the images."
        )
        self.joboptions["dose"] = FloatJobOption(
            label="Dose per tilt (e/A^2):", default_value=None, help_text="Where no file says it."
        )
        self.joboptions["thickness"] = FloatJobOption(
            label="Thickness (A):", default_value=None, help_text="Of the tomogram; it only sets its size."
        )
        self.joboptions["hand"] = MultipleChoiceJobOption(
            label="Defocus hand:",
            choices=["as files say", "-1", "1"],
            default_value_index=0,
            help_text="On which side defocus grows.",
        )
        self.get_runtab_options(addtl_args=True)

    NAMES = {  # noqa: RUF012
        "images": "--images",
        "mdoc": "--mdoc",
        "ctf": "--ctf",
        "pixel_size": "--angpix",
        "dose": "--dose-per-tilt",
        "thickness": "--thickness",
    }

    def get_commands(self) -> list[PipelinerCommand]:
        """Give the command line."""
        alignments = shlex.split(self.joboptions["alignments"].get_string())
        words = [self.joboptions["program"].get_string(), *alignments, *self._words()]
        if (hand := self.joboptions["hand"].get_string()) in ("-1", "1"):
            words += ["--hand", hand]
        return [PipelinerCommand(self._whole(words))]

    def create_output_nodes(self) -> None:
        """Name the results."""
        self.add_output_node("tomograms.star", NODE_TOMOGRAMGROUPMETADATA, KEYWORDS)

    def create_results_display(self) -> Sequence[Any]:
        """Show the table of tilt series, and how exactly each was imported."""
        sets = [node for node in self.output_nodes if Path(node.name).is_file()]
        pictures = [str(path) for path in sorted(Path(self.output_dir, "residuals").glob("*.png"))]
        return [
            *(node.default_results_display(self.output_dir) for node in sets),
            *(
                create_results_display_object(
                    "image",
                    title=f"Residuals of {Path(path).stem}",
                    image_path=path,
                    image_desc="Distances in the tilt images between RELION's geometry and the program's",
                    associated_data=[path],
                )
                for path in pictures
            ),
        ]
