"""Which image files a particle set names, whatever kind of images they are."""

from __future__ import annotations

from subtomo.model.particles import ParticleSet


def image_names(particles: ParticleSet) -> tuple[list[str], list[str | None]]:
    """Give the image file of each particle, and that of its weights or None.

    Raises:
        InputError: The set names no images.
    """
    table = particles.table
    table.require("rlnImageName")
    weights: list[str | None] = [None] * len(table)
    if "rlnCtfImage" in table:
        weights = [name or None for name in table.text("rlnCtfImage").tolist()]
    return table.text("rlnImageName").tolist(), weights
