"""From sums to half maps, to how far they agree, and to the references of the next round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.reference import FourierReference
from subtomo.averaging.average import HALVES, AverageSums
from subtomo.averaging.resolution import compare_halves
from subtomo.backends.alignment import Pose
from subtomo.extraction.threads import run_in_order
from subtomo.model.resolution import ResolutionCurves
from subtomo.physics.fsc import first_shell_below, shell_sums, shells
from subtomo.refinement.gauge import moved_map

Float = NDArray[np.float64]
Real = NDArray[np.floating]
Made = TypeVar("Made")

COMPARED_ABOVE = 0.143
"""Shells up to the first one whose correlation is below this, and one more, are compared."""
UNMOVED: Mapping[int, Pose] = MappingProxyType(dict.fromkeys(HALVES, Pose(np.eye(3), np.zeros(3))))
_LEAST_CORRELATION = 0.02
_LEAST_WEIGHT = 1e-3
"""Of the mean of the shell."""


@dataclass(frozen=True, eq=False)
class HalfMaps:
    """The maps of both half sets, and the curves that compare them."""

    sums: Mapping[int, AverageSums]
    maps: dict[int, NDArray[np.float32]]
    """(c, c, c) each, not filtered."""
    curves: ResolutionCurves
    changes: Mapping[int, Pose]
    """What was taken out of the poses since the sums were made, see `gauge`: maps are moved accordingly, sums not."""

    @property
    def resolution_angstrom(self) -> float:
        """Where the corrected curve falls below 0.143."""
        return self.curves.resolution_angstrom(COMPARED_ABOVE)

    @property
    def last_shell(self) -> int:
        """The last one that is compared."""
        return last_compared(self.curves.corrected)


def last_compared(curve: Float) -> int:
    """Give the shell where a curve falls below 0.143, plus one."""
    return min(first_shell_below(curve, COMPARED_ABOVE) + 1, len(curve) - 2)


def per_half(function: Callable[[int], Made], threads: int) -> dict[int, Made]:
    """Make something of each half set, at the same time if there is more than one thread."""
    return dict(zip(HALVES, run_in_order(function, HALVES, threads), strict=True))


def half_maps(
    sums: Mapping[int, AverageSums],
    mask: Real,
    voxel_angstrom: float,
    seed: int,
    changes: Mapping[int, Pose] = UNMOVED,
    *,
    threads: int = 1,
) -> HalfMaps:
    """Divide sums by their weights, move the maps, and compare the halves under a mask (c, c, c)."""
    sums = {half: _without_gaps(part) for half, part in sums.items()}

    def made(half: int) -> NDArray[np.float32]:
        return moved_map(changes[half], sums[half].map(None)).astype(np.float32)

    maps = per_half(made, threads)
    return HalfMaps(sums, maps, compare_halves(maps[1], maps[2], mask, voxel_angstrom, seed), changes)


def _without_gaps(sums: AverageSums) -> AverageSums:
    """Drop data where there is hardly any weight to divide them by: what rotations leak beyond the last shell."""
    size = len(sums.ctf2)
    shell = np.minimum(shells(size), size // 2)
    mean = shell_sums(sums.ctf2, size) / np.maximum(shell_sums(np.ones_like(sums.ctf2), size), 1.0)
    whole = AverageSums(size)
    whole.spectrum = np.where(sums.ctf2 > _LEAST_WEIGHT * mean[shell], sums.spectrum, 0.0)
    whole.ctf2, whole.count = sums.ctf2, sums.count
    return whole


def wiener_map(sums: AverageSums, correlation: Float, last_shell: int) -> Float:
    """Make the map that is most likely behind sums, Σ R D / (Σ R W + w (1 - FSC) / FSC), w the shell's mean weight.

    Args:
        sums: Of a half set.
        correlation: (c // 2 + 1,) of the half maps.
        last_shell: Zero beyond.
    """
    size = len(sums.ctf2)
    shell = shells(size)
    counted = np.maximum(shell_sums(np.ones_like(sums.ctf2), size), 1.0)
    mean = shell_sums(sums.ctf2, size) / counted
    share = np.clip(correlation, _LEAST_CORRELATION, 1.0 - 1e-6)
    lift = np.append(mean * (1.0 - share) / share, np.inf)
    lift[last_shell + 1 :] = np.inf
    lift[0] = 1e-3 * mean[0]
    divisor = sums.ctf2 + lift[np.minimum(shell, size // 2 + 1)]
    values = np.where(np.isfinite(divisor) & (divisor > 0), sums.spectrum / np.where(divisor > 0, divisor, 1.0), 0.0)
    return np.fft.fftshift(np.fft.irfftn(values, s=(size,) * 3, axes=(0, 1, 2)))


def references(
    halves: HalfMaps, last_shell: int, mask: Real, voxel_angstrom: float, *, threads: int = 1
) -> dict[int, FourierReference]:
    """Make the references of the next round, one per half set."""

    def made(half: int) -> FourierReference:
        density = wiener_map(halves.sums[half], halves.curves.corrected, last_shell)
        return FourierReference.of(moved_map(halves.changes[half], density) * mask, last_shell, voxel_angstrom)

    return per_half(made, threads)
