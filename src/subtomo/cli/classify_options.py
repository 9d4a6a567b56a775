"""The options of ``subtomo classify``: RELION's names where it has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, several, whole_number
from subtomo.cli.extract_output_options import Dask, DaskOption
from subtomo.cli.refine_options import (
    RefineTiltOptions,
    SigmaAngles,
    SigmaOffset,
    SigmaPsi,
    SigmaRot,
    SigmaTilt,
)
from subtomo.jobs.cores import available_cores


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class ClassifyInputOptions:
    """Files to read."""

    optimisation_set: Annotated[
        str | None,
        option("--i --optimisation-set", "Optimisation set that names the files below, which override its entries."),
    ] = None
    particles: Annotated[str | None, option("--p --particles", "Particle set (STAR) with refined poses.")] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR).")] = None
    trajectories: Annotated[str | None, option("--mot --trajectories", "Particle trajectories (STAR).")] = None
    reference: Annotated[
        tuple[str, ...] | None,
        several(
            "--ref --reference",
            "Maps (MRC) to begin with, one per class, with blanks or commas between; by default none.",
        ),
    ] = None
    solvent_mask: Annotated[
        str | None,
        option("--solvent_mask --solvent-mask", "A mask (MRC, 0 to 1, of the maps' size) to use instead of a sphere."),
    ] = None
    focus_mask: Annotated[
        str | None,
        option(
            "--focus-mask --focus_mask",
            "A mask (MRC, 0 to 1) of the part that is compared; the rest is subtracted as all particles have it.",
        ),
    ] = None


@Parameter(name="*", group=Group("Output", sort_key=2))
@dataclass(frozen=True)
class ClassifyOutputOptions:
    """What is written."""

    output_dir: Annotated[
        str, option("--o --output", "Folder for classes, maps and the report; made if it does not exist.")
    ]
    resume: Annotated[
        bool,
        option(
            "--resume",
            "Go on after the last iteration that an earlier run finished, for instance with a larger --iter.",
        ),
    ] = False


@Parameter(name="*", group=Group("Classification", sort_key=4))
@dataclass(frozen=True)
class ClassifyOptions:
    """What is told apart, and how."""

    classes: Annotated[
        str,
        option(
            "--K --classes",
            "Number of classes; several, such as 1-6, are compared by held-out particles, and the best one is made.",
        ),
    ] = "2"
    iterations: Annotated[
        int, whole_number("--iter --iterations", "At most so many; it stops by itself when nothing changes.")
    ] = 25
    false_picks: Annotated[
        bool,
        option("--false-picks --false_picks", "Add two classes of false picks: nothing, and a featureless ball."),
    ] = False
    starts: Annotated[int, whole_number("--starts", "Random starts, of which the most likely result is kept.")] = 3
    tau2_fudge: Annotated[
        float, option("--tau2_fudge --tau2-fudge", "Factor of the signal-to-noise ratios of the class maps.")
    ] = 1.0
    ini_high_angstrom: Annotated[
        float | None,
        option(
            "--ini_high --initial-resolution",
            "Resolution of the first comparisons, Å; by default 20, or four voxels where these are larger.",
        ),
    ] = None
    highest_angstrom: Annotated[
        float | None,
        option(
            "--strict_highres_exp --highest-resolution",
            "Resolution up to which comparison rises with the classes' FSC, Å; by default six tenths of --ini_high.",
        ),
    ] = None
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
    seed: Annotated[
        int, whole_number("--seed --random_seed", "Seed of random starts, of half sets that are missing, of phases.")
    ] = 0


@Parameter(name="*", group=Group("Poses", sort_key=5))
@dataclass(frozen=True)
class ClassifyPoseOptions:
    """Whether poses change."""

    aligns: Annotated[
        bool, option("--align", "Refine the pose of each particle within each class, between rounds of classification.")
    ] = False
    skips_alignment: Annotated[
        bool, option("--skip_align --skip-align", "Leave poses as they are, which is the default.")
    ] = False
    align_rounds: Annotated[
        int, whole_number("--align-rounds --align_rounds", "At most so many; it stops by itself when poses settle.")
    ] = 5
    sigma_ang_deg: SigmaAngles = None
    sigma_rot_deg: SigmaRot = None
    sigma_tilt_deg: SigmaTilt = None
    sigma_psi_deg: SigmaPsi = None
    sigma_offset_angstrom: SigmaOffset = 10.0


@Parameter(name="*", group=Group("Computing", sort_key=6))
@dataclass(frozen=True)
class ClassifyComputingOptions:
    """How it is computed."""

    threads: Annotated[int, whole_number("--j --threads", "Threads; by default one per available core.")] = (
        available_cores()
    )
    dask: Dask = None
    dask_option: DaskOption = None
    memory_gb: Annotated[
        float,
        option(
            "--memory",
            "Memory for the terms of all particles, GB; with --align, what is left keeps them from being made again.",
        ),
    ] = 4.0


GROUPS: tuple[type, ...] = (
    ClassifyInputOptions,
    ClassifyOutputOptions,
    RefineTiltOptions,
    ClassifyOptions,
    ClassifyPoseOptions,
    ClassifyComputingOptions,
)
