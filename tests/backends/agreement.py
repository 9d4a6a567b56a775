"""Compare a backend with the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram
from subtomo.model.tilt_series import TiltSeries
from tests.helpers.builders import tomogram_set

DATA_TOLERANCE = 3e-6
WEIGHT_TOLERANCE = 2e-6


def assert_backends_agree(
    tomogram: TiltSeries, particles: ParticleSet, settings: ExtractionSettings, name: str = "cpu"
) -> None:
    """Extract all particles with a backend and the reference; there must be one at least."""
    given, slow = (
        PseudoSubtomograms(tomogram_set(tomogram), particles, settings, backend=name) for name in (name, "reference")
    )
    assert len(given) > 0
    for ours, expected in zip(given, slow, strict=True):
        _compare(ours, expected)


def difference(ours: NDArray[Any], expected: NDArray[Any]) -> float:
    """Give the largest difference in units of the largest value."""
    assert ours.shape == expected.shape
    assert ours.dtype == expected.dtype == np.float32
    return float(np.abs(ours.astype(np.float64) - expected).max() / np.abs(expected).max())


def _compare(ours: Extracted, expected: Extracted) -> None:
    np.testing.assert_array_equal(ours.visible, expected.visible)
    if isinstance(ours, PseudoSubtomogram):
        assert isinstance(expected, PseudoSubtomogram)
        assert difference(ours.data, expected.data) <= DATA_TOLERANCE
        assert difference(ours.ctf2, expected.ctf2) <= WEIGHT_TOLERANCE
        assert difference(ours.multiplicity, expected.multiplicity) <= WEIGHT_TOLERANCE
    else:
        assert not isinstance(expected, PseudoSubtomogram)
        assert difference(ours.images, expected.images) <= DATA_TOLERANCE
