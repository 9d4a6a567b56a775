"""``subtomo sample-manifold``: the options of relion_tomo_sample_manifold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from subtomo.cli.arguments import command_line, option
from subtomo.cli.messages import tell, warn


@Parameter(name="*", group=Group("Input and output", sort_key=1))
@dataclass(frozen=True)
class FileOptions:
    """Files to read and write."""

    output_dir: Annotated[str, option("--o --output", "Folder to write to; made if it does not exist.")]
    optimisation_set: Annotated[
        str | None, option("--i --optimisation-set", "Optimisation set that names the files below.")
    ] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR).")] = None
    manifolds: Annotated[str | None, option("--man --manifolds", "Manifolds (STAR): spheres and spheroids.")] = None


@Parameter(name="*", group=Group("Sampling", sort_key=2))
@dataclass(frozen=True)
class SamplingOptions:
    """Where particles are placed."""

    spacing_angstrom: Annotated[
        float, option("--spacing", "Distance between neighbouring particles on the surface, Å.")
    ]
    depth_angstrom: Annotated[
        float, option("--depth", "How far below the surface particles are placed, Å; negative is above.")
    ]
    max_tilt_deg: Annotated[
        float,
        option(
            "--max_tilt --max-tilt",
            "Largest angle between a particle's direction and the plane perpendicular to the tilt axis, degrees.",
        ),
    ]
    avoid_missing_wedge: Annotated[
        bool, option("--nmw --no-missing-wedge", "Leave out where the surface's normal lies in the missing wedge.")
    ] = False
    avoid_present_wedge: Annotated[
        bool, option("--npw --no-present-wedge", "Leave out where the surface's normal lies outside the missing wedge.")
    ] = False


@Parameter(name="*", group=Group("Form of the particle set", sort_key=3))
@dataclass(frozen=True)
class FormOptions:
    """How particles are written; their places are the same."""

    centred: Annotated[
        bool,
        option(
            "--centred",
            "Write ångströms from the tomogram's centre and a complete optics table, as RELION 5 does elsewhere, "
            "instead of pixels and one optics group without amplitude contrast.",
        ),
    ] = False
    store_tilt_series_name: Annotated[
        bool, option("--ts --tilt-series-names", "Write a column with the file of each tilt series.")
    ] = False


GROUPS = (FileOptions, SamplingOptions, FormOptions)
"""All options of the command, in the order of its help."""


def sample_manifold(
    place: Annotated[
        str | None, Parameter(help="Folder of a run, an optimisation set or a tomogram set, instead of --i or --t.")
    ] = None,
    /,
    *,
    files: FileOptions,
    sampling: SamplingOptions,
    form: FormOptions = FormOptions(),
) -> int:
    """Sample particles on surfaces; the z axis of their frame is the surface's outward normal."""
    from subtomo.cli.next_step import OPEN, tell_next
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.sample_manifold import ManifoldJob
    from subtomo.jobs.sample_manifold import sample_manifold as run
    from subtomo.jobs.sources import find_sources_here

    named = OptimisationSet(tomograms=files.tomograms or None, manifolds=files.manifolds or None)
    sources = find_sources_here(named, files.optimisation_set or None, place)
    summary = run(
        ManifoldJob(
            output_dir=files.output_dir,
            tomograms_file=sources.files.tomograms,
            manifolds_file=sources.files.manifolds,
            optimisation_set_file=sources.optimisation_set_file,
            command=command_line.get(),
            **vars(sampling),
            **vars(form),
        )
    )
    for message in summary.warnings:
        warn(message)
    counts = ", ".join(f"{sum(manifolds.values())} in {name}" for name, manifolds in summary.n_particles.items())
    tell(f"{summary.n_total} particles sampled ({counts}) into {summary.output_dir}")
    tell_next("subtomo", "extract", "--i", f"{summary.output_dir}optimisation_set.star", "--b", OPEN, "--o", "Extract/")
    return 0
