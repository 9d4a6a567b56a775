"""What kind of STAR file one is, told by its tables, and some of the files that it names."""

from __future__ import annotations

from subtomo.io.image_names import without_format
from subtomo.io.relion.mistaken import no_particles
from subtomo.io.relion.optimisation_set import LABELS
from subtomo.io.star import find_table, read_tables
from subtomo.model.table import Table

_PLACES = {
    "particles": ("rlnImageName", "rlnCtfImage"),
    "global": ("rlnTomoTiltSeriesStarFile", "rlnTomoTiltSeriesName"),
}
"""Table to the labels of its files."""


def kind_of(path: str) -> str:
    """Tell by its tables which file of a project one is: ``particles``, ``tomograms`` or ``optimisation_set``.

    Raises:
        InputError: It cannot be read, or is none of these.
    """
    tables = read_tables(path)
    if any(label in table for table in tables for label in LABELS.values()):
        return "optimisation_set"
    for name, kind in (("particles", "particles"), ("global", "tomograms")):
        table = find_table(tables, name)
        if table is not None and len(table):
            return kind
    raise no_particles(tables, path)


def named_files(path: str) -> tuple[str, ...]:
    """List the first file of each kind that a STAR file names, as it stands there.

    Raises:
        InputError: The file cannot be read.
    """
    tables = read_tables(path)
    found = [
        str(table.text(label)[0]) for table in tables for label in LABELS.values() if label in table and len(table)
    ]
    for name, labels in _PLACES.items():
        table = find_table(tables, name)
        if table is not None and len(table):
            found += [_file_in(table, label) for label in labels if label in table]
    return tuple(filter(None, found))


def _file_in(table: Table, label: str) -> str:
    """Give the file of the first row, without the number of an image in a stack."""
    return without_format(str(table.text(label)[0]).rpartition("@")[2])[0]
