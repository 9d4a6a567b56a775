"""``subtomo optimisation-set``: the options of relion_tomo_make_optimisation_set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option
from subtomo.cli.messages import note, tell


@Parameter(name="*", group=Group("Files", sort_key=1))
@dataclass(frozen=True)
class FileOptions:
    """What the set names; none of the files is opened but the older set."""

    output_file: Annotated[str, option("--o --output", "The optimisation set to write.")]
    older: Annotated[
        str | None, option("--i --optimisation-set", "An older set; its entries are kept where no file is given here.")
    ] = None
    particles: Annotated[str | None, option("--p --particles", "Particle set (STAR).")] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR).")] = None
    trajectories: Annotated[str | None, option("--mot --trajectories", "Particle trajectories (STAR).")] = None
    manifolds: Annotated[str | None, option("--man --manifolds", "Manifolds (STAR).")] = None


@Parameter(name="*", group=Group("Accepted without effect, as in RELION", sort_key=2))
@dataclass(frozen=True)
class ReferenceOptions:
    """References, which RELION reads and does not write."""

    ref1: Annotated[str | None, option("--ref1 --reference-half1", "First half map; not written.")] = None
    ref2: Annotated[str | None, option("--ref2 --reference-half2", "Second half map; not written.")] = None
    mask: Annotated[str | None, option("--mask --reference-mask", "Mask; not written.")] = None
    fsc: Annotated[str | None, option("--fsc --reference-fsc", "FSC curve; not written.")] = None
    freq_cutoff: Annotated[
        float | None, option("--freq_cutoff --frequency-cutoff", "Frequency cutoff; not written.")
    ] = None
    fsc_thresh_width: Annotated[
        float | None, option("--fsc_thresh_width --fsc-threshold-width", "Width of the FSC threshold; not written.")
    ] = None
    use_snr_weight: Annotated[bool, option("--use_SNR_weight --use-snr-weight", "Weight by SNR; not written.")] = False


GROUPS = (FileOptions, ReferenceOptions)
"""All options of the command, in the order of its help."""


def optimisation_set(*, files: FileOptions, references: ReferenceOptions = ReferenceOptions()) -> int:
    """Write an optimisation set: the one file that names all files of a project."""
    from subtomo.cli.next_step import tell_next
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.optimisation_set import make_optimisation_set

    if any(vars(references).values()):
        note("references are not kept in optimisation sets, as in RELION")
    # RELION's own default for names is an empty one
    given = (name or None for name in (files.particles, files.tomograms, files.trajectories, files.manifolds))
    written = make_optimisation_set(files.output_file, OptimisationSet(*given), files.older or None)
    entries = ", ".join(f"{kind} {name}" for kind, name in vars(written).items() if name)
    tell(f"{files.output_file}: {entries}")
    if written.particles and written.tomograms:
        tell_next("subtomo", "doctor", "--i", files.output_file)
    return 0
