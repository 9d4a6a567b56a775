"""Read as much of a particle set as can be read, and collect what is wrong instead of stopping at the first problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.relion.optics_groups import group_rows, known_groups
from subtomo.io.relion.particles import (
    ANGLES,
    CENTRED,
    CLASS_NUMBER,
    DECENTRED,
    HALF_SET,
    ORIGIN,
    SUBTOMOGRAM_ANGLES,
    assemble,
    given_names,
    particle_table,
    with_names,
    with_optics,
)
from subtomo.io.relion.survey import Problem
from subtomo.io.relion.trajectories import read_trajectories
from subtomo.io.star import find_table, read_tables
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, TextArray
from subtomo.model.tilt_series import TomogramSet

_SHOWN = 4
_WHOLE = ("rlnOpticsGroup", HALF_SET, CLASS_NUMBER)
"""Labels of whole numbers."""


@dataclass(frozen=True, eq=False)
class ParticleSurvey:
    """A particle set as far as it can be read."""

    source: str
    particles: ParticleSet | None = None
    """Without rows that hold no numbers; names that were there before have their row number added."""
    problems: tuple[Problem, ...] = ()
    has_names: bool = False
    """Whether the file names its particles."""


@dataclass
class _Notes:
    source: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, problem: InputError | str) -> None:
        fields = problem.fields if isinstance(problem, InputError) else ()
        self.problems.append(Problem(self.source, str(problem), fields))


def survey_particles(
    path: str | Path, tomograms: TomogramSet | None, *, trajectories: str | Path | None = None
) -> ParticleSurvey:
    """Read particles and their motion; nothing is raised.

    Args:
        path: STAR file with a table ``particles`` and usually one called ``optics``.
        tomograms: From which a missing optics table is made; None if there are none.
        trajectories: STAR file with one table of shifts per particle.
    """
    notes = _Notes(str(path))
    try:
        particles, has_names = _read(path, tomograms, notes)
    except InputError as problem:
        notes.add(problem)
        return ParticleSurvey(notes.source, problems=tuple(notes.problems))
    if trajectories is not None:
        try:
            motion = read_trajectories(trajectories, given_names(particles))
            particles = replace(particles, trajectories=motion)
        except InputError as problem:
            notes.problems.append(Problem(str(trajectories), str(problem), problem.fields))
    return ParticleSurvey(notes.source, particles, tuple(notes.problems), has_names)


def _read(path: str | Path, tomograms: TomogramSet | None, notes: _Notes) -> tuple[ParticleSet, bool]:
    tables = read_tables(path)
    table = particle_table(tables, notes.source)
    general = find_table(tables, "general")
    if general is not None and len(general) and "rlnTomoSubTomosAre2DStacks" not in general:
        notes.add(f"{path}: table data_general has no rlnTomoSubTomosAre2DStacks; add it, or remove the table")
    table, optics = with_optics(table, find_table(tables, "optics"), tomograms)
    has_names = "rlnTomoParticleName" in table
    table = _without_bad_rows(with_names(table), notes)
    names, group = _unique(table.text("rlnTomoParticleName"), notes), _group_index(table, optics, notes)
    return assemble(table, optics, general, names=names, optics_group=group), has_names


def _without_bad_rows(table: Table, notes: _Notes) -> Table:
    """Note all values that are no numbers, and leave out their rows."""
    kept = np.ones(len(table), bool)
    for label in (*CENTRED, *DECENTRED, *ORIGIN, *SUBTOMOGRAM_ANGLES, *ANGLES, *_WHOLE):
        if label not in table:
            continue
        try:
            _ = table.whole_numbers(label) if label in _WHOLE else table.floats(label)
        except InputError as problem:
            bad = ~_numeric(table.text(label))
            others = f" ({int(bad.sum())} rows are like this)" if bad.sum() > 1 else ""
            notes.add(f"{str(problem).rpartition('; ')[0]}{others}; correct it")
            kept &= ~bad
    if not kept.any():
        raise InputError(f"{table.source}: no row of table data_particles can be used; correct its numbers")
    return table if kept.all() else table.take(kept)


def _numeric(tokens: TextArray) -> NDArray[np.bool_]:
    def is_number(token: str) -> bool:
        try:
            value = float(token)
        except ValueError:
            return False
        return "_" not in token and token.isascii() and bool(np.isfinite(value))

    return np.array([is_number(token) for token in tokens.tolist()], bool)


def _unique(names: TextArray, notes: _Notes) -> TextArray:
    """Note names that occur more than once, and tell the later ones apart by their row."""
    counts = Counter(names.tolist())
    twice = [name for name, count in counts.items() if count > 1]
    if not twice:
        return names
    rows = [row + 1 for row, name in enumerate(names.tolist()) if name == twice[0]]
    shown = ", ".join(twice[:_SHOWN]) + (f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else "")
    notes.add(
        f"{len(twice)} name(s) belong to more than one particle: {shown} (the first in rows "
        f"{', '.join(map(str, rows[:_SHOWN]))}), and each would overwrite the other's files; give particles unique "
        "rlnTomoParticleName, for instance tomogram/number"
    )
    seen: dict[str, int] = {}
    result = names.copy()
    for row, name in enumerate(names.tolist()):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            result[row] = f"{name} (row {row + 1})"
    return result


def _group_index(table: Table, optics: Table, notes: _Notes) -> NDArray[np.int64]:
    """Turn group numbers into rows of the optics table; those that do not exist count as the first."""
    groups = table.whole_numbers("rlnOpticsGroup")
    rows = group_rows(groups, optics)
    wrong: Sequence[int] = np.flatnonzero(rows < 0).tolist()
    if wrong:
        notes.add(
            f"rlnOpticsGroup is {groups[wrong[0]]} in row {wrong[0] + 1} ({len(wrong)} rows are like this), but the "
            f"optics table has {known_groups(optics)} only; add rows for them, or correct the numbers"
        )
    return np.maximum(rows, 0)
