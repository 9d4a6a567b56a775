"""Write the STAR files of an extraction, when all that they name exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from subtomo.errors import InputError
from subtomo.extraction.projector import projection_size
from subtomo.io.relion import (
    OptimisationSet,
    ParticleFiles,
    write_optimisation_set,
    write_particles,
    write_trajectories,
)
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import Output
from subtomo.model.table import TEXT, TextArray
from subtomo.output.layout import OutputLayout
from subtomo.output.particle_files import Role, suffix_of

_BINNING_TOLERANCE = 0.01


def write_records(
    plan: ExtractionPlan, layout: OutputLayout, files: OptimisationSet, *, keeps_coordinates: bool = True
) -> None:
    """Write particles, what is left of trajectories, and last the optimisation set that names both.

    Args:
        plan: What was extracted.
        layout: Where it is.
        files: Input files that the optimisation set goes on naming.
        keeps_coordinates: Write coordinates also where RELION loses them (quirk 16).
    """
    particle_files = _particle_files(plan, layout)
    write_particles(layout.particles, plan, particle_files, keeps_coordinates=keeps_coordinates)
    if plan.settings.output is Output.PROJECTIONS:
        central = replace(particle_files, images=list(_central_sections(plan, layout)), ctf_images=None)
        write_particles(layout.particles_for_class2d, plan, central, keeps_coordinates=keeps_coordinates)
    written = files.overridden_by(OptimisationSet(particles=layout.particles))
    if plan.particles.trajectories is not None and plan.left_out:
        names = [str(plan.particles.names[i]) for i in plan.indices]
        write_trajectories(layout.trajectories, names, [plan.particles.trajectories[i] for i in plan.indices])
        written = written.overridden_by(OptimisationSet(trajectories=layout.trajectories))
    write_optimisation_set(layout.optimisation_set, written)


def planned_names(plan: ExtractionPlan) -> Iterator[tuple[str, str]]:
    """List tomogram and name of all particles in the order of extraction."""
    for tomogram in plan.series:
        yield from ((tomogram.series.name, name) for name in plan.particles.names[tomogram.particles].tolist())


def reconstruction_binning(plan: ExtractionPlan) -> float:
    """Give the binning of the reconstructed tomograms.

    Raises:
        InputError: There are none, or their binnings differ.
    """
    binnings: dict[str, float] = {}
    for tomogram in (entry.series for entry in plan.series):
        if tomogram.reconstruction is None:
            raise InputError(
                f"tomogram {tomogram.name} ({plan.particles.where}) has no reconstruction; real subtomograms need the "
                "reconstructed tomogram (or both halves) and its binning in the tomogram set"
            )
        binnings[tomogram.name] = tomogram.reconstruction.binning
    first_name, first = next(iter(binnings.items()))
    for name, binning in binnings.items():
        if abs(binning - first) > _BINNING_TOLERANCE:
            raise InputError(
                f"the tomogram binning is {first:g} for {first_name}, but {binning:g} for {name}; "
                "real subtomograms need reconstructions of equal binning"
            )
    return first


def require_nominal_tilts(plan: ExtractionPlan) -> None:
    """Raise InputError if the projection nearest to zero tilt could not be told."""
    for entry in plan.series:
        if entry.series.tilts.nominal_tilt_deg is None:
            raise InputError(
                f"{entry.series.source}: no nominal stage tilt angles; real subtomograms need them to find the "
                "projection nearest to zero tilt"
            )


def _particle_files(plan: ExtractionPlan, layout: OutputLayout) -> ParticleFiles:
    settings = plan.settings
    image, weights = (suffix_of(role, settings.output) for role in (Role.IMAGE, Role.WEIGHTS))
    size, binning = settings.crop, settings.binning
    if settings.output is Output.PROJECTIONS:
        binning = reconstruction_binning(plan)
        # rounded from another expression than the size of the files (quirk 15)
        size = projection_size(settings.crop * settings.binning / binning)
    # the weights are named even where they are not written (quirk 9)
    ctf_images = None if weights is None else _names_of(plan, layout, weights)
    return ParticleFiles(_names_of(plan, layout, image or ""), ctf_images, size, binning)


def _names_of(plan: ExtractionPlan, layout: OutputLayout, suffix: str) -> TextArray:
    """Name a file of every particle, in the order of extraction."""
    files = np.empty(len(plan), TEXT)
    first = 0
    for entry in plan.series:
        beginning, names = layout.root(entry.series.name, ""), plan.particles.names[entry.particles]
        files[first : first + len(names)] = np.strings.add(np.strings.add(beginning, names), suffix)
        first += len(names)
    return files


def _central_sections(plan: ExtractionPlan, layout: OutputLayout) -> Iterator[str]:
    """Name of each particle's projections the one whose tilt is nearest to zero."""
    for entry in plan.series:
        nominal = entry.series.tilts.nominal_tilt_deg
        if nominal is None:
            continue  # refused by `require_nominal_tilts`
        for particle, visible in zip(entry.particles, entry.visible, strict=True):
            section = 1 + int(np.argmin(np.abs(nominal[visible])))
            root = layout.root(entry.series.name, str(plan.particles.names[particle]))
            yield f"{section}@{root}{suffix_of(Role.IMAGE, plan.settings.output)}"
