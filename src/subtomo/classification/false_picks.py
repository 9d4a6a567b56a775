"""Whether there is a particle at all, judged by references that it has no part in.

A pick resembles an average that it is in, also where there is nothing, and the half map that its pose was found with:
so picks are compared with the half map of the other half set. Which class they are of does not depend on that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES
from subtomo.backends.registry import class_backend
from subtomo.classification.framed import FramedTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_BATCH = 1024
"""Particles that are gathered at a time."""


def costs_apart(
    terms: FramedTerms, series: Int, precision: Float32, half: Int, crossed: Float32, threads: int
) -> Float:
    """Give -2 log of the likelihood of each particle under the half maps of the other half set, (n, n_classes).

    Args:
        terms: The particles.
        series: (n,) tilt series of each.
        precision: (n_series, m) one over the variance of the noise of the images.
        half: (n,) 1 or 2.
        crossed: (2, n_classes, m, 2) transforms of the half maps of half sets 2 and 1.
        threads: Number of them.
    """
    costs = np.zeros((len(terms), crossed.shape[1]))
    for at, number in enumerate(HALVES):
        inside = np.flatnonzero(half == number)
        for first in range(0, len(inside), _BATCH):
            some = inside[first : first + _BATCH]
            costs[some] = class_backend().class_costs(
                terms.data[some], terms.weights[some], precision, crossed[at], series[some], threads
            )
    return costs


def against_false_picks(logs: Float, shares: Float, apart: Float | None, balls: Float) -> Float:
    """Weigh classes of particles against nothing and a ball.

    Args:
        logs: (n, n_classes) of the probabilities of classes, up to a constant per particle; the last two are nothing,
            and a ball, which is still to be compared.
        shares: (n_classes,)
        apart: (n, n_classes - 2) see `costs_apart`; None for particles that have no part in the references.
        balls: (n,) cost of the best ball.

    Returns:
        The same for all classes; what classes of particles have together follows from `apart`.
    """
    weighed, kinds = logs.copy(), logs.shape[1] - 2
    with np.errstate(divide="ignore"):
        if apart is not None:
            together = _log_sum(np.log(shares[:kinds]) - 0.5 * apart)
            weighed[:, :kinds] += (together - _log_sum(logs[:, :kinds]))[:, None]
        weighed[:, -1] = np.log(shares[-1]) - 0.5 * balls
    return weighed


def _log_sum(logs: Float) -> Float:
    """Add up what logarithms (n, m) stand for; give the logarithms of the sums, (n,)."""
    top = logs.max(axis=1)
    found: Float = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
    return found
