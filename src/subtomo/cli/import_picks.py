"""``subtomo import picks``: particles that other programs picked, as a particle set of RELION 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import command_line, option
from subtomo.cli.field_names import in_words_of_options
from subtomo.cli.messages import error, note

Picks = Annotated[
    str,
    Parameter(
        help="Dynamo .tbl, STOPGAP or EM motivelist, STAR of RELION, Warp or pytom-match-pick, IMOD model, ndjson "
        "of the CryoET Data Portal, JSON of copick, or CSV.",
    ),
]


@Parameter(name="*", group=Group("Input and output", sort_key=1))
@dataclass(frozen=True)
class PicksFileOptions:
    """Where picks go."""

    tomograms: Annotated[str, option("--t --tomograms", "Tomogram set (STAR) that the picks are in.")]
    output_dir: Annotated[str, option("--o --output", "Folder to write to; made if it does not exist.")]
    format_name: Annotated[
        Literal["dynamo", "stopgap", "em", "star", "imod", "copick", "portal", "csv"] | None,
        option("--format", "What the file is; by default it is recognised."),
    ] = None
    tomogram: Annotated[str | None, option("--tomogram", "Tomogram of all picks, for files that name none.")] = None


@Parameter(name="*", group=Group("What positions mean", sort_key=2))
@dataclass(frozen=True)
class PicksPlaceOptions:
    """What the file may not say; whatever is assumed is told."""

    unit: Annotated[
        Literal["voxels", "pixels", "angstrom", "fraction"] | None,
        option(
            "--unit",
            "voxels of the tomogram, pixels of the tilt images, angstrom, or fraction of the tomogram's sides; by "
            "default what the format means.",
        ),
    ] = None
    binning: Annotated[
        float | None, option("--bin --binning", "Of the tomogram against the tilt images, exact: 7.407407.")
    ] = None
    voxel_size_angstrom: Annotated[
        float | None, option("--voxel-size", "Of the tomogram, Å; instead of its binning.")
    ] = None
    size_voxels: Annotated[
        str | None,
        option("--size", "x,y,z of the tomogram in voxels, if it is not that of the tomogram set, binned."),
    ] = None
    first_voxel: Annotated[
        Literal["0", "1"] | None, option("--first-voxel", "Number of the first voxel, 0 (default) or 1.")
    ] = None
    centred: Annotated[bool, option("--centred", "Positions count from the tomogram's centre.")] = False
    flip_z: Annotated[
        bool, option("--flip-z", "The volume's z axis points the other way, as after trimvol -rx against -yz.")
    ] = False


GROUPS = (PicksFileOptions, PicksPlaceOptions)
"""All options of the command, in the order of its help."""


def import_picks(picks: Picks, /, *, files: PicksFileOptions, places: PicksPlaceOptions = PicksPlaceOptions()) -> int:
    """Import picks of another program into the tomograms that they name."""
    from subtomo.jobs.import_picks import ImportPicksJob
    from subtomo.jobs.import_picks import import_picks as run
    from subtomo.jobs.import_place import Placing

    size = _size(places.size_voxels)
    if places.size_voxels is not None and size is None:
        error(f"--size is {places.size_voxels!r}, expected three numbers above zero, as in 928,928,464")
        return 1
    placing = Placing(
        unit="unbinned pixels" if places.unit == "pixels" else places.unit,
        binning=places.binning,
        voxel_size_angstrom=places.voxel_size_angstrom,
        size_voxels=size,
        centred=True if places.centred else None,
        first_voxel=None if places.first_voxel is None else float(places.first_voxel),
        flip_z=places.flip_z,
    )
    summary = run(
        ImportPicksJob(
            picks_file=picks,
            tomograms_file=files.tomograms,
            output_dir=files.output_dir,
            placing=placing,
            format_name=files.format_name,
            tomogram=files.tomogram,
            command=command_line.get(),
        )
    )
    for message in summary.notes:
        note(in_words_of_options(message))
    counts = ", ".join(f"{count} in {name}" for name, count in summary.n_particles.items())
    motion = ", with trajectories" if summary.has_motion else ""
    total = sum(summary.n_particles.values())
    print(f"{total} particles of a {summary.format_name} imported ({counts}) into {summary.particles_file}{motion}")
    return 0


def _size(text: str | None) -> tuple[float, float, float] | None:
    try:
        x, y, z = (float(word) for word in (text or "").replace("x", ",").split(","))
    except ValueError:
        return None
    return (x, y, z) if min(x, y, z) > 0 else None
