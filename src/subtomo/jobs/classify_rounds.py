"""Go through the starts and iterations of a classification, and through rounds of alignment between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.classification.aligning import AlignedPoses
from subtomo.classification.iteration import Iteration
from subtomo.classification.rounds import Classification
from subtomo.jobs.classify_files import ClassificationFiles, State
from subtomo.jobs.classify_prepare import ClassificationJob, Prepared, first_iteration
from subtomo.jobs.progress import ProgressListener
from subtomo.refinement.poses import Poses

Float = NDArray[np.float64]


class Classified(NamedTuple):
    """What came out."""

    classification: Classification
    """In the final poses."""
    iterations: list[Iteration]
    """Of the start that was kept, in the final poses."""
    poses: Poses
    """Of the particles that are classified."""
    alignments: tuple[AlignedPoses, ...]
    """By round; poses only of the last one, if an earlier run made the others."""


@dataclass(frozen=True, eq=False)
class Listeners:
    """Who hears of what."""

    progress: ProgressListener
    on_iteration: Callable[[int, Iteration], None]
    on_alignment: Callable[[int, AlignedPoses], None]


@dataclass(frozen=True, eq=False)
class Rounds:
    """A classification, and where its state is written.

    With alignment, a round goes on with the classes of the round before and tries random starts anew, for classes that
    do not show in bad poses may show in better ones.
    """

    job: ClassificationJob
    prepared: Prepared
    references: list[Float]
    written: ClassificationFiles
    listeners: Listeners

    def run(self, poses: Poses, begun: State | None) -> Classified:
        """Classify, and align until poses settle.

        Args:
            poses: Of the particles that are classified.
            begun: What an earlier run left.
        """
        classification, alignment = self.prepared.classification, self.prepared.alignment
        done = list[AlignedPoses]()
        if begun is not None and begun.poses is not None and alignment is not None:
            poses = begun.poses
            done = [AlignedPoses(poses, *change) for change in begun.changes.tolist()]
            with self._counting(len(poses)):
                classification = alignment.turned(classification, poses)
        kept = self._classified(classification, done, begun)
        while alignment is not None and self._goes_on(done):
            with self._counting(2 * len(poses)):
                done.append(alignment.aligned(classification, kept[-1], poses))
                poses = done[-1].poses
                classification = alignment.turned(classification, poses)
            self.listeners.on_alignment(len(done), done[-1])
            first = State(0, classification.continued(kept[-1]), None, _changes(done), poses)
            self.written.write_state(first)
            kept = self._classified(classification, done, first)
        return Classified(classification, kept, poses, tuple(done))

    def _goes_on(self, done: list[AlignedPoses]) -> bool:
        return len(done) < self.prepared.classification.settings.align_rounds and not (done and done[-1].has_settled)

    def _classified(
        self, classification: Classification, done: list[AlignedPoses], begun: State | None
    ) -> list[Iteration]:
        """Go through the iterations of each start, and keep those of the most likely one."""
        settings = classification.settings
        one_start = bool(self.references) or settings.classes == 1
        starts = 1 if one_start else settings.starts
        if done:
            # the first goes on with the classes of the round before
            starts = 1 if one_start else 1 + settings.starts
        changes, poses = _changes(done), done[-1].poses if done else None
        kept, first = list[Iteration](), 0
        current: Iteration | None = None
        if begun is not None:
            first, current = begun.start, begun.current
            kept = [] if begun.kept is None else [begun.kept]
        for start in range(first, starts):
            if current is None:
                number = start - bool(done)
                current = first_iteration(self.job, classification, self.references, number, self.listeners.progress)
            found, best = [current], kept[-1] if kept else None
            for one in classification.iterations(current):
                found.append(one)
                self.listeners.on_iteration(start, one)
                self.written.write_state(State(start, one, best, changes, poses))
            if best is None or found[-1].total_log_likelihood > best.total_log_likelihood:
                kept = found
            current = None
        # a run with more iterations goes on from the best start
        self.written.write_state(State(starts - 1, kept[-1], None, changes, poses))
        return kept

    @contextmanager
    def _counting(self, count: int) -> Iterator[None]:
        """Show how many particles are done."""
        self.listeners.progress.start(count)
        try:
            yield
        finally:
            self.listeners.progress.stop()


def _changes(done: list[AlignedPoses]) -> Float:
    return np.array([[one.turn_deg, one.move_angstrom] for one in done], np.float64).reshape(-1, 2)
