"""Write the particles of an extraction in the form of another program or an older version."""

from __future__ import annotations

import os

from subtomo.errors import InputError
from subtomo.io.relion import read_particles
from subtomo.io.relion.classical import write_classical_particles


def export_particles(particles_file: str, path: str) -> int:
    """Write extracted, whitened particles as RELION 3.1's subtomograms, and count them.

    Args:
        particles_file: The particle set that an extraction wrote.
        path: The STAR file to write; its folder must exist.

    Raises:
        InputError: There are no such particles, they are not whitened, or the folder does not exist.
    """
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder to write {os.path.basename(path)} to; make it first")
    if os.path.exists(path) and os.path.samefile(path, particles_file):
        raise InputError(f"{path}: is the particle set itself, which must stay; choose another name for the new file")
    particles = read_particles(particles_file)
    write_classical_particles(path, particles)
    return len(particles)
