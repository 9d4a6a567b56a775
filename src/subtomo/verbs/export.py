"""Write particles in the form of another program, from Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from subtomo.jobs.export import export_particles
from subtomo.model.notebook import Shown
from subtomo.verbs.places import Particles, Where, particles_file


@dataclass(frozen=True, repr=False)
class Exported(Shown):
    """Particles in another form."""

    star_file: str
    n_particles: int

    def _facts(self) -> list[tuple[str, Any]]:
        return [("", f"{self.n_particles} particles for RELION 3.1"), ("in", self.star_file)]


def export(particles: Particles, path: Where) -> Exported:
    """Write extracted, whitened particles as subtomograms with a 3-D CTF each, as relion_refine 3.1 reads them.

    Args:
        particles: The particle set of an extraction, by its file or folder, its account, or read from it.
        path: The STAR file to write; its folder must exist. Volumes stay where they are.

    Raises:
        InputError: There are no such particles, they are not whitened, or the folder does not exist.
    """
    return Exported(os.fspath(path), export_particles(particles_file(particles), os.fspath(path)))
