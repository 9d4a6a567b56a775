"""Bring a given reference to the grey scale of the particles, and see whether its contrast is theirs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.reference import FourierReference
from subtomo.backends.alignment import Grid
from subtomo.backends.registry import alignment_backend
from subtomo.errors import InputError, SubtomoError
from subtomo.refinement.poses import Poses
from subtomo.refinement.search import PoseSearch
from subtomo.refinement.store import TermStore, least_held

Float = NDArray[np.float64]
Real = NDArray[np.floating]

_SAMPLED, _SEARCHED = 200, 24


class GreyScale(NamedTuple):
    """What a reference is multiplied by."""

    factor: float
    """Negative if its contrast is inverted."""
    significance: float
    """How many standard errors the factor is from zero."""


def grey_scale(
    reference: Real, store: TermStore, poses: Poses, precision: Float, stretch: Float, search: PoseSearch | None
) -> GreyScale:
    """Compare a reference with particles in their poses, or in the best ones of a search.

    Args:
        reference: (c, c, c), masked.
        store: The particles.
        poses: Theirs.
        precision: (n_shells,) of what is compared.
        stretch: (n,) see `PassPlan`.
        search: Of poses that are not known, with ``scale_free``; None for the poses as they are.

    Raises:
        InputError: No particle resembles the reference.
    """
    usable = np.flatnonzero(poses.is_usable)
    chosen = usable[:: -(-len(usable) // (_SEARCHED if search else _SAMPLED))]
    last, backend = int(np.flatnonzero(precision)[-1]), alignment_backend()
    ours = FourierReference.of(reference, last, 1.0)
    found = {sign: np.zeros(2) for sign in (1, -1)}
    weights = precision[:, None] ** 2
    for sign in (1, -1) if search else (1,):
        grid = Grid(ours.grid * np.float32(sign), ours.side)
        for index in chosen.tolist():
            try:
                terms = store[index]
            except SubtomoError:
                continue
            pose = poses.of(index) if search is None else search(terms, index, backend, grid, precision)
            power = backend.residuals(grid, terms, pose, float(stretch[index]), least_held(terms.weights))
            n = len(power.products)
            found[sign] += (weights[:n] * power.products).sum(axis=0)
    sign = 1 if search is None or found[1][0] >= found[-1][0] else -1
    fits, squares = found[sign]
    if not squares > 0:
        raise InputError("no particle resembles the reference at all: is it empty under the mask?", field="reference")
    return GreyScale(sign * fits / squares, float(fits / np.sqrt(squares / 2.0)))
