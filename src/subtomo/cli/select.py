"""``subtomo select``: the particles of some classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option
from subtomo.cli.messages import tell
from subtomo.errors import SettingsError


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class SelectInputOptions:
    """Files to read."""

    optimisation_set: Annotated[
        str | None,
        option("--i --optimisation-set", "Optimisation set that names the files below, which override its entries."),
    ] = None
    particles: Annotated[str | None, option("--p --particles", "Particle set (STAR) with classes.")] = None


@Parameter(name="*", group=Group("Output", sort_key=2))
@dataclass(frozen=True)
class SelectOutputOptions:
    """What is written."""

    output_dir: Annotated[
        str, option("--o --output", "Folder for particles.star and optimisation_set.star; made if it does not exist.")
    ]


@Parameter(name="*", group=Group("Selection", sort_key=3))
@dataclass(frozen=True)
class SelectOptions:
    """Which particles are kept."""

    kept_classes: Annotated[str, option("--class --classes", "Numbers of the classes to keep, such as 1,3.")]
    min_probability: Annotated[
        float,
        option("--min-probability --min_probability", "Leave out particles that belong to their class less surely."),
    ] = 0.0


GROUPS: tuple[type, ...] = (SelectInputOptions, SelectOutputOptions, SelectOptions)


def select(
    place: Annotated[
        str | None, Parameter(help="Output folder of a classification, or a STAR file of particles.")
    ] = None,
    /,
    *,
    output: SelectOutputOptions,
    selection: SelectOptions,
    files: SelectInputOptions = SelectInputOptions(),
) -> int:
    """Write the particles of some classes as a particle set and an optimisation set."""
    from subtomo.cli.next_step import tell_next
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.select import select_classes

    try:
        classes = tuple(int(word) for word in selection.kept_classes.split(","))
    except ValueError:
        raise SettingsError(
            f"classes (kept_classes) are {selection.kept_classes!r}, but must be numbers with commas between",
            field="kept_classes",
        ) from None
    named = OptimisationSet(particles=files.particles or None)
    found = select_classes(
        output.output_dir, classes, selection.min_probability, named, files.optimisation_set or None, place
    )
    tell(f"{found.n_kept} of {found.n_all} particles kept: {found.particles_file}, {found.optimisation_set_file}")
    tell_next("subtomo", "refine", "--i", found.optimisation_set_file, "--o", "Refine/")
    return 0
