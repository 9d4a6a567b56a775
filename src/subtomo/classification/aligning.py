"""Poses refined within classes: each particle against each class, by the Levenberg-Marquardt method as in a refinement.

Half sets stay apart here: a particle is aligned to the half map, of its own half set, of each class.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.alignment.reference import FourierReference
from subtomo.alignment.voxels import Voxels
from subtomo.averaging.average import HALVES
from subtomo.backends.alignment import AlignmentBackend, FoundPose, Grid, Pose, Prior, Terms
from subtomo.backends.registry import alignment_backend
from subtomo.classification.framed import TermSource, framed_terms
from subtomo.classification.iteration import Iteration
from subtomo.classification.rounds import Classification
from subtomo.errors import InputError, SubtomoError
from subtomo.extraction.threads import run_in_order
from subtomo.refinement.gauge import disagreement, halves, mean_change, without
from subtomo.refinement.noise import precision
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.references import wiener_map
from subtomo.refinement.store import TermStore

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_EVALUATIONS = 12
_FEWEST = 4
"""Particles of a class and half set whose mean change is taken out: that of fewer is mostly their own."""
SETTLED_DEG, SETTLED_ANGSTROM = 0.1, 0.1
"""Mean changes of the poses below which nothing more is to be expected."""


class AlignedPoses(NamedTuple):
    """What a round of alignment found."""

    poses: Poses
    turn_deg: float
    """Mean change of the orientations."""
    move_angstrom: float
    """Mean change of the positions."""

    @property
    def has_settled(self) -> bool:
        """Whether another round would change nothing."""
        return self.turn_deg < SETTLED_DEG and self.move_angstrom < SETTLED_ANGSTROM


@dataclass(frozen=True, eq=False)
class ChosenTerms:
    """Some particles of a store."""

    store: TermStore
    rows: Int
    """(n,)"""

    @property
    def voxels(self) -> Voxels:
        """Of each."""
        return self.store.voxels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Terms:
        """Give the terms of a particle."""
        return self.store[int(self.rows[index])]


class Case(NamedTuple):
    """A particle that is to be aligned."""

    start: Pose
    prior: Prior
    precision: Float
    """(n_shells,) one over the standard deviation of the noise."""
    stretch: float
    half: int


class References(Protocol):
    """What a particle is aligned to."""

    @property
    def grids(self) -> dict[int, dict[int, Grid]]:
        """By half set and class."""

    @property
    def shares(self) -> Float:
        """(n_classes,) of the particles."""


class Wanted(NamedTuple):
    """What a round of alignment asks for."""

    classification: Classification
    grids: dict[int, dict[int, Grid]]
    """By half set and class."""
    weights: Float
    """(n_series, n_shells) one over the standard deviation of the noise."""
    shares: Float
    """(n_classes,) of the particles."""
    poses: Poses


def best_pose(
    terms: TermSource, index: int, case: Case, references: References, backend: AlignmentBackend
) -> tuple[int, FoundPose | None]:
    """Align a particle to each class; give the class that is most likely then, and its pose."""
    try:
        particle = terms[index]
    except SubtomoError:
        return -1, None
    best, number, found = np.inf, -1, None
    for kind, grid in references.grids[case.half].items():
        one = backend.align(grid, particle, case.start, case.prior, case.precision, case.stretch, _EVALUATIONS)
        value = one.value - 2.0 * float(np.log(references.shares[kind]))
        if value < best:
            best, number, found = value, kind, one
    return number, found


@dataclass(frozen=True, eq=False)
class PoseAlignment:
    """Particles in their own frames, and what is known of their poses before."""

    terms: ChosenTerms
    priors: Priors
    """Of the same particles."""
    stretch: Float
    """(n,) side of the frame's box against that of the particle's, both in Å."""
    threads: int = 1
    advance: Callable[[int], None] = lambda count: None
    """Hears of finished particles."""

    def aligned(self, classification: Classification, last: Iteration, poses: Poses) -> AlignedPoses:
        """Find the best pose of each particle against each class, and keep that of the class it then fits best.

        Particles that are taken for false picks keep their poses. What the poses of a class and half set change by as a
        whole is taken out again, and the half maps of a class are aligned to each other (`refinement.gauge`).

        Args:
            classification: The particles in the frame of the average.
            last: The classes.
            poses: Of the same particles.
        """
        references, apart = _references(classification, last)
        weights = precision(last.variance, last.last_shell)
        # particles have some shells more than are ever compared
        weights = np.pad(weights, ((0, 0), (0, self.terms.voxels.reach + 1 - weights.shape[1])))
        wanted = Wanted(classification, references, weights, last.shares, poses)
        rotation, shift, value = poses.rotation.copy(), poses.shift_px.copy(), poses.value.copy()
        covariance, numbers = poses.covariance.copy(), np.full(len(poses), -1)
        members = np.flatnonzero(last.assigned < classification.settings.classes).tolist()
        for index, number, found in self.found(wanted, members):
            self.advance(1)
            if found is not None:
                (rotation[index], shift[index]), value[index], covariance[index] = found
                numbers[index] = number
        after = poses.replaced(rotation=rotation, shift_px=shift, value=value, covariance=covariance)
        after = _held(poses, after, numbers, apart)
        turns = Rotation.from_matrix(poses.rotation.transpose(0, 2, 1) @ after.rotation).magnitude()
        moves = np.linalg.norm(after.shift_px - poses.shift_px, axis=1) * self.priors.voxel_angstrom
        chosen = numbers >= 0
        if not chosen.any():
            return AlignedPoses(after, 0.0, 0.0)
        return AlignedPoses(after, float(np.degrees(turns[chosen]).mean()), float(moves[chosen].mean()))

    def found(self, wanted: Wanted, members: list[int]) -> Iterator[tuple[int, int, FoundPose | None]]:
        """Align particles; give index, class from 0 and pose, or -1 and None for one that cannot be made any more."""
        local = threading.local()

        def work(index: int) -> tuple[int, int, FoundPose | None]:
            if not hasattr(local, "backend"):
                local.backend = alignment_backend()
            return index, *best_pose(self.terms, index, self.case_of(wanted, index), wanted, local.backend)

        return run_in_order(work, members, self.threads)

    def case_of(self, wanted: Wanted, index: int) -> Case:
        """Gather what is known of a particle."""
        classification = wanted.classification
        return Case(
            wanted.poses.of(index), self.priors.of(index), wanted.weights[classification.series[index]],
            float(self.stretch[index]), int(classification.half[index]),
        )  # fmt: skip

    def turned(self, classification: Classification, poses: Poses) -> Classification:
        """Turn the particles into the frame of the average anew.

        Raises:
            InputError: A particle cannot be made any more.
        """
        terms = framed_terms(
            self.terms, classification.terms.voxels, poses, self.stretch, self.threads, self.advance,
            into=classification.terms,
        )  # fmt: skip
        if terms.problems:
            raise InputError(f"particles cannot be read again: {next(iter(terms.problems.values()))}")
        return classification.with_terms(terms)


def _references(
    classification: Classification, last: Iteration
) -> tuple[dict[int, dict[int, Grid]], dict[int, tuple[Pose, Pose]]]:
    """Make the reference of each class by half set, and find how far the two of a class are apart.

    Returns:
        Grids by half set and class; what to take out of the poses of half sets 1 and 2 (voxels of the particles'
        volumes), by class.
    """
    grids: dict[int, dict[int, Grid]] = {half: {} for half in HALVES}
    apart = {}
    grid, mask = classification.grid, classification.mask
    for number, found in classification.half_maps(last):
        curves = found.curves
        for half in HALVES:
            density = wiener_map(found.sums[half], curves.corrected, last.last_shell) * mask
            made = FourierReference.of(density, last.last_shell, grid.coarse_angstrom)
            grids[half][number] = Grid(made.grid, made.side)
        one, two = (found.maps[half] * mask for half in HALVES)
        between = disagreement(one, two, curves.masked, grid.coarse_angstrom)
        if between is not None:
            finer = grid.voxels.size / grid.size
            first, second = halves(between)
            apart[number] = (
                first._replace(shift_px=first.shift_px * finer),
                second._replace(shift_px=second.shift_px * finer),
            )
    return grids, apart


def _held(before: Poses, after: Poses, numbers: Int, apart: dict[int, tuple[Pose, Pose]]) -> Poses:
    """Hold the frames of the classes, see `PoseAlignment.aligned`."""
    rotation, shift = after.rotation.copy(), after.shift_px.copy()
    for number in sorted(set(numbers.tolist()) - {-1}):
        for at, half in enumerate(HALVES):
            members = np.flatnonzero((numbers == number) & (after.half == half))
            if len(members) < _FEWEST:
                continue
            part = after.take(members)
            part = without(mean_change(before.take(members), part, half), part, half)
            if number in apart:
                part = without(apart[number][at], part, half)
            rotation[members], shift[members] = part.rotation, part.shift_px
    return after.replaced(rotation=rotation, shift_px=shift)
