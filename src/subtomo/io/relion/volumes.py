"""What the particle set of an extraction says of its volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.io.relion.particles import ANGLES, HALF_SET, SUBTOMOGRAM_ANGLES
from subtomo.io.relion.tables import tables_of
from subtomo.model.particles import ParticleSet
from subtomo.model.table import TextArray


@dataclass(frozen=True, eq=False)
class VolumeFiles:
    """Where the volumes of particles are, (n,) each, and what they hold."""

    data: TextArray
    weights: TextArray
    pixel_size_angstrom: float
    size: int
    """Side, voxels."""
    is_premultiplied: NDArray[np.bool_]
    """Whether data are multiplied by the CTF and weights are CTF²; else weights are what the CTF is to an image."""


def read_volume_files(particles: ParticleSet) -> VolumeFiles:
    """Find the volumes of a particle set that an extraction wrote.

    Raises:
        InputError: The set names no volumes, or names images, or volumes of several sizes.
    """
    table, optics, _ = tables_of(particles)
    if "rlnImageName" not in table:
        raise InputError(
            f"{particles.where}: table data_particles has no rlnImageName, so these particles were not extracted "
            "yet; give the particles.star of subtomo extract, or average from the tilt images (from_tilts)",
            field="from_tilts",
        )
    flag = particles.general_table
    flat = flag is not None and len(flag) > 0 and bool(flag.bools("rlnTomoSubTomosAre2DStacks")[0])
    groups = np.unique(particles.optics_group)
    dimensions = (
        optics.ints("rlnImageDimensionality") if "rlnImageDimensionality" in optics else np.full(len(optics), 3)
    )
    if flat or (dimensions[groups] == 2).any():
        raise InputError(
            f"{particles.where}: its particles are 2-D stacks, which are not averaged from files; average them from "
            "the tilt images instead (from_tilts, with box_size and tomograms)",
            field=("from_tilts", "box_size", "tomograms"),
        )
    if "rlnCtfImage" not in table:
        raise InputError(
            f"{particles.where}: table data_particles has no rlnCtfImage, the weights without which there is no "
            "average; extract again, and write the weights, too"
        )
    label = "rlnCtfDataAreCtfPremultiplied"
    premultiplied = optics.bools(label) if label in optics else np.ones(len(optics), np.bool_)
    return VolumeFiles(
        data=table.text("rlnImageName"),
        weights=table.text("rlnCtfImage"),
        pixel_size_angstrom=_same(particles, "rlnImagePixelSize", "pixel sizes", "Å"),
        size=int(_same(particles, "rlnImageSize", "sizes", "voxels")),
        is_premultiplied=premultiplied[particles.optics_group],
    )


def read_half_sets(particles: ParticleSet) -> NDArray[np.int64]:
    """Give the half set of every particle, (n,): 1, 2, or 0 for none.

    Raises:
        InputError: A half set is something else.
    """
    halves = particles.half_set
    if halves is None:
        return np.zeros(len(particles), np.int64)
    wrong = np.flatnonzero((halves < 0) | (halves > 2))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            f"{particles.where}: table data_particles, row {row + 1}: {HALF_SET} is {halves[row]}, but half sets are 1 "
            "and 2 (0 for none)"
        )
    return halves


def require_orientations(particles: ParticleSet) -> bool:
    """Tell whether particles have orientations of their own, and not just those of their subtomograms.

    Raises:
        InputError: They have neither.
    """
    if particles.has_angles:
        return True
    if particles.has_subtomogram_angles:
        return False
    raise InputError(
        f"{particles.where}: table data_particles has neither {', '.join(ANGLES)} nor "
        f"{', '.join(SUBTOMOGRAM_ANGLES)}; without orientations there is nothing to average, so refine them first"
    )


def _same(particles: ParticleSet, label: str, what: str, unit: str) -> float:
    """Read from the optics table what must be the same for all particles."""
    optics = tables_of(particles).optics
    groups = np.unique(particles.optics_group)
    values = optics.floats(label)[groups]
    if np.ptp(values) > 1e-3 * abs(values[0]):
        other = int(np.argmax(np.abs(values - values[0])))
        raise InputError(
            f"{particles.where}: table data_optics: {label} is {values[0]:g} {unit} in row {groups[0] + 1} and "
            f"{values[other]:g} {unit} in row {groups[other] + 1}; an average needs particles of one kind: extract all "
            "with the same box, crop and binning"
        )
    if not values[0] > 0:
        raise InputError(f"{particles.where}: table data_optics: {label} is {values[0]:g}, but must be above zero")
    return float(values[0])


def read_prior_angles(particles: ParticleSet) -> NDArray[np.float64]:
    """Give rot, tilt and psi of the priors, (n, 3) degrees: where there are none, of the particles themselves."""
    angles = particles.angles_deg.copy()
    table = particles.table
    for column, label in enumerate(("rlnAngleRotPrior", "rlnAngleTiltPrior", "rlnAnglePsiPrior")):
        if table is not None and label in table:
            angles[:, column] = table.floats(label)
    return angles
