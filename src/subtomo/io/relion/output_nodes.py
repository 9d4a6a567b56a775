"""The list of its results that an External job leaves for RELION's pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from subtomo.io.star import write_tables
from subtomo.model.table import Table, text_array

FILE = "RELION_OUTPUT_NODES.star"

PARTICLES = "ParticleGroupMetadata.star.relion.tomo"
OPTIMISATION_SET = "TomoOptimisationSet.star.relion"
MAP = "DensityMap.mrc.relion"
HALF_MAP = "DensityMap.mrc.relion.halfmap"
MASK = "Mask3D.mrc.relion"


def write_output_nodes(folder: str, kinds: Mapping[str, str]) -> None:
    """List results, which other jobs can take as their input.

    Args:
        folder: Of the job, as the project sees it; ends in a slash.
        kinds: File in the folder to what it is, one of the constants of this module.
    """
    columns = {
        "rlnPipeLineNodeName": text_array(f"{folder}{name}" for name in kinds),
        "rlnPipeLineNodeTypeLabel": text_array(kinds.values()),
    }
    write_tables(Path(folder) / FILE, [Table("output_nodes", columns)])
