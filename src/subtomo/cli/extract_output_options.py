"""The options of ``subtomo extract`` on what is written and how it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, whole_number
from subtomo.cli.extract_options import InputOptions, ProcessingOptions, SelectionOptions, SizeOptions, TermOptions
from subtomo.jobs.cores import available_cores

Dask = Annotated[
    str | None,
    option(
        "--dask",
        "Make particles on Dask workers: tcp://host:port for a scheduler that runs, local:N for N processes of "
        "this machine, slurm for SLURM jobs.",
    ),
]
DaskOption = Annotated[
    str | None,
    option(
        "--dask-option",
        "For --dask slurm: queue=…,account=…,cores=…,memory=…,walltime=…,processes=…,jobs=…; dry_run=yes prints "
        "the job script and ends.",
    ),
]


@Parameter(name="*", group=Group("Output", sort_key=6))
@dataclass(frozen=True)
class OutputOptions:
    """What is written."""

    output_dir: Annotated[str, option("--o --output", "Folder to write to; made if it does not exist.")]
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
    taper_px: Annotated[float, option("--taper --taper-width", "Width of the soft edge of _div.mrc, voxels.")] = 5.0
    no_center: Annotated[bool, option("--no_center --keep-mean", "Do not subtract the mean from _div.mrc.")] = False
    snr: Annotated[
        float | None,
        option(
            "--SNR --snr",
            "Signal-to-noise ratio of a Wiener filter for _div.mrc and sum_div.mrc; without it, or with zero or less, "
            "weights are clamped at 1/1000 of their shell's average.",
        ),
    ] = None
    write_sums: Annotated[
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
    drop_coordinates: Annotated[
        bool,
        option(
            "--drop-coordinates",
            "Write no coordinates where RELION writes none: with --dont_apply_offsets, if the input has them in "
            "pixels.",
        ),
    ] = False
    skip_existing: Annotated[
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
    verify: Annotated[
        bool,
        option(
            "--verify",
            "With --resume: read the files of finished particles, and make those again that were altered since.",
        ),
    ] = False
    overwrite: Annotated[
        bool, option("--overwrite", "Replace files of other programs that stand in the output folder.")
    ] = False
    no_disk_check: Annotated[
        bool,
        option("--no-disk-check", "Begin even if the disk has no room for what will be written."),
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
    dask: Dask = None
    dask_option: DaskOption = None
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


GROUPS = (
    InputOptions,
    SizeOptions,
    SelectionOptions,
    ProcessingOptions,
    TermOptions,
    OutputOptions,
    ComputingOptions,
    DeadOptions,
)
"""All options of the command, in the order of its help."""
