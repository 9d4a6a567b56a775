"""What a classification begins with: particles in their poses, masks and references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import assigned_halves
from subtomo.errors import InputError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.io.relion import labels
from subtomo.io.relion.volumes import read_half_sets
from subtomo.jobs.progress import ProgressListener
from subtomo.jobs.refine_inputs import read_map
from subtomo.jobs.refine_sources import Opened, RefinementSource
from subtomo.model.particles import ParticleSet
from subtomo.physics.orientation import euler_to_matrix
from subtomo.refinement.poses import Poses

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_FEWEST_PER_CLASS = 4
_SAME = 1e-3
"""Relative difference of references below which they count as one."""


def known_poses(particles: ParticleSet, source: RefinementSource, seed: int, progress: ProgressListener) -> Poses:
    """Take poses and half sets from the particle set.

    Raises:
        InputError: There are no poses, or no particles.
    """
    chosen = source.indices
    if not len(chosen):
        reason = f" ({source.left_out[0]})" if source.left_out else ""
        raise InputError(f"{particles.where}: no particle can be classified{reason}")
    if not particles.has_angles and not particles.has_subtomogram_angles:
        raise InputError(
            f"{particles.where}: the particles have no orientations, and classes are told apart in a common frame; "
            "refine first: subtomo refine, with a reference and a search if orientations are not known at all"
        )
    given = read_half_sets(particles)[chosen]
    if (given == 0).any():
        progress.note(
            f"{int((given == 0).sum())} of {len(given)} particles have no half set ({labels.HALF_SET}); they are "
            f"shared out at random (seed={seed})"
        )
    halves = assigned_halves(given, seed)
    poses = Poses.starting(euler_to_matrix(particles.angles_deg[chosen]), halves)
    return poses.replaced(shift_px=source.starting_shift_px.copy())


def require_enough(n: int, classes: int, where: str) -> None:
    """See that there are particles for so many classes.

    Raises:
        InputError: There are too few.
    """
    if n < classes * _FEWEST_PER_CLASS:
        raise InputError(
            f"{where}: {n} particles are too few for {classes} classes, which need {_FEWEST_PER_CLASS} each at least; "
            "give more particles, or ask for fewer classes (classes)",
            field="classes",
        )


def read_references(paths: Sequence[str], size: int, voxel_angstrom: float) -> list[Float]:
    """Read references, one per class.

    Raises:
        InputError: One does not fit, is empty, or two are the same.
    """
    found: list[Float] = []
    for path in paths:
        density = read_map(path, size, voxel_angstrom, "reference", check_pixels=True)
        if not density.std() > 0:
            raise InputError(f"{path}: all its voxels are {density.flat[0]:g}; give another reference")
        for other, earlier in zip(paths, found, strict=False):
            if np.linalg.norm(density - earlier) < _SAME * np.linalg.norm(earlier):
                raise InputError(
                    f"{other} and {path}: are the same map, so nothing tells their classes apart; give different "
                    "references, or none, to start from random classes",
                    field="reference",
                )
        found.append(density)
    return found


def defocus_angstrom(opened_files: Opened) -> Float | None:
    """Give the mean defocus of each particle, (n,), from its tilt series and height; None if these are not known."""
    particles, source, tomograms = opened_files
    if tomograms is None:
        return None
    items = source.items
    if isinstance(items, PseudoSubtomograms):
        offsets = [plan.defocus_offset_angstrom.mean(axis=1) for plan in items.plan.series if len(plan)]
        heights = np.concatenate(offsets)
    else:
        heights = np.zeros(len(source.indices))
    names = particles.tomogram_names[source.indices].tolist()
    defocus = {}
    for name in dict.fromkeys(names):
        tilts = tomograms[name].tilts
        defocus[name] = float((tilts.defocus_u_angstrom + tilts.defocus_v_angstrom).mean() / 2.0)
    found: Float = np.array([defocus[name] for name in names]) + heights
    return found
