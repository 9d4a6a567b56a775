"""The account of an extraction, ``extraction_summary.json``, as nouns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from subtomo.errors import InputError, SettingsError
from subtomo.model.plan import LeftOut
from subtomo.model.settings import CircleCrop, Cone, DataTerm, ExtractionSettings, Output, Weighting

SUMMARY = "extraction_summary.json"
_INPUT_OPTIONS = {
    "particles": ("--p", "--particles"),
    "tomograms": ("--t", "--tomograms"),
    "optimisation_set": ("--i", "--optimisation-set"),
    "trajectories": ("--mot", "--trajectories"),
}
_ENUMS = {"output": Output, "weighting": Weighting, "data_term": DataTerm}


@dataclass(frozen=True)
class Account:
    """The account of an extraction; what older versions did not write is empty."""

    program: str
    command: tuple[str, ...]
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
    failures: tuple[Mapping[str, str], ...]
    """``particle``, ``tomogram`` and ``error`` of each particle that could not be made."""

    def input_file(self, kind: str) -> str | None:
        """Find an input file in the command line: ``particles``, ``tomograms``, ``optimisation_set``, …."""
        plain = [word.replace("_", "-") if word.startswith("--") else word for word in self.command]
        found = None
        for position, word in enumerate(plain):
            name, equals, _ = word.partition("=")
            if name not in _INPUT_OPTIONS[kind]:
                continue
            if equals:
                found = self.command[position].partition("=")[2]
            elif position + 1 < len(self.command):
                found = self.command[position + 1]
        return found or None


def read_account(folder: Path) -> Account:
    """Read the account of the extraction into a folder.

    Raises:
        InputError: There is none, or it cannot be understood.
    """
    path = folder / SUMMARY
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); a report is made of the output folder of subtomo extract, "
            f"which leaves {SUMMARY} there. Give that folder"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); extract again") from error
    try:
        return _account(raw)
    except (KeyError, TypeError, ValueError, AttributeError, SettingsError) as error:
        raise InputError(
            f"{path}: is not the account of an extraction ({type(error).__name__}: {error}); extract again"
        ) from error


def _account(raw: Mapping[str, Any]) -> Account:
    return Account(
        program=str(raw.get("program", "")),
        command=tuple(map(str, raw.get("command", ()))),
        output_dir=str(raw["output_dir"]),
        n_particles=int(raw["n_particles"]),
        n_extracted=int(raw["n_extracted"]),
        n_found=int(raw.get("n_found", 0)),
        n_written_files=int(raw.get("n_written_files", 0)),
        bytes_written=int(raw.get("bytes_written", 0)),
        seconds=float(raw.get("seconds", 0.0)),
        warnings=tuple(map(str, raw.get("warnings", ()))),
        settings=_settings(raw["settings"]),
        plain_settings=dict(raw["settings"]),
        left_out=tuple(LeftOut(**entry) for entry in raw.get("left_out", ())),
        failures=tuple(dict(entry) for entry in raw.get("failures", ())),
    )


def _settings(plain: Mapping[str, Any]) -> ExtractionSettings:
    """Restore the settings that `subtomo.output.summary.plain_settings` made plain."""
    known = {field.name for field in fields(ExtractionSettings)}
    values = {name: value for name, value in plain.items() if name in known}
    for name, kind in _ENUMS.items():
        if name in values:
            values[name] = kind[values[name]]
    if "circle_crop" in values:
        crop = CircleCrop.NONE
        for flag in values["circle_crop"]:
            crop |= CircleCrop[flag]
        values["circle_crop"] = crop
    if values.get("cone") is not None:
        values["cone"] = Cone(**values["cone"])
    return ExtractionSettings(**values)
