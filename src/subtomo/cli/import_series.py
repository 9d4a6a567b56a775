"""``subtomo import warp``, ``aretomo`` and so on: tilt series that other programs aligned, for RELION 5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import command_line, option
from subtomo.cli.field_names import in_words_of_options
from subtomo.cli.messages import error, note
from subtomo.foreign.formats import TILT_SERIES

if TYPE_CHECKING:
    from subtomo.jobs.import_series import ImportSummary

Alignments = Annotated[
    str,
    Parameter(
        help="The program's alignments: files, folders, or patterns in quotes; each series is imported on its own.",
        negative="",
    ),
]


@Parameter(name="*", group=Group("Input and output", sort_key=1))
@dataclass(frozen=True)
class ImportFileOptions:
    """Where images are and where the project goes."""

    output_dir: Annotated[str, option("--o --output", "Folder to write to; made if it does not exist.")]
    images: Annotated[
        str | None,
        option(
            "--images",
            "Folder of the tilt images, or one stack; by default the folder of each alignment. Images stay where they "
            "are, and are named as seen from the folder where the command runs.",
        ),
    ] = None
    mdoc: Annotated[
        str | None, option("--mdoc", "Folder of .mdoc files (dose, order, tilts); by default beside the alignment.")
    ] = None
    ctf: Annotated[
        str | None,
        option("--ctf", "Folder of defocus files (_CTF.txt, .defocus); by default beside the alignment."),
    ] = None


@Parameter(name="*", group=Group("What files may not say", sort_key=2))
@dataclass(frozen=True)
class ImportValueOptions:
    """Values that go before those of files."""

    pixel_size_angstrom: Annotated[
        float | None, option("--pixel-size --angpix", "Pixel size of the tilt images, Å; by default that of headers.")
    ] = None
    dose_per_tilt: Annotated[
        float | None,
        option("--dose-per-tilt", "Dose of every tilt image, e/Å², where no file says it."),
    ] = None
    thickness_angstrom: Annotated[
        float | None, option("--thickness", "Thickness of the tomogram, Å; it only sets its size and moves nothing.")
    ] = None
    hand: Annotated[
        Literal["1", "-1"] | None,
        option("--hand", "1 or -1: on which side defocus grows; by default what the files say, or else -1."),
    ] = None
    voltage_kv: Annotated[float | None, option("--voltage", "Acceleration voltage, kV.")] = None
    spherical_aberration_mm: Annotated[float | None, option("--cs", "Spherical aberration, mm.")] = None
    amplitude_contrast: Annotated[float | None, option("--amplitude-contrast", "Amplitude contrast, 0 to 1.")] = None


@Parameter(name="*", group=Group("What is imported", sort_key=3))
@dataclass(frozen=True)
class ImportChoiceOptions:
    """Views that are left out, and models that RELION cannot hold."""

    exclude_views: Annotated[
        str | None,
        option(
            "--exclude", "Views to leave out besides, counted from 1 in the stack, such as 3-7,12; of every series."
        ),
    ] = None
    approximate: Annotated[
        bool,
        option(
            "--approximate",
            "Import series whose model has parts that RELION's files cannot hold, without these; what that does is "
            "told in pixels.",
        ),
    ] = False
    no_pictures: Annotated[bool, option("--no-pictures", "Do not draw the residual of every series.")] = False


GROUPS = (ImportFileOptions, ImportValueOptions, ImportChoiceOptions)
"""All options of the commands, in the order of their help."""


def __getattr__(name: str) -> Callable[..., int]:
    """Make the command of one program, named after it."""
    if name not in TILT_SERIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _importer(name, TILT_SERIES[name].summary)


def _importer(format_name: str, summary: str) -> Callable[..., int]:

    def command(
        *alignments: Alignments,
        files: ImportFileOptions,
        values: ImportValueOptions = ImportValueOptions(),
        choices: ImportChoiceOptions = ImportChoiceOptions(),
    ) -> int:
        return _run(format_name, alignments, files, values, choices)

    command.__doc__ = summary
    return command


def _run(
    format_name: str,
    alignments: tuple[str, ...],
    files: ImportFileOptions,
    values: ImportValueOptions,
    choices: ImportChoiceOptions,
) -> int:
    from subtomo.foreign.text import view_list
    from subtomo.jobs.import_complete import Completion
    from subtomo.jobs.import_series import ImportJob, import_series

    if not alignments:
        error(f"no alignment is given; name files or folders, as in subtomo import {format_name} FOLDER --o OUT/")
        return 1
    known = Completion(
        images=(files.images,) if files.images else (),
        mdoc_folder=files.mdoc,
        ctf_folder=files.ctf,
        pixel_size_angstrom=values.pixel_size_angstrom,
        dose_per_tilt_e_per_a2=values.dose_per_tilt,
        thickness_angstrom=values.thickness_angstrom,
        hand=float(values.hand) if values.hand else None,
        voltage_kv=values.voltage_kv,
        spherical_aberration_mm=values.spherical_aberration_mm,
        amplitude_contrast=values.amplitude_contrast,
    )
    summary = import_series(
        ImportJob(
            format_name=format_name,
            alignments=alignments,
            output_dir=files.output_dir,
            completion=known,
            exclude_views=view_list(choices.exclude_views or "", f"--exclude {choices.exclude_views}"),
            approximate=choices.approximate,
            draw=not choices.no_pictures,
            command=command_line.get(),
        )
    )
    return _report(summary)


def _report(summary: ImportSummary) -> int:
    """Say what became of every series."""
    for message in summary.notes:
        note(in_words_of_options(message))
    for one, residual in zip(summary.imported, summary.residuals, strict=True):
        motion = f", {residual.worst_with_motion_px:.4f} px with trajectories" if residual.needs_motion else ""
        views = f"{len(one.series)} of {one.series.n_sections} views"
        mean = residual.mean_px.mean()
        print(f"{one.name}: {views}, residual up to {residual.worst_px:.4f} px, mean {mean:.4f} px{motion}")
    for message in summary.failures.values():
        error(in_words_of_options(message))
    if summary.assumed_hand:
        note("next, once there are picks: subtomo doctor --hand-test, which asks the data for the hand")
    n_failed = len(summary.failures)
    failed = f", {n_failed} not imported" if n_failed else ""
    into = f" into {summary.tomograms_file}" if summary.tomograms_file else ""
    print(f"{len(summary.imported)} tilt series imported{failed}{into}")
    return 1 if n_failed or not summary.imported else 0
