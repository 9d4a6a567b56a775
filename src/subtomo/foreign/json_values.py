"""Read JSON files of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.foreign.text import read_text


def json_object(path: Path, expected: str) -> dict[str, Any]:
    """Read a file that holds one object.

    Raises:
        InputError: The file cannot be read, or holds something else.
    """
    try:
        content = json.loads(read_text(path, expected))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no whole JSON file ({str(error)[:80]}); copy it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object, expected {expected}")
    return content


def json_number(value: Any, where: str) -> float:
    """Read one number of a JSON file; InputError names where it stands."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InputError(f"{where}: found {str(value)[:40]!r}, expected a finite number; correct it")
    return float(value)
