"""What a refinement begins with: particles, their poses, and the maps that are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES, AverageSettings, assigned_halves, spherical_mask
from subtomo.errors import InputError, SettingsError
from subtomo.io.mrc_read import read_volume
from subtomo.io.relion import labels
from subtomo.io.relion.volumes import read_half_sets, read_prior_angles
from subtomo.jobs.progress import ProgressListener
from subtomo.jobs.refine_sources import RefinementSource
from subtomo.model.particles import ParticleSet
from subtomo.physics.orientation import euler_to_matrix
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.settings import Search

if TYPE_CHECKING:
    from subtomo.jobs.refine import RefinementJob

Float = NDArray[np.float64]

FEWEST_PER_HALF = 2


def starting(
    job: RefinementJob, particles: ParticleSet, source: RefinementSource, progress: ProgressListener
) -> tuple[Poses, Priors]:
    """Take poses, priors and half sets from the particle set."""
    settings, chosen = job.settings, source.indices
    if not len(chosen):
        reason = f" ({source.left_out[0]})" if source.left_out else ""
        raise InputError(f"{particles.where}: no particle can be refined{reason}")
    if not particles.has_angles and settings.search is Search.LOCAL and not particles.has_subtomogram_angles:
        raise SettingsError(
            f"{particles.where}: the particles have no orientations, and local refinement needs some; search for them "
            "(search=prior or search=global, with a reference)",
            field=("search", "reference"),
        )
    given = read_half_sets(particles)[chosen]
    if (given == 0).any():
        progress.note(
            f"{int((given == 0).sum())} of {len(given)} particles have no half set ({labels.HALF_SET}); they are "
            f"shared out at random (seed={settings.seed})"
        )
    halves = assigned_halves(given, settings.seed)
    counts = [int((halves == half).sum()) for half in HALVES]
    if min(counts) < FEWEST_PER_HALF:
        raise InputError(
            f"half sets have {counts[0]} and {counts[1]} particles, but each needs {FEWEST_PER_HALF} at least; give "
            "more particles, or correct their half sets"
        )
    rotation = euler_to_matrix(particles.angles_deg[chosen])
    poses = Poses.starting(rotation, halves).replaced(shift_px=source.starting_shift_px.copy())
    angles = np.deg2rad(read_prior_angles(particles)[chosen])
    return poses, Priors(rotation, angles, source.voxel_angstrom, settings)


def given_maps(job: RefinementJob, size: int, voxel: float) -> tuple[Float | None, Float | None]:
    """Read mask and reference."""
    mask = reference = None
    settings = job.settings
    if job.mask_file is not None:
        mask = read_mask(job.mask_file, size, voxel)
    elif settings.particle_diameter_angstrom is not None:
        sphere = AverageSettings(
            mask_diameter_angstrom=settings.particle_diameter_angstrom, mask_edge_px=settings.mask_edge_px
        )
        mask = spherical_mask(size, voxel, sphere)
    if job.reference_file is not None:
        reference = read_map(job.reference_file, size, voxel, "reference", check_pixels=True)
        if not reference.std() > 0:
            raise InputError(f"{job.reference_file}: all its voxels are {reference.flat[0]:g}; give another reference")
        if mask is not None and not np.abs(reference[mask > 0.5]).max(initial=0.0) > 0:
            raise InputError(
                f"the mask ({job.mask_file}) holds nothing of the reference ({job.reference_file}); is it centred on "
                "the particle?"
            )
    return mask, reference


def read_map(path: str, size: int, voxel_angstrom: float, what: str, *, check_pixels: bool) -> Float:
    """Read a mask or a reference, (c, c, c).

    Raises:
        InputError: Its size or pixel size is not the particles', or voxels are not finite.
    """
    values, pixel = read_volume(path)
    if values.shape != (size,) * 3:
        raise InputError(
            f"{path}: is {' x '.join(map(str, values.shape))} voxels (z, y, x), but the particles have {size} on each "
            f"side; make a {what} of that size"
        )
    if check_pixels and pixel > 0 and abs(pixel / voxel_angstrom - 1.0) > 0.02:
        raise InputError(
            f"{path}: has {pixel:g} Å per voxel, but the particles have {voxel_angstrom:g} Å; resample the {what}, or "
            "correct its header"
        )
    if not np.isfinite(values).all():
        raise InputError(f"{path}: has voxels that are not finite; mend the {what}")
    return values.astype(np.float64)


def read_mask(path: str, size: int, voxel_angstrom: float) -> Float:
    """Read a mask.

    Raises:
        InputError: It is no mask.
    """
    mask = read_map(path, size, voxel_angstrom, "mask", check_pixels=False)
    if not (mask.min() >= -1e-3 and 0.5 < mask.max() <= 1.001):
        raise InputError(
            f"{path}: values run from {mask.min():g} to {mask.max():g}, but a mask is 0 outside and 1 inside"
        )
    return mask
