"""How much memory an extraction takes, by arithmetic: known from the plan, before the first image is read.

The figures are bytes per voxel of the crop, measured on boxes of 64 to 256 and rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import DataTerm, ExtractionSettings, Output

_PARTICLE, _PARTICLE_SHARED = 30, 10
"""Of a thread that makes a particle: its buffers, and results on their way to the disk; and once for all threads."""
_EXACT, _EXACT_SHARED = 60, 160
"""What the exact data term takes beyond that: finer grids, and the transform between points and grids."""
_BATCH_PIXELS = 1 << 17
_IN_FLIGHT = 4
"""Stacks that a thread holds while they wait for the disk."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a run takes."""

    shared: int = 0
    """Once."""
    per_thread: int = 0

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.shared + other.shared, self.per_thread + other.per_thread)

    def of(self, threads: int) -> int:
        """Give the bytes of a number of threads."""
        return self.shared + threads * self.per_thread


def memory_of(plan: ExtractionPlan) -> Memory:
    """Estimate what making the particles of a plan takes, whatever becomes of them."""
    settings = plan.settings
    batch = max(1, _BATCH_PIXELS // settings.box_size**2)
    patches = 8 * batch * (settings.patch_size**2 + 2 * settings.box_size**2)
    if settings.output is Output.PSEUDO_SUBTOMOGRAM:
        return _of_volumes(settings) + Memory(per_thread=patches)
    most = max((entry.series.n_tilts for entry in plan.series), default=0)
    return Memory(0, patches + 4 * _IN_FLIGHT * most * settings.crop**2)


def _of_volumes(settings: ExtractionSettings) -> Memory:
    voxels = settings.crop**3
    is_exact = settings.data_term is DataTerm.EXACT
    return Memory((_PARTICLE_SHARED + is_exact * _EXACT_SHARED) * voxels, (_PARTICLE + is_exact * _EXACT) * voxels)
