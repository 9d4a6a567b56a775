"""Particles turned into one common frame, once: what each round of a classification then reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.reference import empty_grid, grid_side, map_of_grid
from subtomo.alignment.voxels import Voxels
from subtomo.backends.alignment import AlignmentBackend, Pose, Terms
from subtomo.backends.registry import alignment_backend
from subtomo.errors import SubtomoError
from subtomo.extraction.threads import run_in_order
from subtomo.physics.window import particle_sphere
from subtomo.refinement.poses import Poses

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

BYTES_PER_VOXEL = 12
MARGIN = 2
"""Shells beyond the last one that are turned with the others: a sharp edge would leak into them."""


@dataclass(frozen=True, eq=False)
class FramedTerms:
    """The terms of all particles in the frame of the average."""

    voxels: Voxels
    """Of the average."""
    data: Float32
    """(n, m, 2) D, in units of the orthonormal transform of a density times W."""
    weights: Float32
    """(n, m) W."""
    problems: dict[int, str]
    """Particles that could not be made, and why; their terms are zero."""

    def __len__(self) -> int:
        return len(self.data)

    def take(self, chosen: NDArray[np.int64]) -> FramedTerms:
        """Take some particles."""
        return FramedTerms(self.voxels, self.data[chosen], self.weights[chosen], {})


class TermSource(Protocol):
    """Terms by particle."""

    @property
    def voxels(self) -> Voxels:
        """Of each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Terms:
        """Give those of a particle."""


def framed_terms(
    store: TermSource,
    voxels: Voxels,
    poses: Poses,
    stretch: Float,
    threads: int,
    advance: Callable[[int], None] = lambda count: None,
    into: FramedTerms | None = None,
) -> FramedTerms:
    """Turn all particles.

    Args:
        store: The particles, up to `MARGIN` shells beyond the last one that is ever compared.
        voxels: Up to that.
        poses: Theirs.
        stretch: (n,) side of the frame's box against that of the particle's, both in Å.
        threads: Number of them.
        advance: Hears of finished particles.
        into: Whose arrays are used again; None for new ones.
    """
    n, chosen = len(store), places_among(store.voxels, voxels)
    if into is None:
        data, weights = np.zeros((n, len(voxels), 2), np.float32), np.zeros((n, len(voxels)), np.float32)
    else:
        data, weights = into.data, into.weights
    problems: dict[int, str] = {}
    local = threading.local()

    def work(index: int) -> tuple[int, str | None]:
        if not hasattr(local, "backend"):
            local.backend = alignment_backend()
        try:
            terms = store[index]
        except SubtomoError as error:
            return index, str(error)
        turn(local.backend, terms, poses.of(index), float(stretch[index]), voxels, chosen, data[index], weights[index])
        return index, None

    usable = np.flatnonzero(poses.is_usable).tolist()
    for index, problem in run_in_order(work, usable, threads):
        if problem is not None:
            problems[index] = problem
        advance(1)
    return FramedTerms(voxels, data, weights, problems)


def turn(
    backend: AlignmentBackend,
    terms: Terms,
    pose: Pose,
    stretch: float,
    voxels: Voxels,
    chosen: Int,
    data: Float32,
    weights: Float32,
) -> None:
    """Turn one particle.

    Args:
        backend: Of this thread.
        terms: The particle.
        pose: Its pose.
        stretch: See `framed_terms`.
        voxels: Of the frame.
        chosen: (m,) where they are among those of the particle, see `places_among`.
        data: (m, 2) result.
        weights: (m,) result.
    """
    size = min(terms.size, _even(2 * (terms.reach + 1)))
    grid, rotated = empty_grid(terms.reach), np.zeros(len(terms.weights))
    side = grid_side(terms.reach)
    backend.add(grid, rotated, terms, pose, 1.0, stretch, side)
    # the box is that of the particle, on a grid no finer than the last shell needs
    density = map_of_grid(grid, terms.reach, size) * particle_sphere(size)
    spectrum = np.fft.rfftn(np.fft.ifftshift(density)) / size**1.5
    x, y, z = voxels.indices.T.astype(np.int64)
    values = spectrum[z, y, x]
    data[:, 0], data[:, 1], weights[:] = values.real, values.imag, rotated[chosen]


def _even(size: int) -> int:
    return size + size % 2


def places_among(voxels: Voxels, fewer: Voxels) -> Int:
    """Find voxels among those up to a higher shell."""
    reach = voxels.reach
    side = 2 * reach + 1

    def number(indices: NDArray[np.int16]) -> Int:
        x, y, z = indices.T.astype(np.int64) + reach
        numbers: Int = (z * side + y) * side + x
        return numbers

    order = np.argsort(number(voxels.indices))
    found: Int = order[np.searchsorted(number(voxels.indices)[order], number(fewer.indices))]
    return found
