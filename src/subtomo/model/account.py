"""The account of a run: what was made, what was left out and why, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from subtomo.model.plan import LeftOut
from subtomo.model.settings import ExtractionSettings


@dataclass(frozen=True)
class Failure:
    """A particle that should be there, but could not be made."""

    particle: str
    tomogram: str
    error: str


@dataclass(frozen=True)
class ExtractionSummary:
    """What an extraction did."""

    output_dir: str
    n_particles: int
    """In the particle file."""
    n_extracted: int
    """Whose files exist now and are whole."""
    n_written_files: int
    """By this run."""
    bytes_written: int
    left_out: tuple[LeftOut, ...]
    seconds: float
    star_file: str
    warnings: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    """Particles that are missing because something went wrong; the particle file does not name them."""
    n_found: int = 0
    """Particles that an earlier run had finished."""
    noise: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Tilt series to σ0², the noise power per shell of its whitened particles, as far as this run measured it."""


@dataclass(frozen=True)
class Account:
    """The account that an extraction left in its folder; what older versions did not write is empty."""

    program: str
    command: tuple[str, ...]
    inputs: Mapping[str, str]
    """Kind of file (``particles``, ``tomograms``, ``trajectories``, ``optimisation_set``) to its name, as given."""
    output_dir: str
    """As the user gave it, relative to the folder where the command ran."""
    n_particles: int
    """In the particle file."""
    n_extracted: int
    n_found: int
    """Of these, what an earlier run had finished."""
    n_written_files: int
    bytes_written: int
    seconds: float
    warnings: tuple[str, ...]
    settings: ExtractionSettings
    plain_settings: Mapping[str, Any]
    """All settings, of numbers and of files, as the account has them."""
    left_out: tuple[LeftOut, ...]
    failures: tuple[Failure, ...]

    def input_file(self, kind: str) -> str | None:
        """Give the name of an input file: ``particles``, ``tomograms``, ``optimisation_set``, …."""
        return self.inputs.get(kind) or None
