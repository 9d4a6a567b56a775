"""The account of a run: what was asked for, of which files, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from subtomo.model.notebook import Shown
from subtomo.model.plan import LeftOut
from subtomo.model.settings import ExtractionSettings, OutputSettings


@dataclass(frozen=True)
class Failure:
    """A particle that should be there, but could not be made."""

    particle: str
    tomogram: str
    error: str
    traceback: str = ""
    """Where in the program it happened, if that is a mistake of the program."""


@dataclass(frozen=True)
class InputFiles:
    """The files that a run read, relative to the folder of the project; None if there was none."""

    particles: str | None = None
    tomograms: str | None = None
    trajectories: str | None = None
    manifolds: str | None = None
    optimisation_set: str | None = None


@dataclass(frozen=True, repr=False)
class ExtractionSummary(Shown):
    """The account of an extraction. What an older version did not write of it is as it is by default."""

    output_dir: str
    """As the user gave it, relative to the folder of the project."""
    settings: ExtractionSettings
    n_particles: int
    """In the particle file."""
    n_extracted: int
    """Whose files exist now and are whole."""
    output: OutputSettings = field(default_factory=OutputSettings)
    inputs: InputFiles = field(default_factory=InputFiles)
    project: str = ""
    """The folder of the project, relative to the output folder; empty if nothing says."""
    program: str = ""
    """With its version."""
    command: tuple[str, ...] = ()
    """The words of the command line; none if Python was used."""
    n_found: int = 0
    """Particles that an earlier run had finished."""
    n_written_files: int = 0
    """By this run."""
    bytes_written: int = 0
    seconds: float = 0.0
    star_file: str = ""
    """The result: a particle set, or a store."""
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    failures: tuple[Failure, ...] = ()
    """Particles that are missing because something went wrong; the particle file does not name them."""
    noise: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Tilt series to σ0², the noise power per shell of its whitened particles, as far as this run measured it."""

    def _facts(self) -> list[tuple[str, Any]]:
        written = f"{self.n_written_files} files, {self.bytes_written / 1e6:.0f} MB, {self.seconds:.1f} s"
        return [
            ("", f"{self.n_extracted} of {self.n_particles} particles extracted into {self.output_dir}"),
            ("found finished", self.n_found or None),
            ("written", written),
            ("left out", len(self.left_out) or None),
            ("failed", len(self.failures) or None),
            ("warnings", len(self.warnings) or None),
            ("result", self.star_file),
        ]
