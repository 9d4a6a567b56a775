"""Decide once, before any image is read, which particles and tilts are extracted and where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import OPTICS_TOLERANCE
from subtomo.errors import InputError
from subtomo.extraction.projector import projection_size, reaches
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import ExtractionPlan, LeftOut, SeriesPlan
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.model.tilt_series import TiltSeries, TomogramSet
from subtomo.physics.deformation import deformation_shift
from subtomo.physics.orientation import compose, euler_to_matrix, rotate
from subtomo.physics.projection import project_depth, project_into_image
from subtomo.words import listed, nearest

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


def plan_extraction(tomograms: TomogramSet, particles: ParticleSet, settings: ExtractionSettings) -> ExtractionPlan:
    """Select particles and tilts, and compute all positions, orientations and defocus offsets.

    Raises:
        InputError: No particle belongs to any tomogram; optics or trajectories contradict the tomogram set.
    """
    plans, left_out = [], _unknown_tomograms(tomograms, particles)
    if len(left_out) == len(particles):
        wanted = sorted({entry.tomogram for entry in left_out})
        known = [tomogram.name for tomogram in tomograms]
        raise InputError(
            f"{particles.where}: no particles found that belong to any of the defined tomograms: they belong to "
            f"{listed(wanted)}{nearest(wanted[0], known) or ','} while {tomograms.source} defines {listed(known)}; "
            "compare the names"
        )
    for tomogram in tomograms:
        members = particles.in_tomogram(tomogram.name)
        if len(members):
            _check_optics(tomogram, particles, members)
            plan, rejected = _plan_tomogram(tomogram, particles, members, settings)
            plans.append(plan)
            left_out += rejected
    return ExtractionPlan(settings, particles, tuple(plans), tuple(left_out))


def _positions_px(
    tomogram: TiltSeries, particles: ParticleSet, members: NDArray[np.int64], frames: Float | None
) -> Float:
    """Give (n, 3) decentred pixel positions of particles, refined offsets applied in the given frames (§3.1)."""
    pixel_size = particles.pixel_size_angstrom[members, None]
    position: Float = particles.coordinates[members]
    if particles.centred:
        position = position / pixel_size + tomogram.centre_px
    if frames is not None:
        position = position - rotate(frames, particles.origin_angstrom[members]) / pixel_size
    return position


def _unknown_tomograms(tomograms: TomogramSet, particles: ParticleSet) -> list[LeftOut]:
    known = {tomogram.name for tomogram in tomograms}
    names = particles.tomogram_names.tolist()
    return [
        LeftOut(
            i,
            str(particles.names[i]),
            name,
            0,
            "unknown tomogram",
            f"its tomogram is not in {tomograms.source or 'the tomogram set'}",
        )
        for i, name in enumerate(names)
        if name not in known
    ]


def _check_optics(tomogram: TiltSeries, particles: ParticleSet, members: NDArray[np.int64]) -> None:
    """Refuse optics groups that contradict the tomogram they are used in (§3.1)."""
    microscope = tomogram.microscope
    for index in np.unique(particles.optics_group[members]):
        group = particles.optics_groups[index]
        pairs = {
            "voltage (kV)": (group.voltage_kv, microscope.voltage_kv),
            "spherical aberration (mm)": (group.spherical_aberration_mm, microscope.spherical_aberration_mm),
            "amplitude contrast": (group.amplitude_contrast, microscope.amplitude_contrast),
            "tilt-series pixel size (Å)": (group.pixel_size_angstrom, tomogram.pixel_size_angstrom),
        }
        for quantity, (of_group, of_tomogram) in pairs.items():
            if of_group is not None and abs(of_group - of_tomogram) > OPTICS_TOLERANCE:
                raise InputError(
                    f"{particles.where}: inconsistent values between optics and tomograms tables: {quantity} is "
                    f"{of_group:g} in optics group {index + 1} ({group.name}), but {of_tomogram:g} in tomogram "
                    f"{tomogram.name} ({tomogram.source}); correct one of the two"
                )


def _plan_tomogram(
    tomogram: TiltSeries, particles: ParticleSet, members: NDArray[np.int64], settings: ExtractionSettings
) -> tuple[SeriesPlan, list[LeftOut]]:
    frames = euler_to_matrix(particles.subtomogram_angles_deg[members])
    positions = _positions_px(tomogram, particles, members, frames if settings.moves_coordinates else None)
    image_positions = _image_positions(tomogram, positions, _motion_px(tomogram, particles, members))
    inside = _inside_images(image_positions, tomogram.image_size, settings)
    limit = settings.max_dose_e_per_a2
    low_dose = np.asarray(tomogram.tilts.dose_e_per_a2 <= (np.inf if limit is None else limit))
    visible = inside & low_dose
    count = visible.sum(axis=1)
    kept = count >= _tilts_needed(settings)
    rejected = [
        _left_out(particles, int(members[i]), inside[i], low_dose, settings) for i in np.flatnonzero(~kept).tolist()
    ]
    if settings.output is Output.PROJECTIONS:
        beyond = np.flatnonzero(kept & ~_in_reconstruction(tomogram, positions, settings))
        rejected += [_beyond(particles, int(members[i]), tomogram, int(count[i])) for i in beyond.tolist()]
        kept[beyond] = False
    particle_frames = compose(frames[kept], euler_to_matrix(particles.angles_deg[members[kept]]))
    plan = SeriesPlan(
        series=tomogram,
        particles=members[kept],
        positions_px=positions[kept],
        image_positions_px=image_positions[kept],
        defocus_offset_angstrom=_defocus_offset(tomogram, positions[kept]),
        orientations=particle_frames if settings.apply_orientations else frames[kept],
        particle_frames=particle_frames,
        visible=visible[kept],
    )
    return plan, rejected


def _motion_px(tomogram: TiltSeries, particles: ParticleSet, members: NDArray[np.int64]) -> Float | None:
    """Give (n, n_tilts, 3) shifts in pixels, None if particles do not move (§3.2)."""
    if particles.trajectories is None:
        return None
    shifts = [particles.trajectories[i] for i in members]
    for i, shift in zip(members, shifts, strict=True):
        if len(shift) != tomogram.n_tilts:
            raise InputError(
                f"trajectory of particle {particles.names[i]}: bad length; expected {tomogram.n_tilts} tilts as in "
                f"{tomogram.source}, found {len(shift)}"
            )
    motion: Float = np.stack(shifts) / tomogram.pixel_size_angstrom
    return motion


def _image_positions(tomogram: TiltSeries, positions: Float, motion: Float | None) -> Float:
    """Project positions into all tilts, motion and deformation included: (n, n_tilts, 2) pixels (§4.3)."""
    moving = positions[:, None, :] if motion is None else positions[:, None, :] + motion
    points = project_into_image(tomogram.tilts.projection, moving)
    deformation = tomogram.tilts.deformation
    if deformation is not None:
        for tilt, coefficients in enumerate(deformation.coefficients):
            points[:, tilt] += deformation_shift(
                deformation.kind, coefficients, deformation.grid, tomogram.image_size, points[:, tilt]
            )
    return points


def _inside_images(points: Float, image_size: tuple[int, int], settings: ExtractionSettings) -> Bool:
    """Tell where the cropped box lies inside the image (§4.5)."""
    radius = settings.binning * settings.crop / 2.0
    inside = (points > radius) & (points < np.array(image_size) - radius)
    return np.logical_and(inside[..., 0], inside[..., 1])


def _defocus_offset(tomogram: TiltSeries, positions: Float) -> Float:
    """Give (n, n_tilts) defocus differences to the tomogram's centre in Å (§6.3); motion does not count."""
    projection = tomogram.tilts.projection
    depth = project_depth(projection, positions[:, None, :]) - project_depth(projection, tomogram.centre_px[None, :])
    offset: Float = tomogram.hand * tomogram.pixel_size_angstrom * tomogram.defocus_slope * depth
    return offset


