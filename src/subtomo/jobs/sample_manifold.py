"""Sample particles from manifolds, into files (spec/conventions.md §11)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.io.obj import write_cones
from subtomo.io.relion import OptimisationSet, read_tomograms, write_optimisation_set
from subtomo.io.relion.manifolds import (
    SampledParticlesForm,
    read_manifolds,
    write_sampled_particles,
)
from subtomo.jobs.inputs import input_files, needed_file, protect_inputs
from subtomo.jobs.note import write_note
from subtomo.manifolds import sample_manifold as sample_surface
from subtomo.model.manifold import Manifold, ManifoldSample, SamplingSettings
from subtomo.model.notebook import Shown
from subtomo.model.tilt_series import TiltSeries, TomogramSet
from subtomo.output.folders import prepare_folder
from subtomo.output.layout import check_name, output_folder
from subtomo.physics.orientation import euler_to_matrix

_Samples = Sequence[Sequence[ManifoldSample]]

_MAX_SAMPLES = 50_000_000
"""More than this on one manifold is a slip of units, not an experiment."""


@dataclass(frozen=True)
class ManifoldJob:
    """What to sample from which files into which folder."""

    output_dir: str
    spacing_angstrom: float
    depth_angstrom: float
    max_tilt_deg: float
    tomograms_file: str | None = None
    manifolds_file: str | None = None
    optimisation_set_file: str | None = None
    avoid_missing_wedge: bool = False
    avoid_present_wedge: bool = False
    store_tilt_series_name: bool = False
    centred: bool = False
    """Write ångströms from the tomogram's centre and all optics, so that the particles can be extracted at once."""
    command: tuple[str, ...] = ()
    """The command line, for the note that RELION leaves in its folders."""

    @property
    def settings(self) -> SamplingSettings:
        """What determines the samples; SettingsError if that makes no sense."""
        return SamplingSettings(
            self.spacing_angstrom,
            self.depth_angstrom,
            self.max_tilt_deg,
            self.avoid_missing_wedge,
            self.avoid_present_wedge,
        )


@dataclass(frozen=True, repr=False)
class ManifoldSummary(Shown):
    """What a sampling made."""

    output_dir: str
    n_particles: dict[str, dict[int, int]]
    """Tomogram name and manifold index to number of particles; tomograms without manifolds are listed, too."""
    files: tuple[str, ...]
    """In the order in which they were written."""
    warnings: tuple[str, ...] = ()

    @property
    def n_total(self) -> int:
        """Number of particles of all tomograms."""
        return sum(sum(counts.values()) for counts in self.n_particles.values())

    def _facts(self) -> list[tuple[str, Any]]:
        n = sum(map(len, self.n_particles.values()))
        return [
            ("", f"{self.n_total} particles on {n} manifolds of {len(self.n_particles)} tomograms"),
            ("warnings", len(self.warnings) or None),
            ("in", self.output_dir),
        ]


def sample_manifold(job: ManifoldJob) -> ManifoldSummary:
    """Sample all manifolds and write particles, meshes and an optimisation set; STAR files come last.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense, or an input would be overwritten.
    """
    settings = job.settings
    folder = output_folder(job.output_dir)
    named = OptimisationSet(tomograms=job.tomograms_file, manifolds=job.manifolds_file)
    files = input_files(named, job.optimisation_set_file)
    tomograms_file = needed_file(files.tomograms, "tomograms", job.optimisation_set_file)
    manifolds_file = needed_file(files.manifolds, "manifolds", job.optimisation_set_file)
    tomograms = read_tomograms(tomograms_file)
    for tomogram in tomograms:
        check_name(tomogram.name, f"tomogram in {tomogram.source}")
    manifolds = read_manifolds(manifolds_file, tomograms)
    samples = [
        [_sample(tomogram, manifold, settings) for manifold in manifolds.of(tomogram.name)] for tomogram in tomograms
    ]
    files, warnings = _kept_files(job, files, folder)
    written = _write(job, folder, tomograms, samples, files)
    counts = {
        tomogram.name: {sample.manifold.index: len(sample) for sample in of_tomogram}
        for tomogram, of_tomogram in zip(tomograms, samples, strict=True)
    }
    return ManifoldSummary(
        folder,
        counts,
        written,
        (*warnings, *_warnings(job, tomograms, counts, manifolds.unused)),
    )


