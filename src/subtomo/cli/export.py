"""``subtomo export``: the particles of an extraction in an older or a foreign form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option
from subtomo.errors import SettingsError


@Parameter(name="*", group=Group("Files", sort_key=1))
@dataclass(frozen=True)
class ExportOptions:
    """What to write."""

    output_file: Annotated[str, option("--o --output", "The STAR file to write.")]
    particles: Annotated[
        str | None, option("--p --particles", "Particle set (STAR) of an extraction with whitened terms.")
    ] = None
    style: Annotated[
        Literal["relion3.1"],
        option(
            "--style",
            "relion3.1 (default): subtomograms with a 3-D CTF each, as relion_refine 3.1 and programs made for it "
            "read them. Volumes stay where they are.",
        ),
    ] = "relion3.1"


GROUPS = (ExportOptions,)


def export(
    place: Annotated[
        str | None, Parameter(help="Output folder of an extraction with whitened terms, or its particle set.")
    ] = None,
    /,
    *,
    files: ExportOptions,
) -> int:
    """Write the particle set of an extraction for RELION 3.1."""
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.export import export_particles
    from subtomo.jobs.sources import find_sources

    sources = find_sources(OptimisationSet(files.particles or None), place=place, sets=False)
    if sources.files.particles is None:
        raise SettingsError("--p or --particles is missing, but required, or the folder of an extraction")
    n = export_particles(sources.files.particles, files.output_file)
    print(f"{files.output_file}: {n} particle(s) for RELION 3.1")
    return 0
