"""Make folders for output."""

from __future__ import annotations

import os

from subtomo.errors import InputError
from subtomo.io.atomic import remove_leftovers

_LEFT_BEHIND_SECONDS = 30.0
"""Nobody writes to a temporary file so seldom, unless it has died."""


def prepare_folder(name: str) -> None:
    """Make a folder for the output of a job, and sweep what a killed one left there half written.

    Raises:
        InputError: See `make_folder`.
    """
    make_folder(name)
    remove_leftovers(name, older_than_seconds=_LEFT_BEHIND_SECONDS)


def make_folder(name: str) -> None:
    """Make a folder with its parents.

    Raises:
        InputError: A file is in the way, or the folder above cannot be written.
    """
    try:
        os.makedirs(name, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{error.filename}: cannot make this folder, a file is in its way; move it") from error
    except OSError as error:
        raise InputError(
            f"{name}: cannot make this folder ({error.strerror}); choose another output folder (output_dir)",
            field="output_dir",
        ) from error
