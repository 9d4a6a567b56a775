"""One pass over the particles: poses against the present references, and the sums that the next ones are made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.reference import FourierReference
from subtomo.averaging.average import HALVES
from subtomo.backends.alignment import AlignmentBackend, FoundPose, Grid, Pose, ShellPower, Terms
from subtomo.backends.registry import alignment_backend
from subtomo.errors import SubtomoError
from subtomo.extraction.threads import run_in_order
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.store import TermStore, least_held
from subtomo.refinement.sums import BatchSums, HalfSums

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_BATCHES = 24
"""Per half set, at least, so that many threads have work to do."""
_LARGEST_BATCH = 32
_EVALUATIONS = 12


Batch = tuple[int, Int]
"""Half set and indices."""


class StartingPose(Protocol):
    """Finds where to begin."""

    def __call__(self, terms: Terms, index: int, backend: AlignmentBackend, grid: Grid, precision: Float) -> Pose:
        """Search for the pose of a particle."""


@dataclass(frozen=True, eq=False)
class PassPlan:
    """What a pass works with."""

    store: TermStore
    priors: Priors
    series: Int
    """(n,) which tilt series each particle belongs to."""
    stretch: Float
    """(n,) side of the reference's box against that of the particle's, both in Å."""
    references: Mapping[int, FourierReference] = field(default_factory=dict)
    """By half set; empty to leave poses as they are."""
    precision: Float | None = None
    """(n_series, n_shells) one over the standard deviation of D / √W; zero beyond the last shell that is compared."""
    start: StartingPose | None = None
    """Where to begin, if not at the poses that are there."""
    fits_scale: bool = False


@dataclass(eq=False)
class PassResult:
    """What a pass found."""

    poses: Poses
    sums: dict[int, HalfSums]
    power: Float
    """(n_series, n_shells) sum of W |D' - m|²"""
    weight: Float
    """(n_series, n_shells) sum of W"""
    problems: dict[int, str]
    """Particles that could not be made, and why."""


@dataclass(eq=False)
class BatchPart:
    """What a batch found; arrays have a row per particle of the batch."""

    batch: Int
    half: int
    found: list[FoundPose | None]
    scales: list[float]
    power: list[ShellPower | None]
    sums: BatchSums
    problems: dict[int, str]


class Runner(Protocol):
    """Works on the batches of a pass, wherever."""

    def __call__(self, plan: PassPlan, poses: Poses, batches: Iterable[Batch]) -> Iterator[BatchPart]:
        """Yield what each batch found, in the order of the batches."""


@dataclass(frozen=True)
class Threads:
    """Works on batches in this process."""

    count: int

    def __call__(self, plan: PassPlan, poses: Poses, batches: Iterable[Batch]) -> Iterator[BatchPart]:
        """Yield what each batch found."""
        local = threading.local()

        def work(batch: Batch) -> BatchPart:
            if not hasattr(local, "backend"):
                local.backend = alignment_backend()
            return work_on(plan, poses, batch, local.backend)

        return run_in_order(work, batches, self.count)


def run_pass(
    plan: PassPlan, poses: Poses, runner: Runner, advance: Callable[[int], None] = lambda count: None
) -> PassResult:
    """Compare every particle with the reference of its half set, and add it up in the pose that was found.

    Results do not depend on who works on the batches: these are the same, and are added in order.
    """
    voxels = plan.store.voxels
    n_series = int(plan.series.max(initial=0)) + 1
    result = PassResult(
        poses,
        {half: HalfSums.empty(voxels) for half in HALVES},
        np.zeros((n_series, voxels.reach + 1)),
        np.zeros((n_series, voxels.reach + 1)),
        {},
    )
    rotation, shift, value = poses.rotation.copy(), poses.shift_px.copy(), poses.value.copy()
    covariance, scale, usable = poses.covariance.copy(), poses.scale.copy(), poses.is_usable.copy()
    for part in runner(plan, poses, batches(poses)):
        result.sums[part.half].add(part.sums)
        result.problems |= part.problems
        for index, found, factor, power in zip(part.batch.tolist(), part.found, part.scales, part.power, strict=True):
            if index in part.problems:
                usable[index] = False
                continue
            scale[index] = factor
            if found is not None:
                (rotation[index], shift[index]), value[index], covariance[index] = found
            if power is not None:
                result.power[plan.series[index]] += power.residual
                result.weight[plan.series[index]] += power.weight
        advance(len(part.batch))
    result.poses = poses.replaced(
        rotation=rotation, shift_px=shift, value=value, covariance=covariance, scale=scale, is_usable=usable
    )
    return result


def batches(poses: Poses) -> Iterator[Batch]:
    """Divide the particles of each half set, in their order: half set and indices."""
    for half in HALVES:
        members = np.flatnonzero((poses.half == half) & poses.is_usable)
        size = max(1, min(_LARGEST_BATCH, -(-len(members) // _BATCHES)))
        for first in range(0, len(members), size):
            yield half, members[first : first + size]


def work_on(plan: PassPlan, poses: Poses, batch: Batch, backend: AlignmentBackend) -> BatchPart:
    """Compare and add up the particles of a batch."""
    half, members = batch
    part = BatchPart(members, half, [], [], [], BatchSums(plan.store.voxels), {})
    reference = plan.references.get(half)
    for index in members.tolist():
        try:
            terms = plan.store[index]
        except SubtomoError as error:
            part.problems[index] = str(error)
            part.found.append(None)
            part.scales.append(1.0)
            part.power.append(None)
            continue
        pose, found, scale, stretch = poses.of(index), None, float(poses.scale[index]), float(plan.stretch[index])
        if reference is not None:
            assert plan.precision is not None
            grid, precision = Grid(reference.grid, reference.side), plan.precision[plan.series[index]]
            start = pose if plan.start is None else plan.start(terms, index, backend, grid, precision)
            scaled = terms if scale == 1.0 else terms._replace(weights=terms.weights * np.float32(scale))
            found = backend.align(grid, scaled, start, plan.priors.of(index), precision, stretch, _EVALUATIONS)
            pose = found.pose
        else:
            grid = Grid(_NOTHING, 5)
        least = least_held(terms.weights)
        power = backend.residuals(grid, terms, pose, stretch, least) if reference is not None else _raw(terms, least)
        if reference is not None and plan.fits_scale:
            scale = _fitted_scale(power, plan.precision[plan.series[index]])  # type: ignore[index]
        part.sums.add(backend, terms, pose, 1.0, stretch)
        part.found.append(found)
        part.scales.append(scale)
        part.power.append(power)
    return part


_NOTHING = np.zeros(2, np.float32)


def _raw(terms: Terms, least: float) -> ShellPower:
    """Give the power of the data themselves, for want of a reference."""
    n = terms.reach + 1
    held = terms.weights > least
    weight = np.where(held, terms.weights.astype(np.float64) ** 2, 0.0)
    power = (terms.data.astype(np.float64) ** 2).sum(axis=1)
    return ShellPower(
        np.bincount(terms.shells, weight * power, n).astype(np.float64),
        np.bincount(terms.shells, weight, n).astype(np.float64),
        np.zeros((n, 2)),
    )


def _fitted_scale(power: ShellPower, precision: Float) -> float:
    """Fit the grey scale by which a model resembles its data, over the shells that are compared."""
    weights = precision[: len(power.residual)] ** 2
    fits, squares = weights @ power.products
    return float(np.clip(fits / squares, 0.2, 5.0)) if squares > 0 else 1.0
