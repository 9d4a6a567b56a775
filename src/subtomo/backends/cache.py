"""Where compiled loops are kept: a folder named after the sources they were compiled from.

numba looks at the file of a function only, not at what that imports. A change in `physics` or `conventions` would go
unnoticed; here it leads to another folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

from subtomo.backends.numba_parts import load_without_linear_algebra

_PACKAGE = Path(__file__).resolve().parent.parent
_SOURCES = ("conventions.py", "physics/*.py", "backends/*.py", "backends/cpu/*.py")


@cache
def cache_folder() -> Path:
    """Find (or make) the folder for loops compiled from the present sources."""
    digest = sha256()
    for pattern in _SOURCES:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    for base in _bases():
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="subtomo-kernels-"))


def is_filled() -> bool:
    """Tell whether loops were compiled before."""
    return next(cache_folder().rglob("*.nbc"), None) is not None


@contextmanager
def compiled_here() -> Iterator[None]:
    """Let functions that are decorated within the block be cached in `cache_folder`."""
    load_without_linear_algebra()
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _bases() -> Iterator[Path]:
    if os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(os.environ["NUMBA_CACHE_DIR"])
    yield _PACKAGE / "backends" / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "subtomo"
