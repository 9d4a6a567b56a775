"""Which image files a particle set names, whatever kind of images they are."""

from __future__ import annotations

from subtomo.io.project import Project, in_project
from subtomo.io.relion.tables import tables_of
from subtomo.model.particles import ParticleSet


def image_names(particles: ParticleSet, project: Project = None) -> tuple[list[str], list[str | None]]:
    """Give the image file of each particle, and that of its weights or None.

    Args:
        particles: A set that an extraction wrote.
        project: The folder that its names are relative to; None to give the names as they stand.

    Raises:
        InputError: The set names no images.
    """
    table = tables_of(particles).particles
    table.require("rlnImageName")
    weights: list[str | None] = [None] * len(table)
    if "rlnCtfImage" in table:
        weights = [in_project(name, project) if name else None for name in table.text("rlnCtfImage").tolist()]
    return [in_project(name, project) for name in table.text("rlnImageName").tolist()], weights
