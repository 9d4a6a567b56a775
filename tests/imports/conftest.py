"""Alignments of other programs, and images for them."""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def alignments() -> Path:
    """The folder of alignment files."""
    return DATA
