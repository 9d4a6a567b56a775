"""A classification's particles, turned and aligned on Dask workers: the same numbers as here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.voxels import voxels_of
from subtomo.backends.alignment import FoundPose, Grid
from subtomo.backends.registry import alignment_backend
from subtomo.classification.aligning import Case, PoseAlignment, Wanted, best_pose
from subtomo.classification.framed import FramedTerms, framed_terms
from subtomo.classification.rounds import Classification
from subtomo.errors import InputError
from subtomo.jobs.travelling import Part, Readable, TravellingParticles
from subtomo.refinement.poses import Poses
from subtomo.refinement.store import TermStore

Float = NDArray[np.float64]
Int = NDArray[np.int64]


class TurnTask(NamedTuple):
    """Particles to be turned into the frame of the average."""

    part: Part
    size: int
    """Side of their volumes."""
    reach: int
    """The last shell of these that is needed."""
    frame_reach: int
    """The last one in the frame."""
    poses: Poses
    stretch: Float


class AlignTask(NamedTuple):
    """Particles to be aligned to classes."""

    part: Part
    size: int
    reach: int
    cases: list[Case]
    grids: dict[int, dict[int, Grid]]
    shares: Float


def turn_part(task: TurnTask) -> FramedTerms:
    """Turn particles."""
    store = TermStore(Readable(task.part), voxels_of(task.size, task.reach), 0.0)
    return framed_terms(store, voxels_of(task.size, task.frame_reach), task.poses, task.stretch, 1)


def align_part(task: AlignTask) -> list[tuple[int, FoundPose | None]]:
    """Align particles."""
    store, backend = TermStore(Readable(task.part), voxels_of(task.size, task.reach), 0.0), alignment_backend()
    return [best_pose(store, index, case, task, backend) for index, case in enumerate(task.cases)]


def turned_elsewhere(
    particles: TravellingParticles, rows: Int, reach: int, frame_reach: int, poses: Poses, stretch: Float,
    advance: Callable[[int], None], into: FramedTerms | None = None,
) -> FramedTerms:  # fmt: skip
    """Do what `framed_terms` does, on workers.

    Args:
        particles: The source's.
        rows: (n,) which of them.
        reach: Last shell of the particles that is needed.
        frame_reach: The last one in the frame.
        poses: Of these particles.
        stretch: (n,) see `framed_terms`.
        advance: Hears of finished particles.
        into: Whose arrays are used again; None for new ones.
    """
    size, place = particles.source.size, {row: at for at, row in enumerate(rows.tolist())}
    voxels = voxels_of(size, frame_reach)
    if into is None:
        shape = len(rows), len(voxels)
        into = FramedTerms(voxels, np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32), {})
    problems = dict[int, str]()

    def places(some: Int) -> Int:
        return np.array([place[row] for row in some.tolist()], np.int64)

    def task(part: Part) -> TurnTask:
        chosen = places(part.rows)
        return TurnTask(part, size, reach, frame_reach, poses.take(chosen), stretch[chosen])

    for some, found in particles.results(turn_part, rows, task):
        chosen = places(some)
        into.data[chosen], into.weights[chosen] = found.data, found.weights
        problems |= {int(chosen[at]): text for at, text in found.problems.items()}
        advance(len(some))
    return FramedTerms(voxels, into.data, into.weights, problems)


@dataclass(frozen=True, eq=False)
class AlignmentElsewhere(PoseAlignment):
    """Aligns and turns on workers, which make the particles again: nothing of them is kept."""

    particles: TravellingParticles | None = None

    def found(self, wanted: Wanted, members: list[int]) -> Iterator[tuple[int, int, FoundPose | None]]:
        """Align particles, see `PoseAlignment.found`."""
        assert self.particles is not None
        rows = self.terms.rows
        place = {int(rows[index]): index for index in members}
        size, reach = self.particles.source.size, self.terms.voxels.reach

        def task(part: Part) -> AlignTask:
            cases = [self.case_of(wanted, place[row]) for row in part.rows.tolist()]
            return AlignTask(part, size, reach, cases, wanted.grids, wanted.shares)

        for some, found in self.particles.results(align_part, rows[np.array(members, np.int64)], task):
            for row, (number, one) in zip(some.tolist(), found, strict=True):
                yield place[row], number, one

    def turned(self, classification: Classification, poses: Poses) -> Classification:
        """Turn the particles into the frame of the average anew, see `PoseAlignment.turned`."""
        assert self.particles is not None
        frame, reach = classification.terms.voxels.reach, self.terms.voxels.reach
        terms = turned_elsewhere(
            self.particles, self.terms.rows, reach, frame, poses, self.stretch, self.advance, classification.terms
        )
        if terms.problems:
            raise InputError(f"particles cannot be read again: {next(iter(terms.problems.values()))}")
        return classification.with_terms(terms)
