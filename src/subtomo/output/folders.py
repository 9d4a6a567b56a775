"""Make folders for output."""

from __future__ import annotations

import os

from subtomo.errors import InputError


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
