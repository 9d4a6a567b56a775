"""Classes that lose their particles begin anew, once, from the particles that fit worst where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.registry import class_backend
from subtomo.classification.framed import FramedTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_OF_A_CLASS = 0.5
"""Particles that an empty class is given, in parts of the mean size of a class."""


def grey_scales(
    terms: FramedTerms, precision: Float32, models: Float32, assigned: Int, series: Int, costs: Float, threads: int
) -> Float:
    """Fit the factor by which each particle resembles the reference of its class, (n,): one if it is what the class is.

    Args:
        terms: The particles.
        precision: (n_series, m) one over the variance of the noise of the images.
        models: (n_classes, m, 2) transforms of the references.
        assigned: (n,) class of each particle, from 0.
        series: (n,) tilt series of each particle.
        costs: (n, n_classes) see `ClassBackend.class_costs`.
        threads: Number of them.
    """
    twice = class_backend().class_costs(terms.data, terms.weights, precision, np.float32(2.0) * models, series, threads)
    own, rows = costs[np.arange(len(costs)), assigned], np.arange(len(costs))
    # the part of the cost that is quadratic in the reference
    quadratic = (twice[rows, assigned] - 2.0 * own) / 2.0
    fitted: Float = np.divide(quadratic - own, 2.0 * quadratic, out=np.ones(len(own)), where=quadratic > 0)
    return fitted


def reseeded(probability: Float, empty: list[int], scales: Float, asked: NDArray[np.bool_], classes: int) -> Float:
    """Give empty classes the particles that fit worst, in turn.

    Args:
        probability: (n, n_classes) of each class for each particle.
        empty: Classes without particles.
        scales: (n,) see `grey_scales`.
        asked: (n,) which particles may be given away.
        classes: Number of classes of particles.
    """
    members = np.flatnonzero(asked)
    each = max(1, int(_OF_A_CLASS * len(members) / classes))
    worst = members[np.argsort(scales[members], kind="stable")][: each * len(empty)]
    found = probability.copy()
    for at, number in enumerate(empty):
        found[worst[at :: len(empty)]] = 0.0
        found[worst[at :: len(empty)], number] = 1.0
    return found
