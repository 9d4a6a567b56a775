"""The options of ``subtomo average``: names, meaning, and what each does to the numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, whole_number
from subtomo.jobs.cores import available_cores


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class AverageInputOptions:
    """Files to read."""

    optimisation_set: Annotated[
        str | None,
        option("--i --optimisation-set", "Optimisation set that names the files below, which override its entries."),
    ] = None
    particles: Annotated[
        str | None,
        option("--p --particles", "Particle set (STAR): that of an extraction, or with --from-tilts any."),
    ] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR), for --from-tilts.")] = None
    trajectories: Annotated[
        str | None, option("--mot --trajectories", "Particle trajectories (STAR), for --from-tilts.")
    ] = None
    class_number: Annotated[
        int | None, whole_number("--class --class-number", "Average the particles of this class alone.")
    ] = None


@Parameter(name="*", group=Group("Output", sort_key=2))
@dataclass(frozen=True)
class AverageOutputOptions:
    """What is written."""

    output_dir: Annotated[
        str | None,
        option(
            "--o --output",
            "Folder for maps, curves and pictures; made if it does not exist. By default average/ in the folder that "
            "is averaged.",
        ),
    ] = None
    half_maps_only: Annotated[
        bool, option("--half-maps-only", "Write the two half maps, and nothing made of both.")
    ] = False


@Parameter(name="*", group=Group("Maps", sort_key=3))
@dataclass(frozen=True)
class MapOptions:
    """How sums become maps, and how these are compared."""

    symmetry: Annotated[
        str,
        option("--sym --symmetry", "Point group C1, C2 …, D1, D2 …, T, O, I1 to I4, with axes as in RELION."),
    ] = "C1"
    snr: Annotated[
        float | None,
        option(
            "--SNR --snr",
            "Signal-to-noise ratio of a Wiener filter; without it, or with zero or less, weights are clamped at 1/1000 "
            "of their shell's average.",
        ),
    ] = None
    mask_diameter_angstrom: Annotated[
        float | None,
        option(
            "--particle_diameter --mask-diameter",
            "Diameter of the soft spherical mask, edge included, Å; by default estimated from the half maps.",
        ),
    ] = None
    mask_edge_px: Annotated[
        float, option("--mask_edge --mask-edge", "Width of the soft edge of that mask, voxels.")
    ] = 5.0
    mask_file: Annotated[
        str | None, option("--mask --mask-file", "A mask (MRC, 0 to 1, of the maps' size) to use instead of a sphere.")
    ] = None
    seed: Annotated[
        int,
        whole_number("--seed", "Seed of random phases, and of half sets for particles without rlnRandomSubset."),
    ] = 0


@Parameter(name="*", group=Group("From tilt images", sort_key=4))
@dataclass(frozen=True)
class TiltOptions:
    """Particles without files: options as for subtomo extract."""

    from_tilts: Annotated[
        bool,
        option(
            "--from-tilts",
            "Build particles from the tilt images, in their refined orientations and at their refined places; no "
            "particle is written and none interpolated.",
        ),
    ] = False
    box_size: Annotated[
        int | None, whole_number("--b --box-size", "Side of the squares cut from the tilt images, binned pixels, even.")
    ] = None
    crop_size: Annotated[
        int | None,
        whole_number("--crop --crop-size", "Side of the maps, binned pixels, even."),
    ] = None
    binning: Annotated[float, option("--bin --binning", "Binning against the tilt images, 1 or more.")] = 1.0
    max_dose_e_per_a2: Annotated[
        float | None, option("--max_dose --max-dose", "Leave out tilts with more dose than this before them, e/Å².")
    ] = None
    min_tilts: Annotated[
        int, whole_number("--min_frames --min-tilts", "Leave out particles visible in fewer tilts.")
    ] = 1
    dose_cutoff: Annotated[
        float,
        option("--cutoff_fract --dose-cutoff", "Leave out frequencies whose dose weight is not above this fraction."),
    ] = 0.01
    no_ctf: Annotated[bool, option("--no_ctf --no-ctf", "Multiply neither by CTF nor dose weight.")] = False
    keep_contrast: Annotated[bool, option("--no_ic --keep-contrast", "Do not invert the contrast.")] = False
    no_circle_crop: Annotated[
        bool, option("--no_circle_crop --no-circle-crop", "Do not mask CTF-weighted images outside the crop circle.")
    ] = False
    data_term: Annotated[
        Literal["relion", "corrected", "exact"] | None,
        option(
            "--data-term",
            "From files: how their data were added up (see subtomo extract), by default as the extraction's summary "
            "beside them says, else relion, whose damping away from the centre is undone. With --from-tilts: exact "
            "(default), or corrected, which is faster.",
        ),
    ] = None


@Parameter(name="*", group=Group("Computing", sort_key=5))
@dataclass(frozen=True)
class AverageComputingOptions:
    """How it is run."""

    threads: Annotated[
        int,
        whole_number(
            "--j --threads", "Particles at a time; by default one per available core. Results do not depend on it."
        ),
    ] = field(default_factory=available_cores)


GROUPS = (AverageInputOptions, AverageOutputOptions, MapOptions, TiltOptions, AverageComputingOptions)
"""All options of the command, in the order of its help."""
