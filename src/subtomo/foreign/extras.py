"""Readers of other programs' files that are installed on request."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from subtomo.errors import InputError


def import_reader(module: str, kind: str) -> Any:
    """Import a module of the extra ``import``.

    Args:
        module: Its name.
        kind: What it reads, for the message.

    Raises:
        InputError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{kind} are read with a package that is missing ({error}): pip install 'subtomo[import]'"
        ) from error
