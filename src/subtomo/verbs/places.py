"""Where the files are that a verb is given: a path, the folder of a run, or the file that a noun was read from."""

from __future__ import annotations

import os
from pathlib import Path

from subtomo.errors import InputError
from subtomo.model.account import ExtractionSummary
from subtomo.model.choices import check_kind
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import TomogramSet

Where = str | Path
Particles = ParticleSet | ExtractionSummary | Where
Tomograms = TomogramSet | Where


def particles_file(particles: Particles) -> str:
    """Name the file of a particle set.

    Args:
        particles: A file; the folder of a run, or its account; or particles that were read from a file.

    Raises:
        InputError: The particles come from no file, which the verb needs.
    """
    check_kind("particles", particles, ParticleSet, ExtractionSummary, str, os.PathLike)
    if isinstance(particles, ParticleSet):
        return _source(particles.source, "particles")
    if isinstance(particles, ExtractionSummary):
        return particles.star_file
    return os.path.join(particles, "particles.star") if os.path.isdir(particles) else os.fspath(particles)


def tomograms_file(tomograms: Tomograms) -> str:
    """Name the file of a tomogram set, or that of a set that was read; InputError if it comes from none."""
    check_kind("tomograms", tomograms, TomogramSet, str, os.PathLike)
    return _source(tomograms.source, "tomograms") if isinstance(tomograms, TomogramSet) else os.fspath(tomograms)


def named(file: Where | None) -> str | None:
    """Name a file that may be left out."""
    return None if file is None else os.fspath(file)


def folder_of(run: ExtractionSummary | Where) -> str:
    """Name the output folder of a run."""
    check_kind("folder", run, ExtractionSummary, str, os.PathLike)
    return run.output_dir if isinstance(run, ExtractionSummary) else os.fspath(run)


def _source(source: str, what: str) -> str:
    if not source:
        raise InputError(f"these {what} come from no file; write one, and give its name ({what})", field=what)
    return source
