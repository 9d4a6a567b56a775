"""How many classes there are: how likely particles are under classes that were found without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.classification.iteration import Iteration
from subtomo.classification.rounds import Classification

Float = NDArray[np.float64]

FOLDS = 5


class HeldOut(NamedTuple):
    """A number of classes, and how well it predicts."""

    classes: int
    log_likelihood: Float
    """(n,) of each particle, held out."""

    @property
    def mean(self) -> float:
        """Per particle."""
        return float(self.log_likelihood.mean())


def best_of(classification: Classification, starts: int) -> Iteration:
    """Classify from random starts, and keep the most likely result."""
    found: Iteration | None = None
    for start in range(starts):
        last = classification.finished(classification.random_start(start))
        if found is None or last.total_log_likelihood > found.total_log_likelihood:
            found = last
    assert found is not None
    return found


def held_out(
    classification: Classification, numbers: tuple[int, ...], advance: Callable[[], None] = lambda: None
) -> list[HeldOut]:
    """Classify four fifths of the particles, and see how likely the others are; each fifth in its turn.

    Resolution and masks stay those of the whole.
    """
    n = len(classification.terms)
    fold = np.random.default_rng([classification.settings.seed, FOLDS]).permutation(n) % FOLDS
    # likelihoods compare only under one and the same noise
    noise = replace(classification, settings=replace(classification.settings, classes=1)).random_start(0).variance
    found = []
    for number in numbers:
        settings = replace(classification.settings, classes=number)
        values = np.zeros(n)
        for left_out in range(FOLDS):
            inside, outside = np.flatnonzero(fold != left_out), np.flatnonzero(fold == left_out)
            part = replace(
                classification, terms=classification.terms.take(inside), half=classification.half[inside],
                series=classification.series[inside], settings=settings,
            )  # fmt: skip
            last = best_of(part, settings.starts)
            values[outside] = part.posterior(
                replace(last, variance=noise), classification.terms.take(outside), classification.series[outside]
            )[1]
            advance()
        found.append(HeldOut(number, values))
    return found
