"""``subtomo export stacks``: plain images with a row each, for heterogeneity analysis and machine learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import command_line, given_or_none, option, whole_number
from subtomo.cli.extract_options import InputOptions, SizeOptions
from subtomo.cli.messages import tell, warn
from subtomo.jobs.cores import available_cores


@Parameter(name="*", group=Group("Output", sort_key=3))
@dataclass(frozen=True)
class StackOptions:
    """Which images, and in which form."""

    output_dir: Annotated[str, option("--o --output", "Folder to write to; made if it does not exist.")]
    style: Annotated[
        Literal["cryodrgn", "tomodrgn", "relion"],
        option(
            "--style",
            "Of tilt_images.star, one row per image. cryodrgn (default), also for RECOVAR: tables of RELION 3.1, with "
            "dose and tilt where Warp writes them. tomodrgn: the same in one table of RELION 3.0. relion: CTF as it "
            "is, dose in a column of its own.",
        ),
    ] = "cryodrgn"
    max_dose_e_per_a2: Annotated[
        float | None, option("--max_dose --max-dose", "Leave out tilts with more dose than this before them, e/Å².")
    ] = None
    min_tilts: Annotated[
        int, whole_number("--min_frames --min-tilts", "Leave out particles that are visible in fewer tilts.")
    ] = 1
    keep_contrast: Annotated[
        bool, option("--no_ic --keep-contrast", "Do not invert the contrast: by default density is positive.")
    ] = False
    float16: Annotated[
        bool, option("--float16 --half-precision", "Write images in half precision, which few programs read.")
    ] = False
    resume: Annotated[bool, option("--resume --continue", "Keep particles that an earlier run finished.")] = False
    threads: Annotated[
        int, whole_number("--j --threads", "Particles at a time; by default one per available core.")
    ] = field(default_factory=available_cores)


GROUPS = (InputOptions, SizeOptions, StackOptions)
"""All options of the command, in the order of its help."""


def export_stacks(
    place: Annotated[
        str | None, Parameter(help="Folder of a run, or a STAR file of the project, instead of --i, --p or --t.")
    ] = None,
    /,
    *,
    size: SizeOptions,
    output: StackOptions,
    files: InputOptions = InputOptions(),
) -> int:
    """Write the tilt images of every particle as they are, and a row for each with its pose, defocus and dose.

    Images are cut out, centred and binned; neither CTF nor dose weights multiply them. Beside tilt_images.star there
    are ctf.pkl, as cryoDRGN and RECOVAR keep CTFs, and tilt_images.npz, everything as arrays.
    """
    from subtomo.cli.progress import listener
    from subtomo.extraction.tilt_images import plain_image_settings
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.export_stacks import export_stacks as run
    from subtomo.jobs.extract import ExtractionJob
    from subtomo.jobs.sources import find_sources_here
    from subtomo.model.settings import OutputSettings

    named = OptimisationSet(files.particles or None, files.tomograms or None, files.trajectories or None)
    sources = find_sources_here(named, files.optimisation_set or None, place)
    job = ExtractionJob(
        output_dir=output.output_dir,
        settings=plain_image_settings(
            size.box_size,
            given_or_none(size.crop_size, -1),
            size.binning,
            max_dose_e_per_a2=output.max_dose_e_per_a2,
            min_tilts=output.min_tilts,
            invert_contrast=not output.keep_contrast,
        ),
        output=OutputSettings(float16=output.float16),
        particles_file=sources.files.particles,
        tomograms_file=sources.files.tomograms,
        trajectories_file=sources.files.trajectories,
        optimisation_set_file=sources.optimisation_set_file,
        threads=output.threads,
        command=command_line.get(),
        resume=output.resume,
    )
    done = run(job, output.style, listener())
    tell(f"{done.n_images} images of {done.n_particles} particles in {done.folder}")
    tell(f"rows {done.table}, CTF {done.ctf_file}, all as arrays {done.arrays_file}")
    if done.summary.left_out:
        tell(f"{len(done.summary.left_out)} left out; extraction_summary.json tells why")
    if done.summary.failures:
        warn(f"{len(done.summary.failures)} particle(s) could not be made and are not among them; --resume tries again")
        return 1
    return 0
