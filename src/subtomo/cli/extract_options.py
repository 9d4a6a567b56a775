"""The options of ``subtomo extract``: names, meaning, and what each does to the numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import known_options, option, whole_number
from subtomo.jobs.cores import available_cores


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class InputOptions:
    """Files to read."""

    optimisation_set: Annotated[
        str | None,
        option(
            "--i --optimisation-set",
            "Optimisation set: a STAR file that names the files below. Options given here override its entries.",
        ),
    ] = None
    particles: Annotated[str | None, option("--p --particles", "Particle set (STAR).")] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR), of RELION 5 or 4.")] = None
    trajectories: Annotated[
        str | None,
        option(
            "--mot --trajectories", "Particle trajectories (STAR): shift where each tilt is cut out, not the defocus."
        ),
    ] = None


@Parameter(name="*", group=Group("Size", sort_key=2))
@dataclass(frozen=True)
class SizeOptions:
    """Sizes in binned pixels."""

    box: Annotated[
        int,
        whole_number(
            "--b --box-size",
            "Side of the squares cut from the tilt images, binned pixels, even. Larger boxes catch more of the "
            "signal that defocus spreads.",
        ),
    ]
    crop: Annotated[
        int,
        whole_number(
            "--crop --crop-size",
            "Side of the result, binned pixels, even; by default the box size. Cropping happens after CTF "
            "multiplication.",
        ),
    ] = -1
    binning: Annotated[
        float,
        option(
            "--bin --binning",
            "Binning against the tilt images, 1 or more, need not be whole: crops in Fourier space, so it "
            "limits resolution to twice the binned pixel size.",
        ),
    ] = 1.0


@Parameter(name="*", group=Group("Selection", sort_key=3))
@dataclass(frozen=True)
class SelectionOptions:
    """Which tilts and particles."""

    max_dose: Annotated[
        float,
        option(
            "--max_dose --max-dose",
            "Leave out tilts with more dose than this before them, e/Å². Zero or less: use all.",
        ),
    ] = -1.0
    min_tilts: Annotated[
        int,
        whole_number(
            "--min_frames --min-tilts",
            "Leave out particles visible in fewer tilts. A particle is visible where its cropped box lies "
            "inside the image.",
        ),
    ] = 1
    dose_cutoff: Annotated[
        float,
        option(
            "--cutoff_fract --dose-cutoff",
            "Frequencies whose dose weight is not above this fraction are not inserted into the volume.",
        ),
    ] = 0.01
    keep_offsets: Annotated[
        bool,
        option(
            "--dont_apply_offsets --keep-offsets",
            "Keep coordinates and refined offsets; otherwise coordinates move by the offsets, which become zero.",
        ),
    ] = False
    apply_orientations: Annotated[
        bool,
        option(
            "--apply_orientations --apply-orientations",
            "Build the volume in the refined orientation of the particle; its angles become subtomogram angles."
            " Applies offsets, too.",
        ),
    ] = False


@Parameter(name="*", group=Group("Image processing", sort_key=4))
@dataclass(frozen=True)
class ProcessingOptions:
    """What is done to the images."""

    no_ctf: Annotated[
        bool,
        option(
            "--no_ctf --no-ctf",
            "Multiply neither by CTF nor dose weight; weights are 1. The dose still limits the inserted frequencies.",
        ),
    ] = False
    keep_contrast: Annotated[
        bool,
        option(
            "--no_ic --keep-contrast",
            "Do not invert the contrast: by default images are multiplied by -1, so that density is positive.",
        ),
    ] = False
    no_circle_crop: Annotated[
        bool,
        option(
            "--no_circle_crop --no-circle-crop",
            "Do not mask CTF-weighted images outside the crop circle; otherwise their mean out there is "
            "subtracted first.",
        ),
    ] = False
    circle_precrop: Annotated[
        bool,
        option(
            "--circle_precrop --circle-precrop",
            "Mask patches with a circle as soon as they are cut out, with the mean of their corners subtracted.",
        ),
    ] = False
    whiten: Annotated[
        bool,
        option(
            "--whiten --whiten-noise",
            "Divide each tilt by the amplitude spectrum of its noise. Weights are divided by it once, not "
            "squared, as in RELION.",
        ),
    ] = False
    grid_precorr: Annotated[
        bool,
        option(
            "--grid_precorr --gridding-precorrection",
            "Multiply images by RELION's pre-correction for trilinear insertion, which grows towards the edge.",
        ),
    ] = False
    cone_weight: Annotated[
        bool,
        option(
            "--cone_weight --cone-weight",
            "Damp frequencies near the z axis of the particle's refined frame in data and weights: weakens "
            "layers such as membranes.",
        ),
    ] = False
    cone_angle: Annotated[float, option("--cone_angle --cone-angle", "Full opening angle of that cone, degrees.")] = (
        10.0
    )
    cone_sigma: Annotated[
        float, option("--cone_sig0 --cone-sigma", "Width of that cone at the origin, Fourier voxels.")
    ] = 2.0


@Parameter(name="*", group=Group("Terms for alignment", sort_key=5))
@dataclass(frozen=True)
class TermOptions:
    """In which form relion_refine gets the terms of its cost function."""

    for_refine3d: Annotated[
        bool,
        option(
            "--for-refine3d",
            "Recommended for refinement: --weighting whitened and --data-term exact. relion_refine then compares "
            "particles with its reference as the tilt images themselves would be compared, and finds better poses.",
        ),
    ] = False
    weighting: Annotated[
        Literal["relion", "whitened"] | None,
        option(
            "--weighting",
            "relion (default): data and CTF², voxel for voxel as RELION writes them. whitened: data / √CTF² and √CTF², "
            "so that the noise is white and relion_refine weighs every voxel rightly; averages stay the same.",
        ),
    ] = None
    data_term: Annotated[
        Literal["relion", "corrected", "exact"] | None,
        option(
            "--data-term",
            "relion (default): trilinear insertion, which damps density away from the centre (by 21 % at half radius). "
            "corrected: the same, divided by that damping. exact: the adjoint of projection, computed by a non-uniform "
            "Fourier transform; takes up to half as long again.",
        ),
    ] = None


@Parameter(name="*", group=Group("Output", sort_key=6))
@dataclass(frozen=True)
class OutputOptions:
    """What is written."""

    output: Annotated[str, option("--o --output", "Folder to write to; made if it does not exist.")]
    store: Annotated[
        Literal["files", "zarr"],
        option(
            "--store",
            "files (default): RELION's tree of files. zarr: one compressed Zarr group, particles.zarr, for Python; "
            "RELION cannot read it, so no STAR file is written. Needs pip install 'subtomo[zarr]'.",
        ),
    ] = "files"
    stack2d: Annotated[
        bool,
        option("--stack2d --stack-2d", "Write a stack of each particle's CTF-weighted images instead of a volume."),
    ] = False
    real_subtomo: Annotated[
        bool,
        option(
            "--real_subtomo --real-subtomogram",
            "Cut particles from the reconstructed tomogram and write their projections: no CTF, no orientation.",
        ),
    ] = False
    float16: Annotated[
        bool,
        option(
            "--float16 --half-precision", "Write particles in half precision: half the disk, values rounded to 11 bits."
        ),
    ] = False
    no_comb: Annotated[bool, option("--no_comb --no-weights", "Write no _weights.mrc (CTF² and multiplicity).")] = False
    ctf: Annotated[bool, option("--ctf --write-ctf2", "Write CTF² as a full volume, too (_CTF2.mrc).")] = False
    multi: Annotated[
        bool, option("--multi --write-multiplicity", "Write the multiplicity as a full volume, too (_multi.mrc).")
    ] = False
    nrm: Annotated[
        bool,
        option(
            "--nrm --write-normalised",
            "Write data and CTF² divided by the multiplicity, too (_data_nrm.mrc, _CTF2_nrm.mrc).",
        ),
    ] = False
    div: Annotated[bool, option("--div --write-divided", "Write data divided by CTF² and tapered, too (_div.mrc).")] = (
        False
    )
    taper: Annotated[float, option("--taper --taper-width", "Width of the soft edge of _div.mrc, voxels.")] = 5.0
    no_center: Annotated[bool, option("--no_center --keep-mean", "Do not subtract the mean from _div.mrc.")] = False
    snr: Annotated[
        float,
        option(
            "--SNR --snr",
            "Signal-to-noise ratio of a Wiener filter for _div.mrc and sum_div.mrc. Zero or less: clamp weights"
            " at 1/1000 of their shell's average instead.",
        ),
    ] = -1.0
    sum: Annotated[
        bool,
        option(
            "--sum --write-sums",
            "Write the sums of data and weights over all particles, and their quotient: a quick average.",
        ),
    ] = False
    no_writing: Annotated[
        bool, option("--no_writing --no-particles", "Write no particle volumes, for the sake of --sum.")
    ] = False
    no_report: Annotated[
        bool,
        option(
            "--no-report",
            "Write no report.html, the page on what was extracted. The variable SUBTOMO_NO_REPORT does the same for "
            "all extractions.",
        ),
    ] = False
    only_do_unfinished: Annotated[
        bool,
        option(
            "--only_do_unfinished --skip-existing",
            "Leave particles alone whose files are whole, also those that another program made; they are left out "
            "of --sum, too. A folder that subtomo made is held to the rules of --resume.",
        ),
    ] = False
    resume: Annotated[
        bool,
        option(
            "--resume --continue",
            "Finish an earlier run: keep particles whose files are whole and were made with the same settings and "
            "inputs. They count in --sum. Other settings are refused.",
        ),
    ] = False


@Parameter(name="*", group=Group("Computing", sort_key=7))
@dataclass(frozen=True)
class ComputingOptions:
    """How it is run."""

    threads: Annotated[
        int,
        whole_number(
            "--j --threads", "Particles at a time; by default one per available core. Results do not depend on it."
        ),
    ] = field(default_factory=available_cores)
    dask: Annotated[
        str | None,
        option(
            "--dask",
            "Make particles on Dask workers: tcp://host:port for a scheduler that runs, local:N for N processes of "
            "this machine, slurm for SLURM jobs.",
        ),
    ] = None
    dask_option: Annotated[
        str | None,
        option(
            "--dask-option",
            "For --dask slurm: queue=…,account=…,cores=…,memory=…,walltime=…,processes=…,jobs=…; dry_run=yes prints "
            "the job script and ends.",
        ),
    ] = None
    pipeline_control: Annotated[
        str | None,
        option(
            "--pipeline_control --pipeline-control", "Folder for the files by which RELION's pipeline follows a job."
        ),
    ] = None


@Parameter(name="*", group=Group("Accepted without effect, as in RELION", sort_key=8))
@dataclass(frozen=True)
class DeadOptions:
    """Options that RELION parses and ignores."""

    env: Annotated[float | None, option("--env", "Has no effect.")] = None
    diag: Annotated[bool, option("--diag", "Has no effect.")] = False
    list_themes: Annotated[bool, option("--list_themes", "Lists the colours of RELION's help; has no effect.")] = False
    theme: Annotated[str | None, option("--theme", "Colours of RELION's help; has no effect.")] = None


OPTIONS = known_options(
    InputOptions,
    SizeOptions,
    SelectionOptions,
    ProcessingOptions,
    TermOptions,
    OutputOptions,
    ComputingOptions,
    DeadOptions,
)
