"""Whether classes follow what they should not: the direction of view, the tilt series, the defocus."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_DIRECTIONS = 12
_DEFOCUS_BINS = 5
_SHUFFLES = 400
SURPRISING = 0.01
"""Chance of as much mutual information below which classes are said to follow something."""


class Shared(NamedTuple):
    """What classes and something else tell of each other."""

    name: str
    bits: float
    """Mutual information."""
    by_chance: float
    """Mean over random orders of the particles."""
    probability: float
    """Of as much by chance."""

    @property
    def is_surprising(self) -> bool:
        """Whether chance hardly gives as much."""
        return self.probability < SURPRISING


def mutual_information(first: Int, second: Int) -> float:
    """Compute the mutual information of two labels (n,), in bits."""
    rows, columns = int(first.max(initial=0)) + 1, int(second.max(initial=0)) + 1
    joint = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns) / max(len(first), 1)
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    known = joint > 0
    return float((joint[known] * np.log2(joint[known] / product[known])).sum())


def shared(name: str, classes: Int, other: Int, seed: int = 0) -> Shared:
    """Compare what classes tell of another label with what they tell of it in random orders."""
    random = np.random.default_rng(seed)
    found = mutual_information(classes, other)
    chance = np.array([mutual_information(random.permutation(classes), other) for _ in range(_SHUFFLES)])
    return Shared(name, found, float(chance.mean()), float((1 + (chance >= found - 1e-12).sum()) / (1 + _SHUFFLES)))


def direction_bins(beam: Float) -> Int:
    """Divide directions (n, 3), opposite ones being the same, into twelve equal parts of a half sphere."""
    k = np.arange(_DIRECTIONS) + 0.5
    z = k / _DIRECTIONS
    turn = np.pi * (1.0 + np.sqrt(5.0)) * k
    r = np.sqrt(1.0 - z * z)
    centres = np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)
    found: Int = np.argmax(np.abs(beam @ centres.T), axis=1)
    return found


def quantile_bins(values: Float) -> Int:
    """Divide numbers (n,) into five parts of equal size; equal numbers stay together."""
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _DEFOCUS_BINS + 1)[1:-1]))
    found: Int = np.searchsorted(edges, values, side="left")
    return found
