"""``subtomo export``: particles in an older or a foreign form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option
from subtomo.cli.messages import error, tell
from subtomo.errors import SettingsError


@Parameter(name="*", group=Group("Files", sort_key=1))
@dataclass(frozen=True)
class ExportOptions:
    """What to write."""

    output_file: Annotated[str, option("--o --output", "The file to write.")]
    particles: Annotated[
        str | None,
        option("--p --particles", "Particle set (STAR); for relion3.1 that of an extraction with whitened terms."),
    ] = None
    style: Annotated[
        Literal["relion3.1", "relion3", "relion4", "dynamo", "stopgap", "em", "imod"],
        option(
            "--style",
            "relion3.1 (default): subtomograms with a 3-D CTF each, as relion_refine 3.1 and programs made for it "
            "read them. Volumes stay where they are. The others are places and orientations, with offsets applied: "
            "relion4, unbinned pixels; relion3, voxels and their size in one table, as programs for RELION 3 have it; "
            "dynamo, a .tbl; stopgap, a motivelist that cryoCAT reads, too; em, that of "
            "AV3; imod, a model per tomogram.",
        ),
    ] = "relion3.1"


@Parameter(name="*", group=Group("Places and orientations", sort_key=2))
@dataclass(frozen=True)
class ExportPlaceOptions:
    """For all styles but relion3.1."""

    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR) that the particles are in.")] = None
    binning: Annotated[
        float, option("--bin --binning", "Of the tomograms whose voxels are counted, against the tilt images.")
    ] = 1.0
    first_voxel: Annotated[float, option("--first-voxel", "Number of the first voxel, 0 or 1.")] = 0.0


GROUPS = (ExportOptions, ExportPlaceOptions)


def export(
    place: Annotated[str | None, Parameter(help="Output folder of an extraction, or its particle set.")] = None,
    /,
    *,
    files: ExportOptions,
    places: ExportPlaceOptions = ExportPlaceOptions(),
) -> int:
    """Write particles for RELION 3 or 4, Dynamo, STOPGAP, AV3 or IMOD."""
    from subtomo.cli.next_step import OPEN, tell_next
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.export import export_particles
    from subtomo.jobs.sources import find_sources

    sources = find_sources(OptimisationSet(files.particles or None), place=place, sets=False)
    if sources.files.particles is None:
        raise SettingsError("--p or --particles is missing, but required, or the folder of an extraction")
    if files.style != "relion3.1":
        return _export_picks(sources.files.particles, files, places)
    n = export_particles(sources.files.particles, files.output_file)
    tell(f"{files.output_file}: {n} particle(s) for RELION 3.1")
    tell_next("relion_refine", "--i", files.output_file, "--ref", OPEN, "--ctf", "--o", "Refine/run")
    return 0


def _export_picks(particles_file: str, files: ExportOptions, places: ExportPlaceOptions) -> int:
    from subtomo.jobs.export_picks import ExportPicksJob, export_picks

    if places.tomograms is None:
        error(f"--t or --tomograms is missing, but required for the style {files.style}")
        return 1
    written = export_picks(
        ExportPicksJob(
            particles_file=particles_file,
            tomograms_file=places.tomograms,
            path=files.output_file,
            style=files.style,
            binning=places.binning,
            first_voxel=places.first_voxel,
        )
    )
    tell(f"particles written for {files.style} into {', '.join(written)}")
    return 0
