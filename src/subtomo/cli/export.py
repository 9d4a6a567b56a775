"""``subtomo export``: the particles of an extraction in an older or a foreign form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option
from subtomo.cli.messages import tell


@Parameter(name="*", group=Group("Files", sort_key=1))
@dataclass(frozen=True)
class ExportOptions:
    """What to write."""

    particles_file: Annotated[
        str, option("--p --particles", "Particle set (STAR) of an extraction with whitened terms.")
    ]
    output_file: Annotated[str, option("--o --output", "The STAR file to write.")]
    style: Annotated[
        Literal["relion3.1"],
        option(
            "--style",
            "relion3.1 (default): subtomograms with a 3-D CTF each, as relion_refine 3.1 and programs made for it "
            "read them. Volumes stay where they are.",
        ),
    ] = "relion3.1"


GROUPS = (ExportOptions,)


def export(*, files: ExportOptions) -> int:
    """Write the particle set of an extraction for RELION 3.1."""
    from subtomo.cli.next_step import OPEN, tell_next
    from subtomo.jobs.export import export_particles

    n = export_particles(files.particles_file, files.output_file)
    tell(f"{files.output_file}: {n} particle(s) for RELION 3.1")
    tell_next("relion_refine", "--i", files.output_file, "--ref", OPEN, "--ctf", "--o", "Refine/run")
    return 0
