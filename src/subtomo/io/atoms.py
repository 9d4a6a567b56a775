"""Read atomic models."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError

Float = NDArray[np.float64]


class Atoms(NamedTuple):
    """The atoms of a model."""

    positions_angstrom: Float
    """(n, 3) x, y, z from their centre of mass."""
    weights: Float
    """(n,) atomic numbers."""


@doing_to_file("reading")
def read_atoms(path: str | Path) -> Atoms:
    """Read the first model of a PDB or mmCIF file, without hydrogens and water.

    Raises:
        InputError: The file cannot be read, or holds no atoms.
    """
    try:
        structure = gemmi.read_structure(str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an atomic model ({error}); give a PDB or mmCIF file") from error
    structure.remove_waters()
    structure.remove_hydrogens()
    sites = list(structure[0].all()) if len(structure) else []
    if not sites:
        raise InputError(f"{path}: holds no atoms besides water and hydrogens; give a PDB or mmCIF file with a model")
    positions = np.array([site.atom.pos.tolist() for site in sites])
    weights = np.array([site.atom.element.atomic_number for site in sites], dtype=np.float64)
    return Atoms(positions - np.average(positions, axis=0, weights=weights), weights)
