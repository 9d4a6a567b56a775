"""Pose, defocus, dose and tilt of every image of a stack, from the plan of an extraction."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, SeriesPlan
from subtomo.model.settings import CircleCrop, ExtractionSettings, Output
from subtomo.model.tilt_images import TiltImageRows
from subtomo.model.tilt_series import Tilts

Float = NDArray[np.float64]


def plain_image_settings(
    box_size: int,
    crop_size: int | None,
    binning: float = 1.0,
    *,
    max_dose_e_per_a2: float | None = None,
    min_tilts: int = 1,
    invert_contrast: bool = True,
) -> ExtractionSettings:
    """Give the settings of images as they are: cut out, centred and binned; CTF and dose weights do not touch them.

    Args:
        box_size: Of the squares that are cut out, binned pixels.
        crop_size: Of the images; None for the box size.
        binning: Against the tilt images.
        max_dose_e_per_a2: Tilts with more dose before them are left out, e/Å².
        min_tilts: Particles that are visible in fewer tilts are left out.
        invert_contrast: Make density positive.
    """
    return ExtractionSettings(
        box_size=box_size,
        crop_size=crop_size,
        binning=binning,
        output=Output.STACK_2D,
        apply_ctf=False,
        circle_crop=CircleCrop.NONE,
        max_dose_e_per_a2=max_dose_e_per_a2,
        min_tilts=min_tilts,
        invert_contrast=invert_contrast,
    )


def tilt_image_rows(plan: ExtractionPlan) -> TiltImageRows:
    """List the images of all particles of a plan."""
    parts = [particle_rows(entry, index, plan.particles) for entry in plan.series for index in range(len(entry))]
    names = [one.name for one in fields(TiltImageRows)]
    return TiltImageRows(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def particle_rows(entry: SeriesPlan, index: int, particles: ParticleSet) -> TiltImageRows:
    """List the images of one particle: its visible tilts."""
    visible, tilts = np.flatnonzero(entry.visible[index]), entry.series.tilts
    n, particle = len(visible), int(entry.particles[index])
    views = _views(tilts)[visible]
    offset = entry.defocus_offset_angstrom[index, visible]
    seen = entry.series.microscope
    microscope = (seen.voltage_kv, seen.spherical_aberration_mm, seen.amplitude_contrast)
    half = 0 if particles.half_set is None else int(particles.half_set[particle])
    return TiltImageRows(
        particle=np.full(n, particle),
        name=np.full(n, str(particles.names[particle]), object),
        tomogram=np.full(n, entry.series.name, object),
        section=np.arange(n),
        tilt=visible,
        rotation=views @ entry.particle_frames[index],
        defocus=np.stack(
            [
                tilts.defocus_u_angstrom[visible] + offset,
                tilts.defocus_v_angstrom[visible] + offset,
                tilts.astigmatism_deg[visible],
            ],
            axis=-1,
        ),
        phase_shift_deg=tilts.phase_shift_deg[visible],
        scale=tilts.scale[visible],
        b_factor_a2=tilts.b_factor_a2[visible],
        dose_e_per_a2=tilts.dose_e_per_a2[visible],
        tilt_deg=_tilt_angles(tilts)[visible],
        microscope=np.broadcast_to(microscope, (n, 3)),
        half_set=np.full(n, half),
    )


def _views(tilts: Tilts) -> Float:
    """Give the rotations (n, 3, 3) from the tomogram's frame to that of every image."""
    u, v = tilts.projection[:, 0, :3], tilts.projection[:, 1, :3]
    return np.stack([u, v, np.cross(u, v)], axis=1)


def _tilt_angles(tilts: Tilts) -> Float:
    """Give nominal angles where there are any, else those of the alignment, degrees."""
    if tilts.nominal_tilt_deg is not None:
        return tilts.nominal_tilt_deg
    beam = _views(tilts)[:, 2]
    away: Float = np.degrees(np.arctan2(np.hypot(beam[:, 0], beam[:, 1]), beam[:, 2]))
    return np.where(beam[:, 0] > 0, -away, away)
