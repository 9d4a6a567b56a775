"""The account of a run as JSON, written and read by the same field types."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum, Flag
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from subtomo.doing import doing_to_file
from subtomo.errors import InputError, SettingsError
from subtomo.io.atomic import atomic_write
from subtomo.model.account import ExtractionSummary
from subtomo.model.settings import DataTerm, ExtractionSettings, OutputSettings
from subtomo.words import as_json

ACCOUNT_NAME = "extraction_summary.json"
"""Of the account, beside the particles."""
_FIRST, _LAST = ("program", "command", "project", "inputs"), ("settings", "left_out", "failures", "noise")
_LARGEST = 2**63 - 1
_SHOWN = 60


class _WrongError(Exception):
    """A value is not what its field declares."""

    def __init__(self, where: str, value: Any, expected: str) -> None:
        shown = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
        super().__init__(f"{where or 'all of it'} is {shown}, but must be {expected}")


@doing_to_file("writing")
def write_account(path: str | os.PathLike[str], account: ExtractionSummary) -> None:
    """Write an account as JSON: settings of numbers and of files in one table, everything else under its own name."""
    plain = _plain(account)
    plain["settings"] |= plain.pop("output")
    plain = {name: plain[name] for name in sorted(plain, key=_place)}
    with atomic_write(path, durable=True) as stream:
        stream.write((as_json(plain) + "\n").encode())


@doing_to_file("reading")
def read_account(folder: str | os.PathLike[str]) -> ExtractionSummary:
    """Read the account of the extraction into a folder; fields that it does not know are passed over.

    Raises:
        InputError: There is none, or a value of it is not what it must be.
    """
    path = Path(folder, ACCOUNT_NAME)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(
            f"{path}: cannot be read ({reason}); every extraction leaves {ACCOUNT_NAME} in its output folder. "
            "Give that folder"
        ) from error
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({_line(error)}); extract again") from error
    try:
        if isinstance(plain, dict):
            plain = {**plain, "output": plain.get("settings")}
        account: ExtractionSummary = _restored(ExtractionSummary, plain, "")
        if not math.isfinite(account.seconds):
            raise _WrongError("seconds", account.seconds, "a finite number")
    except (_WrongError, SettingsError) as error:
        raise InputError(f"{path}: is not the account of an extraction: {_line(error)}; extract again") from error
    return account


def recorded_data_term(folder: str | os.PathLike[str]) -> DataTerm:
    """Look up in the account of an extraction how its data were added up; as RELION does if there is no account.

    Raises:
        InputError: There is an account that cannot be read.
    """
    if not os.path.lexists(Path(folder, ACCOUNT_NAME)):
        return DataTerm.RELION
    try:
        return read_account(folder).settings.data_term
    except InputError as error:
        raise InputError(
            f"{error}, or say how the data of these particles were added up (data_term)", field="data_term"
        ) from error


def project_folder(folder: str | os.PathLike[str], account: ExtractionSummary) -> Path | None:
    """Find the folder of the project of an extraction: where its account says, or what its output folder was in.

    Args:
        folder: The output folder as it is named now; links are not followed, for it may be one to another disk.
        account: The account in it.

    Returns:
        None if output and account have been parted, so that nothing tells.
    """
    try:
        return _project_folder(os.path.abspath(folder), account)
    except (OSError, ValueError, RuntimeError):
        return None  # the account names what no file can have as its name


def _project_folder(named: str, account: ExtractionSummary) -> Path | None:
    resolved = Path(named).resolve()
    recorded = Path(os.path.normpath(os.path.join(named, account.project)))
    if account.project and (recorded / account.output_dir).resolve() == resolved:
        return recorded
    here = Path.cwd()
    if (here / account.output_dir).resolve() == resolved:
        return here
    parts = Path(account.output_dir).parts
    is_plain = not Path(account.output_dir).is_absolute() and ".." not in parts
    if is_plain and parts and resolved.parts[-len(parts) :] == parts:
        return Path(*resolved.parts[: -len(parts)])
    return None


def _place(name: str) -> int:
    """Tell where a field stands in the file: first what was run, last what is long."""
    order = (*_FIRST, "", *_LAST)
    return order.index(name if name in order else "")


def plain_settings(settings: ExtractionSettings | OutputSettings) -> dict[str, Any]:
    """Put settings into the types that JSON has; choices become words."""
    plain: dict[str, Any] = _plain(settings)
    return plain


def _plain(value: Any) -> Any:
    """Put a value into the types that JSON has."""
    if isinstance(value, Flag):
        return [flag.name for flag in value]
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _restored(kind: Any, value: Any, where: str) -> Any:
    """Make of a plain value what a field declares."""
    if get_origin(kind) is UnionType:
        if value is None:
            return None
        kind = next(part for part in get_args(kind) if part is not type(None))
    if is_dataclass(kind):
        return _noun(kind, value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise _WrongError(where, value, "a list")
        return tuple(_restored(get_args(kind)[0], one, f"{where}[{i}]") for i, one in enumerate(value))
    if get_origin(kind) is Mapping:
        if not isinstance(value, dict):
            raise _WrongError(where, value, "a table")
        return {key: _restored(get_args(kind)[1], one, f"{where}[{key!r}]") for key, one in value.items()}
    return _restored_scalar(kind, value, where)


def _noun(kind: Any, value: Any, where: str) -> Any:
    """Make a dataclass of a table; what the table lacks is as it is by default."""
    if not isinstance(value, dict):
        raise _WrongError(where, value, "a table of values")
    given = dict[str, Any]()
    for name, (declared, is_needed) in _declared(kind).items():
        place = f"{where}.{name}" if where else name
        if name in value:
            given[name] = _restored(declared, value[name], place)
        elif is_needed:
            raise _WrongError(where, value, f"a table with {place}")
    return kind(**given)


@cache
def _declared(kind: Any) -> dict[str, tuple[Any, bool]]:
    """List the fields of a dataclass with their types, and whether they are needed."""
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
    }


def _restored_scalar(kind: Any, value: Any, where: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if issubclass(kind, Flag):
        # settings find the members by their names, and refuse those that there are not
        if not (isinstance(value, list) and all(isinstance(word, str) for word in value)):
            raise _WrongError(where, value, "a list of words")
    elif kind is str or issubclass(kind, Enum):
        if not isinstance(value, str):
            raise _WrongError(where, value, "text")
        if not _is_text(value):
            raise _WrongError(where, value, "valid Unicode text")
    elif kind is bool:
        if not isinstance(value, bool):
            raise _WrongError(where, value, "true or false")
    elif kind is int:
        if not (is_number and isinstance(value, int) and 0 <= value <= _LARGEST):
            raise _WrongError(where, value, "a whole number, zero or more")
    elif not is_number or math.isnan(value):
        raise _WrongError(where, value, "a number")
    return float(value) if kind is float else value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _line(error: BaseException) -> str:
    """Give a message in one line."""
    return " ".join(str(error).split()) or type(error).__name__
