"""Read and write particle trajectories (spec/conventions.md §3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.star import find_table, format_floats, format_ints, read_tables, write_tables
from subtomo.model.table import Table, TextArray

Float = NDArray[np.float64]

_SHIFTS = ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst")
_LEGACY_FIRST = "0"


def read_trajectories(path: str | Path, names: TextArray) -> list[Float]:
    """Read the shift of each particle in each tilt.

    Args:
        path: STAR file with a table ``general`` and one table per particle; legacy files number their tables from 0.
        names: (n,) of the particles, in the order of the particle file.

    Returns:
        Per particle (n_tilts, 3) shifts in Å in the tomogram's frame, in the order of the tilt table.

    Raises:
        InputError: The file is missing or lacks a particle.
    """
    if not Path(path).is_file():
        raise InputError(
            f"{path}: no such trajectory file (trajectories); correct its name, here or in the optimisation set, or "
            "leave it out",
            field="trajectories",
        )
    tables = read_tables(path)
    general = find_table(tables, "general")
    if general is None or not len(general):
        raise InputError(f"{path}: no table data_general with rlnParticleNumber; expected trajectories")
    count = int(general.ints("rlnParticleNumber")[0])
    if count < len(names):
        raise InputError(f"{path}: holds {count} particles, but the particle set has {len(names)}; insufficient")
    shifts = [table for table in tables if table is not general]
    if shifts and shifts[0].name == _LEGACY_FIRST:
        if len(shifts) < len(names):
            raise InputError(f"{path}: {len(shifts)} trajectories for {len(names)} particles; the file is incomplete")
        return [_shifts(table) for table in shifts[: len(names)]]
    by_name: dict[str, Table] = {}
    for table in shifts:
        by_name.setdefault(table.name, table)
    missing = [name for name in names.tolist() if name not in by_name]
    if missing:
        raise InputError(f"{path}: no trajectory found for particle {missing[0]!r} ({len(missing)} missing in all)")
    return [_shifts(by_name[name]) for name in names.tolist()]


def write_trajectories(path: str | Path, names: Sequence[str], shifts_angstrom: Sequence[Float]) -> None:
    """Write trajectories in the form that names its tables by particle.

    Args:
        path: The file; its folder must exist.
        names: Of the particles.
        shifts_angstrom: Per particle (n_tilts, 3) shifts in Å in the tomogram's frame.
    """
    general = Table("general", {"rlnParticleNumber": format_ints([len(names)])}, is_list=True)
    tables = [
        Table(name, {label: format_floats(shift[:, axis]) for axis, label in enumerate(_SHIFTS)})
        for name, shift in zip(names, shifts_angstrom, strict=True)
    ]
    write_tables(path, [general, *tables], number_labels=(*_SHIFTS, "rlnParticleNumber"))


def _shifts(table: Table) -> Float:
    return np.stack([table.floats(label) for label in _SHIFTS], axis=1)
