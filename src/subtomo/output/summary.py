"""The account of a run: what was written, what was left out and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from enum import Enum, Flag
from pathlib import Path
from typing import Any

from subtomo.io.atomic import atomic_write
from subtomo.model.plan import LeftOut
from subtomo.model.settings import DataTerm, ExtractionSettings, OutputSettings


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


def write_summary(
    path: str,
    summary: ExtractionSummary,
    settings: ExtractionSettings,
    output: OutputSettings,
    context: Mapping[str, Sequence[str] | str],
) -> None:
    """Write the account as JSON: counts, settings, left-out particles and why, and context (command, version)."""
    account = {
        **context,
        **{key: value for key, value in vars(summary).items() if key not in ("left_out", "failures")},
        "settings": {**plain_settings(settings), **plain_settings(output)},
        "left_out": [asdict(entry) for entry in summary.left_out],
        "failures": [asdict(entry) for entry in summary.failures],
    }
    with atomic_write(path) as stream:
        stream.write((json.dumps(account, indent=2, ensure_ascii=False) + "\n").encode())


def recorded_data_term(account_file: str) -> DataTerm:
    """Look up in the account of an extraction how its data were added up; as RELION does where nothing is said."""
    try:
        name = json.loads(Path(account_file).read_bytes())["settings"]["data_term"]
        return DataTerm[name]
    except (OSError, ValueError, KeyError, TypeError):
        return DataTerm.RELION


def plain_settings(settings: ExtractionSettings | OutputSettings) -> dict[str, Any]:
    """Put settings into the types that JSON has."""

    def plain(value: Any) -> Any:
        if isinstance(value, Flag):
            return [flag.name for flag in value]
        if is_dataclass(value):
            return vars(value)
        return value.name if isinstance(value, Enum) else value

    return {key: plain(value) for key, value in vars(settings).items()}
