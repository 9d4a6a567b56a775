"""The state of a classification after an iteration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Iteration:
    """The state after an iteration: enough to go on from it."""

    number: int
    """0 for the start."""
    probability: Float
    """(n, n_classes) of each class for each particle."""
    models: Float32
    """(n_classes, m, 2) transforms of the references, masked."""
    crossed: Float32
    """(2, n_classes of particles, m, 2) of the half maps of sets 2 and 1, if particles are told from false picks."""
    maps: Float32
    """(n_classes, s, s, s) the same, on the grid of the comparison."""
    shares: Float
    """(n_classes,) of the particles."""
    correlation: Float
    """(n_classes, n_shells) of the half maps of each class."""
    variance: Float
    """(n_series, n_shells) of the noise of the images."""
    last_shell: int
    """The last one that is compared next."""
    log_likelihood: Float
    """(n,) of each particle, up to a constant that classes do not change."""
    change: float
    """Mean change of the probabilities of a particle."""
    seconds: float
    dropped: dict[int, int] = field(default_factory=dict)
    """Classes that lost their particles for good, by number from 0, and in which iteration."""
    reseeded: dict[int, int] = field(default_factory=dict)
    """Classes that lost them, and began anew from the particles that fitted worst, likewise."""

    @property
    def assigned(self) -> Int:
        """(n,) the most likely class of each particle, from 0."""
        number: Int = np.argmax(self.probability, axis=1)
        return number

    @property
    def total_log_likelihood(self) -> float:
        """Of all particles."""
        return float(self.log_likelihood.sum())
