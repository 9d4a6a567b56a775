"""``subtomo doctor``: what is wrong with a project, before a long job."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal  # noqa: F401 - inherited options are resolved in this module

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, whole_number
from subtomo.cli.extract import extraction_settings, output_settings
from subtomo.cli.extract_options import InputOptions, ProcessingOptions, SelectionOptions, SizeOptions, TermOptions
from subtomo.cli.extract_output_options import ComputingOptions, DeadOptions, OutputOptions
from subtomo.cli.field_names import explained, in_words_of_options
from subtomo.errors import InputError, SettingsError
from subtomo.words import as_json, printable

if TYPE_CHECKING:
    from subtomo.doctor.case import Request
    from subtomo.doctor.findings import Diagnosis, Finding


ALIKE_SHOWN = 5
"""Findings with the same advice that are printed."""


@Parameter(name="*", group=Group("Examination", sort_key=0))
@dataclass(frozen=True)
class DoctorOptions:
    """How closely it looks."""

    hand_test: Annotated[
        bool,
        option(
            "--hand-test",
            "Average a sample of particles with CTFs of either hand, and tell which hand the data favour and how sure "
            "that is. Needs refined orientations.",
        ),
    ] = False
    hand_particles: Annotated[
        int, whole_number("--hand-particles", "Most particles of the hand test (120): more take longer and tell more.")
    ] = 120
    json: Annotated[str | None, option("--json", "Write everything into this file, too, for programs.")] = None
    image_size: Annotated[
        str | None,
        option(
            "--image-size",
            "Width and height of the tilt images, such as 3710x3838: examine metadata only, where images are not here.",
        ),
    ] = None
    headers_only: Annotated[bool, option("--headers-only", "Read STAR files and headers, but no pixel.")] = False


@Parameter(name="*", group=Group("Size", sort_key=2))
@dataclass(frozen=True)
class DoctorSizeOptions(SizeOptions):
    """Sizes in binned pixels, of the extraction to come."""

    box_size: Annotated[
        int | None,
        whole_number(
            "--b --box-size",
            "Side of the squares cut from the tilt images. Without it visibility, disk and time stay open.",
        ),
    ] = None  # type: ignore[assignment]


@Parameter(name="*", group=Group("Output", sort_key=6))
@dataclass(frozen=True)
class DoctorOutputOptions(OutputOptions):
    """What the extraction to come writes; doctor itself writes nothing."""

    output_dir: Annotated[
        str, option("--o --output", "Folder that the extraction is to write to: is there room on its disk?")
    ] = ""
    verify: Annotated[
        bool,
        option("--verify", "Read the files of extracted particles, and name those that were altered since."),
    ] = False


GROUPS = (
    DoctorOptions,
    InputOptions,
    DoctorSizeOptions,
    SelectionOptions,
    ProcessingOptions,
    TermOptions,
    DoctorOutputOptions,
    ComputingOptions,
    DeadOptions,
)
"""All options of the command, in the order of its help."""


def doctor(
    place: Annotated[
        str | None,
        Parameter(help="Output folder of an extraction or a refinement, or a STAR file of the project."),
    ] = None,
    /,
    *,
    examination: DoctorOptions = DoctorOptions(),
    files: InputOptions = InputOptions(),
    size: DoctorSizeOptions = DoctorSizeOptions(),
    selection: SelectionOptions = SelectionOptions(),
    processing: ProcessingOptions = ProcessingOptions(),
    terms: TermOptions = TermOptions(),
    output: DoctorOutputOptions = DoctorOutputOptions(),
    computing: ComputingOptions | None = None,
    dead: DeadOptions = DeadOptions(),
) -> int:
    """Examine a project before a long job: files, geometry, units, names, visible tilts, disk, time, hand.

    Takes the options of extract, and writes nothing but what --json names. Ends with 0 if there is neither an error
    nor a warning, with 1 if there is one.
    """
    from subtomo.doctor.case import Request
    from subtomo.doctor.examine import examine
    from subtomo.doctor.findings import Diagnosis, error
    from subtomo.io.relion import OptimisationSet
    from subtomo.jobs.sources import Sources, find_sources
    from subtomo.model.settings import OutputSettings

    problems = list[str]()
    settings, written = None, OutputSettings()
    try:
        settings = extraction_settings(size, selection, processing, terms, output) if size.box_size else None
        written = output_settings(output)
        if settings is not None:
            written.check_with(settings)
    except SettingsError as problem:
        problems.append(explained(problem))
    named = OptimisationSet(files.particles or None, files.tomograms or None, files.trajectories or None)
    try:
        sources = find_sources(named, files.optimisation_set or None, place)
    except InputError:
        if place:
            raise
        sources = Sources(named, files.optimisation_set or None)  # what is wrong with it is a finding
    request = Request(
        files=sources.files,
        optimisation_set_file=sources.optimisation_set_file,
        project=sources.project,
        settings=settings,
        output_dir=output.output_dir or None,
        as_zarr=output.store == "zarr",
        threads=(computing or ComputingOptions()).threads,
        image_size=_image_size(examination.image_size),
        headers_only=examination.headers_only,
        hand_test=examination.hand_test,
        hand_particles=examination.hand_particles,
        output=written,
        verify=output.verify,
    )
    found = examine(request)
    wrong = tuple(error("options", "command line", problem, "correct the option") for problem in problems)
    found = Diagnosis(wrong + tuple(map(_in_words_of_options, found.findings)), found.facts, found.seconds)
    if examination.json:
        _write_json(examination.json, found, request)
    _print(found)
    if found.is_clean:
        _tell_next(request)
    return 0 if found.is_clean else 1


def _tell_next(request: Request) -> None:
    """Name the extraction of what was examined; what was not said stays open."""
    from subtomo.cli.next_step import OPEN, tell_next

    files, words = request.files, ["subtomo", "extract"]
    given = (
        ("--i", request.optimisation_set_file),
        ("--p", files.particles),
        ("--t", files.tomograms),
        ("--mot", files.trajectories),
    )
    words += [word for option, name in given if name for word in (option, name)]
    if request.settings is None:
        words += ["--b", OPEN]
    else:
        sizes = request.settings
        words += ["--b", f"{sizes.box_size}", "--crop", f"{sizes.crop}", "--bin", f"{sizes.binning:g}"]
    tell_next(*words, "--o", request.output_dir or "Extract/")


def _in_words_of_options(finding: Finding) -> Finding:
    from subtomo.doctor.findings import CORRECT_IT

    what, advice = (in_words_of_options(text, finding.fields) for text in (finding.what, finding.advice))
    options = [word for field in finding.fields if (word := in_words_of_options(f"({field})", (field,))[1:-1]) != field]
    if advice == CORRECT_IT and options:
        advice = f"correct {', '.join(options)}"
    return replace(finding, what=what, advice=advice)


def _image_size(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    sides = re.fullmatch(r"(\d+)[x×, ](\d+)", text)
    if sides is None or not (int(sides[1]) and int(sides[2])):
        raise SettingsError(f"--image-size is {text!r}, but must be width and height in pixels, such as 3710x3838")
    return int(sides[1]), int(sides[2])


def _write_json(path: str, found: Diagnosis, request: Request) -> None:
    from subtomo.io.atomic import atomic_write

    files = {key: value for key, value in vars(request.files).items() if value}
    with atomic_write(path) as stream:
        stream.write((as_json({"files": files, **found.plain()}) + "\n").encode())


def _print(found: Diagnosis) -> None:
    """List findings by severity, each with its place and the way out."""
    from rich.console import Console
    from rich.text import Text

    from subtomo.doctor.findings import Severity

    console = Console(highlight=False, soft_wrap=True)
    colours = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
    for severity in Severity:
        seen, more = Counter[tuple[str, str]](), 0
        for finding in found.of(severity):
            # what is wrong with one tomogram is often wrong with all of them
            seen[finding.check, finding.advice] += 1
            if seen[finding.check, finding.advice] > ALIKE_SHOWN:
                more += 1
                continue
            head = Text(f"{severity.value:<7} ", colours[severity]) + Text(f"{finding.check}: ", "bold")
            console.print(head + Text(printable(finding.where) + ("" if finding.where.endswith(":") else ":")))
            console.print(Text(f"        {printable(finding.what)}"))
            if finding.advice:
                console.print(Text(f"     -> {printable(finding.advice)}", "dim"))
        if more:
            console.print(Text(f"{severity.value:<7} {more} more like these; --json FILE lists all", colours[severity]))
    errors, warnings = len(found.of(Severity.ERROR)), len(found.of(Severity.WARNING))
    verdict = "nothing wrong was found" if found.is_clean else f"{errors} error(s), {warnings} warning(s)"
    console.print(Text(f"{verdict}, {found.seconds:.1f} s", "bold green" if found.is_clean else "bold"))
