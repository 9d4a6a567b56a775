"""The account of an extraction on the disk, ``extraction_summary.json``: written and read by the same code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum, Flag
from pathlib import Path
from typing import Any

from subtomo.errors import InputError, SettingsError
from subtomo.io.atomic import atomic_write
from subtomo.model.account import Account, ExtractionSummary, Failure
from subtomo.model.plan import LeftOut
from subtomo.model.settings import CircleCrop, Cone, DataTerm, ExtractionSettings, Output, OutputSettings, Weighting

ACCOUNT_NAME = "extraction_summary.json"
"""Of the account, beside the particles."""
_ENUMS = {"output": Output, "weighting": Weighting, "data_term": DataTerm}


def write_account(
    path: str,
    summary: ExtractionSummary,
    settings: ExtractionSettings,
    output: OutputSettings,
    origin: Mapping[str, Any],
) -> None:
    """Write the account as JSON: counts, settings, left-out particles and why.

    Args:
        path: The file; its folder must exist.
        summary: Of the run.
        settings: That determined numbers.
        output: That determined files.
        origin: ``program``, ``command`` and ``inputs``, as `Account` has them.
    """
    account = {
        **origin,
        **{key: value for key, value in vars(summary).items() if key not in ("left_out", "failures")},
        "settings": {**plain_settings(settings), **plain_settings(output)},
        "left_out": [asdict(entry) for entry in summary.left_out],
        "failures": [asdict(entry) for entry in summary.failures],
    }
    with atomic_write(path, durable=True) as stream:
        stream.write((json.dumps(account, indent=2, ensure_ascii=False) + "\n").encode())


def read_account(folder: Path) -> Account:
    """Read the account of the extraction into a folder.

    Raises:
        InputError: There is none, or it makes no sense.
    """
    path = folder / ACCOUNT_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(
            f"{path}: cannot be read ({reason}); a report is made of the output folder of subtomo extract, "
            f"which leaves {ACCOUNT_NAME} there. Give that folder"
        ) from error
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({error}); extract again") from error
    try:
        return _account(raw)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SettingsError) as error:
        raise InputError(
            f"{path}: is not the account of an extraction ({type(error).__name__}: {error}); extract again"
        ) from error


def recorded_data_term(folder: Path) -> DataTerm:
    """Look up how the data of an extraction were added up; as RELION does where there is no account at all.

    Raises:
        InputError: There is an account, but it cannot be read.
    """
    return read_account(folder).settings.data_term if (folder / ACCOUNT_NAME).exists() else DataTerm.RELION


def _account(raw: Mapping[str, Any]) -> Account:
    return Account(
        program=str(raw.get("program", "")),
        command=tuple(map(str, raw.get("command", ()))),
        inputs={str(kind): str(name) for kind, name in dict(raw.get("inputs", {})).items() if name},
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
        failures=tuple(Failure(**entry) for entry in raw.get("failures", ())),
    )


def _settings(plain: Mapping[str, Any]) -> ExtractionSettings:
    """Restore the settings that `plain_settings` made plain."""
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


def plain_settings(settings: ExtractionSettings | OutputSettings) -> dict[str, Any]:
    """Put settings into the types that JSON has."""

    def plain(value: Any) -> Any:
        if isinstance(value, Flag):
            return [flag.name for flag in value]
        if is_dataclass(value):
            return vars(value)
        return value.name if isinstance(value, Enum) else value

    return {key: plain(value) for key, value in vars(settings).items()}