def _sample(tomogram: TiltSeries, manifold: Manifold, settings: SamplingSettings) -> ManifoldSample:
    """Sample one manifold, refusing what would take all memory or give particles without orientation."""
    radius_angstrom = manifold.surface.radius_px * tomogram.pixel_size_angstrom
    if radius_angstrom > settings.spacing_angstrom * math.sqrt(_MAX_SAMPLES / (4.0 * math.pi)):
        raise InputError(
            f"{manifold.source}: a manifold of mean radius {radius_angstrom:g} Å would get more than {_MAX_SAMPLES} "
            f"particles at a spacing (spacing_angstrom) of {settings.spacing_angstrom:g} Å; check the units of both",
            field="spacing_angstrom",
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        sample = sample_surface(tomogram, manifold, settings)
    if not (np.isfinite(sample.positions_px).all() and np.isfinite(sample.angles_deg).all()):
        raise InputError(
            f"{manifold.source}: somewhere on this manifold there is no surface normal, or the tilt series "
            f"({tomogram.source}) has no tilt axis; check the parameters and the projection angles"
        )
    return sample


def _write(
    job: ManifoldJob, folder: str, tomograms: TomogramSet, samples: _Samples, files: OptimisationSet
) -> tuple[str, ...]:
    meshes = [f"{folder}{tomogram.name}.obj" for tomogram in tomograms]
    particles, optimisation_set = f"{folder}particles.star", f"{folder}optimisation_set.star"
    protect_inputs((*vars(files).values(), job.optimisation_set_file), (*meshes, particles, optimisation_set))
    for name in {os.path.dirname(path) for path in (*meshes, particles)}:
        prepare_folder(name)
    write_note(folder, job.command)
    for mesh, tomogram, of_tomogram in zip(meshes, tomograms, samples, strict=True):
        _write_mesh(mesh, tomogram, of_tomogram, job.spacing_angstrom)
    form = SampledParticlesForm(centred=job.centred, tilt_series_name=job.store_tilt_series_name)
    write_sampled_particles(particles, tomograms, samples, form)
    write_optimisation_set(optimisation_set, replace(files, particles=particles))
    return (f"{folder}note.txt", *meshes, particles, optimisation_set)


def _write_mesh(path: str, tomogram: TiltSeries, samples: Sequence[ManifoldSample], spacing_angstrom: float) -> None:
    """Show every particle as a cone along its z axis, as long as the spacing and as wide."""
    bases = np.concatenate([np.zeros((0, 3)), *(sample.positions_px for sample in samples)])
    angles = np.concatenate([np.zeros((0, 3)), *(sample.angles_deg for sample in samples)])
    axes = spacing_angstrom * euler_to_matrix(angles)[:, :, 2]
    write_cones(path, tomogram.pixel_size_angstrom * bases, axes, 0.5 * spacing_angstrom)


def _kept_files(job: ManifoldJob, files: OptimisationSet, folder: str) -> tuple[OptimisationSet, tuple[str, ...]]:
    """Go on naming trajectories as RELION does, except where the new particles are meant to be extracted at once."""
    if not (job.centred and files.trajectories):
        return files, ()
    note = (
        f"trajectories {files.trajectories} belong to other particles; {folder}optimisation_set.star does not name them"
    )
    return replace(files, trajectories=None), (note,)


def _warnings(
    job: ManifoldJob, tomograms: TomogramSet, counts: dict[str, dict[int, int]], unused: Sequence[str]
) -> list[str]:
    warnings = [
        f"manifold {index} of tomogram {name} gives no particles at this spacing and tilt range"
        for name, of_tomogram in counts.items()
        for index, count in of_tomogram.items()
        if not count
    ]
    if not any(counts.values()):
        warnings.append("none of the tomograms has a manifold; tables of the manifold file carry tomogram names")
    if unused:
        warnings.append(f"manifolds of {', '.join(unused[:5])} belong to no tomogram of the set and are left out")
    first = tomograms[0]
    others = [
        tomogram.name
        for tomogram in tomograms
        if counts[tomogram.name]
        and (tomogram.microscope, tomogram.pixel_size_angstrom) != (first.microscope, first.pixel_size_angstrom)
    ]
    if others and not job.centred:
        warnings.append(
            f"the optics table holds the values of {first.name} only, as RELION writes it; those of "
            f"{', '.join(others[:5])} differ, so extraction will refuse these particles; use centred output"
        )
    return warnings
