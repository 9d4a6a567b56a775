"""The options of ``subtomo refine``: RELION's names where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, whole_number
from subtomo.jobs.cores import available_cores

SigmaAngles = Annotated[
    float | None,
    option("--sigma_ang --sigma-ang", "Standard deviation of rotations from the starting orientation, degrees."),
]
SigmaRot = Annotated[
    float | None, option("--sigma_rot --sigma-rot", "Standard deviation of rot about its prior, degrees.")
]
SigmaTilt = Annotated[
    float | None, option("--sigma_tilt --sigma-tilt", "Standard deviation of tilt about its prior, degrees.")
]
SigmaPsi = Annotated[
    float | None, option("--sigma_psi --sigma-psi", "Standard deviation of psi about its prior, degrees.")
]
SigmaOffset = Annotated[
    float, option("--sigma-offset --sigma_offset", "Standard deviation of shifts from the starting position, Å.")
]


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class RefineInputOptions:
    """Files to read."""

    optimisation_set: Annotated[
        str | None,
        option("--i --optimisation-set", "Optimisation set that names the files below, which override its entries."),
    ] = None
    particles: Annotated[
        str | None,
        option("--p --particles --in_parts", "Particle set (STAR); --in_parts is the name that External jobs give it."),
    ] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR).")] = None
    trajectories: Annotated[str | None, option("--mot --trajectories", "Particle trajectories (STAR).")] = None
    reference: Annotated[
        str | None,
        option(
            "--ref --reference --in_3dref",
            "Map (MRC) to begin with; by default the particles' own average in their poses.",
        ),
    ] = None
    solvent_mask: Annotated[
        str | None,
        option(
            "--solvent_mask --solvent-mask --in_mask",
            "A mask (MRC, 0 to 1, of the maps' size) to use instead of a sphere.",
        ),
    ] = None


@Parameter(name="*", group=Group("Output", sort_key=2))
@dataclass(frozen=True)
class RefineOutputOptions:
    """What is written."""

    output_dir: Annotated[
        str, option("--o --output", "Folder for poses, maps and the report; made if it does not exist.")
    ]
    resume: Annotated[bool, option("--resume", "Go on after the last round that an earlier run finished.")] = False


@Parameter(name="*", group=Group("Particles from tilt images", sort_key=3))
@dataclass(frozen=True)
class RefineTiltOptions:
    """How particles are built; without --b the files of an extraction are read."""

    box_size: Annotated[
        int | None, whole_number("--b --box-size", "Side of the squares cut from the tilt images, binned pixels.")
    ] = None
    crop_size: Annotated[
        int | None, whole_number("--crop --crop-size", "Side of the volumes, binned pixels; by default that of --b.")
    ] = None
    binning: Annotated[float, option("--bin --binning", "Binning of the volumes against the tilt images.")] = 1.0
    max_dose_e_per_a2: Annotated[
        float | None, option("--max_dose --max-dose", "Leave out tilts beyond this dose, e/Å²; by default none.")
    ] = None
    min_tilts: Annotated[
        int, whole_number("--min_frames --min-tilts", "Leave out particles that are visible in fewer tilts.")
    ] = 1
    keep_contrast: Annotated[bool, option("--no_ic --keep-contrast", "Do not invert the contrast of the images.")] = (
        False
    )
    whiten: Annotated[bool, option("--whiten", "Divide every tilt image by the amplitude of its noise.")] = False


@Parameter(name="*", group=Group("Refinement", sort_key=4))
@dataclass(frozen=True)
class RefineOptions:
    """What is refined, and against what."""

    symmetry: Annotated[
        str, option("--sym --symmetry", "Point group C1, C2 …, D1, D2 …, T, O, I1 to I4, with axes as in RELION.")
    ] = "C1"
    particle_diameter_angstrom: Annotated[
        float | None,
        option(
            "--particle_diameter --particle-diameter",
            "Diameter of the soft spherical mask, edge included, Å; by default estimated from the half maps.",
        ),
    ] = None
    ini_high_angstrom: Annotated[
        float | None,
        option(
            "--ini_high --initial-resolution",
            "Resolution of the first round, Å; by default where the half maps agree, or 40 Å of a map that is given.",
        ),
    ] = None
    rounds: Annotated[
        int, whole_number("--rounds", "At most so many; it stops by itself when nothing gets better.")
    ] = 12
    fits_scale: Annotated[bool, option("--scale", "Fit a grey scale to every particle, and report it.")] = False
    seed: Annotated[
        int,
        whole_number("--seed --random_seed", "Seed of half sets of particles that have none, and of random phases."),
    ] = 0


@Parameter(name="*", group=Group("Search and priors", sort_key=5))
@dataclass(frozen=True)
class RefineSearchOptions:
    """Where poses are looked for."""

    search: Annotated[
        Literal["local", "prior", "global"],
        option(
            "--search",
            "local: from the poses that are there. prior: everything within three standard deviations of the priors. "
            "global: all orientations.",
        ),
    ] = "local"
    sigma_ang_deg: SigmaAngles = None
    sigma_rot_deg: SigmaRot = None
    sigma_tilt_deg: SigmaTilt = None
    sigma_psi_deg: SigmaPsi = None
    sigma_offset_angstrom: SigmaOffset = 10.0
    offset_range_px: Annotated[
        float, option("--offset_range --offset-range", "Range of the shifts that a search tries, voxels.")
    ] = 6.0


@Parameter(name="*", group=Group("Computing", sort_key=6))
@dataclass(frozen=True)
class RefineComputingOptions:
    """How it is computed."""

    threads: Annotated[int, whole_number("--j --threads", "Threads; by default one per available core.")] = (
        available_cores()
    )
    memory_gb: Annotated[
        float,
        option("--memory", "Memory for the terms of particles, GB; particles beyond it are made again each round."),
    ] = 4.0
    dask: Annotated[
        str | None,
        option(
            "--dask",
            "Refine particles on Dask workers: tcp://host:port for a scheduler that runs, local:N for N processes of "
            "this machine, slurm for SLURM jobs.",
        ),
    ] = None
    dask_option: Annotated[
        str | None,
        option(
            "--dask-option",
            "For --dask slurm: queue=…,account=…,cores=…,memory=…,walltime=…,processes=…,jobs=….",
        ),
    ] = None
    pipeline_control: Annotated[
        str | None,
        option(
            "--pipeline_control --pipeline-control",
            "Folder for the files by which RELION's pipeline follows a job; with --in_parts the output folder.",
        ),
    ] = None


GROUPS: tuple[type, ...] = (
    RefineInputOptions,
    RefineOutputOptions,
    RefineTiltOptions,
    RefineOptions,
    RefineSearchOptions,
    RefineComputingOptions,
)
