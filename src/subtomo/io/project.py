"""Where files are that STAR files name: seen from the folder of the project."""

from __future__ import annotations

import os
from pathlib import Path

from subtomo.io.image_names import is_remote

Project = str | Path | None
"""The folder that names in STAR files are relative to; None for the current one."""


def in_project(name: str | Path, project: Project) -> str:
    """Give the path of a file that a STAR file names; the name itself if no folder is given, or it is on a server."""
    return str(name) if project is None or is_remote(str(name)) else os.path.join(project, name)


def seen_from(project: Project) -> str:
    """Name the folder of the project in full, for messages."""
    return os.path.abspath(project or "")
