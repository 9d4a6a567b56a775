"""The terms of the particles: made when they are wanted, and kept as far as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.terms import HELD_ABOVE, particle_terms
from subtomo.alignment.voxels import Voxels
from subtomo.backends.alignment import Terms
from subtomo.errors import InputError
from subtomo.model.subtomogram import Extracted, PseudoSubtomogram

_BYTES_PER_VOXEL = 12


class TermStore:
    """Terms by particle, up to a shell. Threads may share one.

    Args:
        items: The particles; made or read when indexed.
        voxels: Which voxels of each.
        memory_bytes: At most so much is kept: the first particles, as many as fit. The others are made again each time.
    """

    def __init__(self, items: Sequence[Extracted], voxels: Voxels, memory_bytes: float) -> None:
        self._items, self.voxels, self._memory_bytes = items, voxels, memory_bytes
        kept = min(len(items), int(memory_bytes // max(1, _BYTES_PER_VOXEL * len(voxels))))
        self._data = np.empty((kept, len(voxels), 2), np.float32)
        self._weights = np.empty((kept, len(voxels)), np.float32)
        self._is_there = np.zeros(kept, bool)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._items)

    def __reduce__(self) -> tuple[type[TermStore], tuple[Sequence[Extracted], Voxels, float]]:
        """Leave terms out of pickles: who works elsewhere makes its own."""
        return TermStore, (self._items, self.voxels, self._memory_bytes)

    @property
    def n_kept(self) -> int:
        """How many particles fit into memory."""
        return len(self._is_there)

    def __getitem__(self, index: int) -> Terms:
        """Give the terms of a particle.

        Raises:
            InputError: It cannot be made.
        """
        voxels = self.voxels
        if index < len(self._is_there):
            if not self._is_there[index]:
                self._data[index], self._weights[index] = self._made(index)
                with self._lock:
                    self._is_there[index] = True
            data, weights = self._data[index], self._weights[index]
        else:
            data, weights = self._made(index)
        return Terms(voxels.indices, voxels.shells, data, weights, voxels.size, voxels.reach)

    def _made(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        item = self._items[index]
        if not isinstance(item, PseudoSubtomogram):
            raise InputError("only 3-D pseudo-subtomograms can be refined, and these particles are 2-D stacks")
        if len(item.data) != self.voxels.size:
            raise InputError(
                f"particle {item.name}: has {len(item.data)} voxels on a side, expected {self.voxels.size}"
            )
        terms = particle_terms(item, self.voxels)
        return terms.data, terms.weights


def least_held(weights: NDArray[np.float32]) -> float:
    """Give √W above which the voxels of a particle hold data."""
    return float(np.sqrt(HELD_ABOVE) * weights.max(initial=0.0))
