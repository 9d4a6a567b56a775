"""Write the particles that an extraction leaves out as a particle set of their own, with the reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from subtomo.doing import doing_to_file
from subtomo.io.relion.tables import tables_of
from subtomo.io.star import format_ints, write_tables
from subtomo.model.plan import ExtractionPlan
from subtomo.model.table import text_array

REASON, VISIBLE_TILTS = "subtomoReason", "subtomoVisibleTilts"
"""Labels of our own, which RELION passes over."""


@doing_to_file("writing")
def write_left_out(path: str | Path, plan: ExtractionPlan) -> bool:
    """Write a particle set of what a plan leaves out; without any, remove an older file of that name.

    Rows are those of the particle file, with all their columns, in its order; so the file can be opened wherever the
    particle set can, for instance beside it in a viewer. Two columns are added: the reason, and how many tilts see
    the particle.

    Args:
        path: The STAR file; its folder must exist.
        plan: Of the extraction.

    Returns:
        Whether there was anything to write.

    Raises:
        InputError: A text cannot stand in a STAR file.
    """
    entries = sorted(plan.left_out, key=lambda entry: entry.particle)
    if not entries:
        Path(path).unlink(missing_ok=True)
        return False
    particles = plan.particles.take(np.array([entry.particle for entry in entries], np.int64), with_trajectories=False)
    table, optics, general = tables_of(particles, (entry.series for entry in plan.series))
    table = table.with_column(VISIBLE_TILTS, format_ints([entry.visible_tilts for entry in entries]))
    table = table.with_column(REASON, text_array([entry.reason for entry in entries]))
    tables = [*([general] if general is not None else []), optics, table]
    write_tables(path, tables, number_labels={VISIBLE_TILTS})
    return True
