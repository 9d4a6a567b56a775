"""Extract particles from Python."""

from __future__ import annotations

import os
from dataclasses import replace
from types import NoneType
from typing import Any

from subtomo.io.account import write_account
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.jobs import extract as jobs
from subtomo.jobs.context import RunContext
from subtomo.model.account import ExtractionSummary
from subtomo.model.choices import check_kind, whole_number_of
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.layout import summary_file
from subtomo.verbs.places import Tomograms, Where


def extract(
    tomograms: Tomograms,
    particles: ParticleSet | Where,
    settings: ExtractionSettings,
    output_dir: Where,
    *,
    output: OutputSettings | None = None,
    context: RunContext | None = None,
    as_zarr: bool = False,
) -> ExtractionSummary:
    """Extract all particles into RELION's tree of files, or into a Zarr store, and leave an account beside them.

    STAR files come last, when all that they name exists. A particle that cannot be made does not keep the others from
    being made: see ``failures`` of the summary.

    Args:
        tomograms: With images; or the file of the tomogram set.
        particles: To be extracted; or the file of the particle set. Names in files are relative to the current folder.
        settings: What to compute.
        output_dir: Folder to write to; made with its parents.
        output: What to write, and how; by default one data and one weights file per particle, single precision.
        context: Threads, progress, whether to resume, and the files that an optimisation set is to name.
        as_zarr: Write ``particles.zarr`` instead of files; RELION cannot read it.

    Returns:
        What was written, what was left out, and what failed; `report` makes a page of it.

    Raises:
        InputError: Input is missing, damaged or inconsistent, or another run writes to the folder.
        OSError: Files cannot be written. What is finished stays so for a run that resumes.
        SettingsError: An argument is of the wrong type, or settings contradict each other, or those of a run that is
            to be resumed.
    """
    _check(settings, output_dir, output, context)
    check_kind("tomograms", tomograms, TomogramSet, str, os.PathLike)
    check_kind("particles", particles, ParticleSet, str, os.PathLike)
    check_kind("as_zarr", as_zarr, bool)
    if not isinstance(tomograms, TomogramSet):
        tomograms = read_tomograms(tomograms)
    if not isinstance(particles, ParticleSet):
        particles = read_particles(particles, tomograms)
    context = context or RunContext()
    tells = context.account

    def leave_account(summary: ExtractionSummary) -> None:
        write_account(summary_file(summary.output_dir), summary)
        tells(summary)

    make = jobs.store_particles if as_zarr else jobs.extract
    context = replace(context, account=leave_account)
    return make(tomograms, particles, settings, os.fspath(output_dir), output=output, context=context)


def _check(settings: Any, output_dir: Any, output: Any, context: Any) -> None:
    """Refuse arguments of the wrong type, whose effect would show late or never."""
    check_kind("settings", settings, ExtractionSettings)
    check_kind("output_dir", output_dir, str, os.PathLike)
    check_kind("output", output, OutputSettings, NoneType)
    check_kind("context", context, RunContext, NoneType)
    if context is not None and context.threads is not None:
        whole_number_of("threads", context.threads)
