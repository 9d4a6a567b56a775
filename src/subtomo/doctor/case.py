"""What is examined: everything that could be read, and the settings as far as they are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from subtomo.doctor.findings import Finding, error, of_message, of_warnings
from subtomo.errors import InputError
from subtomo.io.project import Project, in_project
from subtomo.io.reading import collected_warnings
from subtomo.io.relion import OptimisationSet
from subtomo.io.relion.geometry import misses_images
from subtomo.io.relion.survey import SurveyedTomogram, TomogramSurvey, survey_tomograms
from subtomo.io.relion.survey_particles import ParticleSurvey, survey_particles
from subtomo.jobs.inputs import input_files, needed_file
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.model.tilt_series import TiltSeries, TomogramSet


@dataclass(frozen=True)
class Request:
    """What the command line asks for; None where it says nothing."""

    files: OptimisationSet = field(default_factory=OptimisationSet)
    optimisation_set_file: str | None = None
    project: Project = None
    """The folder that all names of files are relative to; None for the current one."""
    settings: ExtractionSettings | None = None
    output: OutputSettings = field(default_factory=OutputSettings)
    output_dir: str | None = None
    as_zarr: bool = False
    threads: int = 1
    image_size: tuple[int, int] | None = None
    """Width and height of images that are not here: only metadata are examined."""
    headers_only: bool = False
    """Read no pixel."""
    hand_test: bool = False
    hand_particles: int = 120
    """Most particles of the hand test."""
    verify: bool = False
    """Compare files of particles with the checksums that were taken when they were written."""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Case:
    """A project as far as it can be read."""

    request: Request
    tomograms: TomogramSurvey | None
    particles: ParticleSurvey | None
    findings: tuple[Finding, ...]
    """What went wrong in reading."""

    @property
    def settings(self) -> ExtractionSettings:
        """The settings; if no sizes are given, those of a box so small that only its centre need be in an image."""
        return self.request.settings or ExtractionSettings(4)

    @property
    def particle_set(self) -> ParticleSet | None:
        """The particles that could be read."""
        return None if self.particles is None else self.particles.particles

    @property
    def series(self) -> tuple[SurveyedTomogram, ...]:
        """The tilt series that could be read."""
        return () if self.tomograms is None else self.tomograms.tomograms

    @cached_property
    def placed(self) -> tuple[TiltSeries, ...]:
        """Tomograms with particles whose image size is known: there it can be told where particles are seen."""
        particles = self.particle_set
        if particles is None:
            return ()
        return tuple(
            one.tomogram for one in self.series if one.has_image_size and len(particles.in_tomogram(one.tomogram.name))
        )

    @cached_property
    def pictured(self) -> tuple[TiltSeries, ...]:
        """Tomograms with particles and all their images."""
        return tuple(tomogram for tomogram in self.placed if tomogram.images is not None)


def open_case(request: Request) -> Case:
    """Read what can be read; what readers warn of becomes findings."""
    with collected_warnings() as told:
        case = _read(request)
    headers = [header for one in case.series for header in one.headers.values()]
    # what headers say has a check of its own
    odd = {oddity.what for header in headers for oddity in header.oddities}
    matrices = {what for one in case.series if (what := misses_images(one.tomogram)) is not None}
    others = [message for message in told if not any(what in message for what in odd | matrices)]
    return replace(case, findings=(*case.findings, *of_warnings(others)))


def _read(request: Request) -> Case:
    found = list[Finding]()
    try:
        files = input_files(request.files, request.optimisation_set_file, project=request.project)
    except InputError as problem:
        found.append(of_message("files", str(request.optimisation_set_file), str(problem), field=problem.fields))
        files = request.files
    names = dict(_existing(files, request, found))
    survey = None
    if "tomograms" in names:
        survey = survey_tomograms(names["tomograms"], request.image_size, request.project)
    of_particles = None
    if "particles" in names:
        known = TomogramSet(tuple(one.tomogram for one in survey.tomograms)) if survey and survey.tomograms else None
        of_particles = survey_particles(
            names["particles"], known, trajectories=files.in_project(request.project).trajectories
        )
    for part, check in ((survey, "tomograms"), (of_particles, "particles")):
        if part is not None:
            found += [
                of_message(check, problem.where, problem.message, field=problem.fields) for problem in part.problems
            ]
    return Case(replace(request, files=files), survey, of_particles, tuple(found))


def _existing(files: OptimisationSet, request: Request, found: list[Finding]) -> Iterator[tuple[str, str]]:
    """List the needed files that are there."""
    for kind in ("tomograms", "particles"):
        try:
            name = needed_file(getattr(files, kind), kind, request.optimisation_set_file, project=request.project)
            yield kind, in_project(name, request.project)
        except InputError as problem:
            advice = f"name it ({kind}), or an optimisation set that does (optimisation_set)"
            found.append(error("files", kind, str(problem), advice, field=(kind, "optimisation_set")))
