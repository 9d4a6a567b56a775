"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Reports have tests of their own; hundreds of extractions need none.
os.environ.setdefault("SUBTOMO_NO_REPORT", "1")

# Machines that run tests are busy: how long an example takes says nothing about the code.
settings.register_profile("subtomo", deadline=None)
settings.load_profile("subtomo")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Data too large or not free to ship: `shared` beside the repository, or where SUBTOMO_SHARED points."""
    named = os.environ.get("SUBTOMO_SHARED")
    folder = Path(named) if named else REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent (set SUBTOMO_SHARED to the folder with the shared data)")
    return folder
