"""Optimisation sets: the file that names all files of a project (spec/conventions.md §3.3)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.project import Project, in_project
from subtomo.io.star import find_table, read_tables, write_tables
from subtomo.model.table import Table, text_array

LABELS = {
    "particles": "rlnTomoParticlesFile",
    "tomograms": "rlnTomoTomogramsFile",
    "trajectories": "rlnTomoTrajectoriesFile",
    "manifolds": "rlnTomoManifoldsFile",
}


@dataclass(frozen=True)
class OptimisationSet:
    """The files of a project, as they are named; None if there is none. Reference maps are not kept (quirk 11)."""

    particles: str | None = None
    tomograms: str | None = None
    trajectories: str | None = None
    manifolds: str | None = None

    def overridden_by(self, other: OptimisationSet) -> OptimisationSet:
        """Take every entry that the other set has from there."""
        given = {field.name: getattr(other, field.name) for field in fields(other)}
        return replace(self, **{name: value for name, value in given.items() if value})

    def in_project(self, project: Project) -> OptimisationSet:
        """Give the paths of the files, whose names are relative to the folder of a project."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return OptimisationSet(**{kind: in_project(name, project) for kind, name in named.items() if name})


@doing_to_file("reading")
def read_optimisation_set(path: str | Path) -> OptimisationSet:
    """Read the first table of an optimisation set; entries without a file are None, others the names as they stand.

    Raises:
        InputError: The file is missing or has no table.
    """
    table = find_table(read_tables(path))
    if table is None or not len(table):
        raise InputError(f"{path}: no table in it; expected an optimisation set with e.g. {LABELS['particles']}")
    found = {name: str(table.text(label)[0]) for name, label in LABELS.items() if label in table}
    return OptimisationSet(**{name: value or None for name, value in found.items()})


def write_optimisation_set(path: str | Path, files: OptimisationSet) -> None:
    """Write the entries that are set, in RELION's order; a set without any gives an empty file."""
    named = {label: getattr(files, name) for name, label in LABELS.items() if getattr(files, name)}
    columns = {label: text_array([value]) for label, value in named.items()}
    write_tables(path, [Table("", columns, is_list=True)])