def _in_reconstruction(tomogram: TiltSeries, positions: Float, settings: ExtractionSettings) -> Bool:
    """Tell which particles (n,) can be cut from the reconstruction; all, if its size is not known."""
    everywhere = np.ones(len(positions), np.bool_)
    if tomogram.reconstruction is None:
        return everywhere
    try:
        shape: tuple[int, ...] | None = getattr(tomogram.reconstruction.volume, "shape", None)
    except InputError:
        return everywhere  # told when the reconstruction is read
    if shape is None:
        return everywhere
    voxel = tomogram.pixel_size_angstrom * tomogram.reconstruction.binning
    size = projection_size(settings.crop * settings.binning * tomogram.pixel_size_angstrom / voxel)
    scale = tomogram.pixel_size_angstrom / voxel
    return np.array([reaches(shape, position * scale, size) for position in positions], np.bool_)


def _beyond(particles: ParticleSet, particle: int, tomogram: TiltSeries, visible: int) -> LeftOut:
    """Say that a particle is left out for it is not in the reconstruction."""
    name, volume = str(particles.names[particle]), getattr(tomogram.reconstruction, "volume", None)
    depth, height, width = getattr(volume, "shape", (0, 0, 0))
    reason = (
        f"its sphere lies outside the reconstruction of {width} x {height} x {depth} voxels, so that nothing can be "
        "cut there; check its coordinates, and the binning of the reconstruction, if that surprises"
    )
    return LeftOut(particle, name, tomogram.name, visible, "outside the reconstruction", reason)


def _tilts_needed(settings: ExtractionSettings) -> int:
    """A volume may be empty if the user allows it; a stack without images is no file."""
    return settings.min_tilts if settings.output is Output.PSEUDO_SUBTOMOGRAM else max(settings.min_tilts, 1)


def _left_out(
    particles: ParticleSet, particle: int, inside: Bool, low_dose: Bool, settings: ExtractionSettings
) -> LeftOut:
    """Say why a particle is left out: its cause is the one that alone would have left it out."""
    visible, outside, needed = int((inside & low_dose).sum()), int((~inside).sum()), _tilts_needed(settings)
    parts = [f"visible in {visible} of {len(inside)} tilts, {needed} needed"]
    if needed > len(inside):
        parts.append("more than the series has: lower the least number of tilts (min_tilts)")
    if outside:
        parts.append(f"too near the edge of the image in {outside}")
    if not low_dose.all():
        parts.append(f"{int((~low_dose).sum())} beyond the dose limit of {settings.max_dose_e_per_a2:g} e/Å²")
    cause = "too few tilts"
    if inside.sum() < needed <= len(inside):
        cause = "too near the edge of the images"
    elif low_dose.sum() < needed <= len(inside):
        cause = "too few tilts within the dose limit"
    name, tomogram = str(particles.names[particle]), str(particles.tomogram_names[particle])
    return LeftOut(particle, name, tomogram, visible, cause, "; ".join(parts))
