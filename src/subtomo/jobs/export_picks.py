"""Write where particles are, and how they are rotated, for other programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.dynamo import write_table
from subtomo.foreign.imod_model import write_points
from subtomo.foreign.motl import write_em, write_stopgap
from subtomo.io.atomic import atomic_write
from subtomo.io.project import Project, in_project
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.relion.picks_write import marks_of, write_relion3, write_relion4
from subtomo.jobs.inputs import protect_inputs
from subtomo.model.foreign_picks import Float, Int, PickMarks
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import TomogramSet
from subtomo.physics.orientation import compose, euler_to_matrix, matrix_to_euler, rotate

_Write = Callable[[Path, Int, Float, Float | None, PickMarks], None]
_TABLES: dict[str, _Write] = {"dynamo": write_table, "stopgap": write_stopgap, "em": write_em}
STYLES = (*_TABLES, "imod", "relion3", "relion4")


@dataclass(frozen=True)
class ExportPicksJob:
    """Which particles to write for which program."""

    particles_file: str
    tomograms_file: str
    path: str
    style: str
    """One of `STYLES`."""
    binning: float = 1.0
    """Of the tomograms whose voxels are counted."""
    first_voxel: float = 0.0
    """Number of the first voxel."""
    project: Project = None


def export_picks(job: ExportPicksJob) -> tuple[str, ...]:
    """Write particles with their offsets applied, and give the files that were written.

    Tomograms get the last number in their names, or are numbered from 1 if these are not unique; a map beside the table
    says which is which. IMOD gets one model per tomogram.

    Raises:
        InputError: The particles cannot be read or placed, or the folder does not exist.
    """
    if job.style not in STYLES:
        raise InputError(f"style is {job.style!r}, expected one of {', '.join(STYLES)}", field="style")
    if not job.binning > 0:
        raise InputError(f"binning is {job.binning:g}, but must be above zero", field="binning")
    path = Path(in_project(job.path, job.project))
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder to write {path.name} to; make it first")
    tomograms = read_tomograms(in_project(job.tomograms_file, job.project), image_size=(1, 1), project=job.project)
    particles = read_particles(in_project(job.particles_file, job.project), tomograms)
    protect_inputs([particles.source, tomograms.source], [str(path)])
    pixels = unbinned_pixels(particles, tomograms)
    if job.style == "relion4":
        write_relion4(path, particles, pixels)
        return (str(path),)
    voxels = pixels / job.binning + job.first_voxel
    if job.style == "imod":
        return _write_models(path, particles, voxels)
    if job.style == "relion3":
        angles = matrix_to_euler(_rotations(particles))
        write_relion3(path, particles, voxels, angles, particles.pixel_size_angstrom * job.binning)
        return (str(path),)
    rotations = _rotations(particles) if particles.has_angles or particles.has_subtomogram_angles else None
    numbers = _numbers(list(dict.fromkeys(particles.tomogram_names.tolist())))
    of_tomograms = np.array([numbers[name] for name in particles.tomogram_names.tolist()])
    _TABLES[job.style](path, of_tomograms, voxels, rotations, marks_of(particles))
    beside = path.with_suffix(".doc")
    with atomic_write(beside) as stream:
        stream.writelines(f"{number} {name}\n".encode() for name, number in numbers.items())
    return str(path), str(beside)


def unbinned_pixels(particles: ParticleSet, tomograms: TomogramSet) -> Float:
    """Compute where particles are, (n, 3) pixels of the tilt images from the corner, with their offsets applied."""
    missing = next((name for name in particles.tomogram_names.tolist() if name not in tomograms), None)
    if missing is not None:
        raise InputError(f"{particles.source}: has particles in {missing}, which {tomograms.source} does not have")
    pixel = particles.pixel_size_angstrom[:, None]
    frame = euler_to_matrix(particles.subtomogram_angles_deg)
    places = particles.coordinates.copy()
    if particles.centred:
        centres = {tomogram.name: tomogram.centre_px for tomogram in tomograms}
        places = places / pixel + np.stack([centres[name] for name in particles.tomogram_names.tolist()])
    moved: Float = places - rotate(frame, particles.origin_angstrom) / pixel
    return moved


def _rotations(particles: ParticleSet) -> Float:
    return compose(euler_to_matrix(particles.subtomogram_angles_deg), euler_to_matrix(particles.angles_deg))


def _numbers(names: list[str]) -> dict[str, int]:
    """Number tomograms by the last number in their names, or else in their order."""
    last = [
        int(digits[-1]) if (digits := "".join(c if c.isdigit() else " " for c in name).split()) else 0 for name in names
    ]
    unique = len(set(last)) == len(last) and min(last, default=0) > 0
    return dict(zip(names, last if unique else range(1, len(names) + 1), strict=True))


def _write_models(path: Path, particles: ParticleSet, voxels: Float) -> tuple[str, ...]:
    names = list(dict.fromkeys(particles.tomogram_names.tolist()))
    written = []
    for name in names:
        target = (
            path if len(names) == 1 else path.with_name(f"{path.stem}_{os.path.basename(name)}{path.suffix or '.mod'}")
        )
        write_points(target, voxels[particles.in_tomogram(name)])
        written.append(str(target))
    return tuple(written)
