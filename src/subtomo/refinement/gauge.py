"""Hold the frame of the references: as a whole, a half set may drift and rotate without any particle knowing.

The mean of the particles' changes in a round is taken out of their poses and of their map, per half set; and the two
maps are aligned to each other where they agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.alignment.reference import FourierReference
from subtomo.alignment.voxels import voxels_of
from subtomo.backends.alignment import Grid, Pose, Prior, Terms
from subtomo.backends.registry import alignment_backend, volume_backend
from subtomo.refinement.poses import Poses

Float = NDArray[np.float64]
Real = NDArray[np.floating]

AGREEING_ABOVE = 0.9
"""Shells in which the correlation of half maps is above this align them to each other."""
_FEWEST_SHELLS = 3
_ASKEW = np.array([0.5, 0.3, -0.4])
"""A rotation vector along no axis of the grid, radians."""
_NEGLIGIBLE_RAD = 1e-6
_NEGLIGIBLE_PX = 1e-5


def mean_change(before: Poses, after: Poses, half: int) -> Pose:
    """Find the mean change of the poses of a half set, in the particles' frame.

    Args:
        before: At the start of the round.
        after: At its end.
        half: 1 or 2.
    """
    chosen = (after.half == half) & after.is_usable
    if not chosen.any():
        return Pose(np.eye(3), np.zeros(3))
    old, new = before.rotation[chosen], after.rotation[chosen]
    vector = Rotation.from_matrix(old.transpose(0, 2, 1) @ new).as_rotvec().mean(axis=0)
    shift = after.shift_px[chosen] - before.shift_px[chosen]
    moved = np.einsum("nji,nj->ni", new, shift).mean(axis=0)
    return Pose(Rotation.from_rotvec(vector).as_matrix(), moved)


def without(change: Pose, poses: Poses, half: int) -> Poses:
    """Take a change (particles' frame) out of the poses of a half set."""
    chosen = poses.half == half
    rotation, shift = poses.rotation.copy(), poses.shift_px.copy()
    shift[chosen] -= rotation[chosen] @ change.shift_px
    rotation[chosen] = rotation[chosen] @ change.rotation.T
    return poses.replaced(rotation=rotation, shift_px=shift)


def moved_map(change: Pose, volume: Real) -> Float:
    """Move a map (c, c, c) as `without` moves poses, so that each particle still resembles it.

    Maps are moved, not the sums that they come from: data and weights would suffer differently from interpolation.
    """
    turn = float(Rotation.from_matrix(change.rotation).magnitude())
    if turn < _NEGLIGIBLE_RAD and float(np.abs(change.shift_px).max()) < _NEGLIGIBLE_PX:
        return np.asarray(volume, np.float64)
    size, verbs = len(volume), volume_backend()
    spectrum = verbs.rotated(verbs.spectrum(volume), change.rotation.T, change.shift_px)
    return np.fft.fftshift(np.fft.irfftn(spectrum, s=(size,) * 3, axes=(0, 1, 2)))


def composed(first: Pose, second: Pose) -> Pose:
    """Give the change that does what taking out two, one after the other, does."""
    return Pose(second.rotation @ first.rotation, first.shift_px + first.rotation.T @ second.shift_px)


def disagreement(first: Real, second: Real, correlation: Float, pixel_size_angstrom: float) -> Pose | None:
    """Find how far the second masked half map (c, c, c) is from the first; None where they agree in too few shells.

    Args:
        first: Of half set 1.
        second: Of half set 2.
        correlation: (c // 2 + 1,) of the two.
        pixel_size_angstrom: Of both.

    Returns:
        From the frame of the first map to that of the second.
    """
    size = len(first)
    below = np.flatnonzero(correlation[1:] < AGREEING_ABOVE)
    reach = min(int(below[0]) if below.size else size // 2 - 1, size // 2 - 1)
    if reach < _FEWEST_SHELLS:
        return None
    # interpolation lessens noise, except on the grid: there the search would shun the place where nothing is rotated
    askew = Rotation.from_rotvec(_ASKEW).as_matrix()
    rotated = moved_map(Pose(askew, np.zeros(3)), first)
    voxels, reference = voxels_of(size, reach), FourierReference.of(rotated, reach, pixel_size_angstrom)
    x, y, z = voxels.indices.T.astype(np.int64)
    spectrum = (np.fft.rfftn(np.fft.ifftshift(second)) / size**1.5)[z, y, x].astype(np.complex64)
    data = np.ascontiguousarray(spectrum).view(np.float32).reshape(-1, 2)
    terms = Terms(voxels.indices, voxels.shells, data, np.ones(len(voxels), np.float32), size, reach)
    precision = np.ones(reach + 1)
    precision[0] = 0.0
    power = np.bincount(voxels.shells, (data.astype(np.float64) ** 2).sum(axis=1), reach + 1)
    precision[1:] = np.sqrt(1.0 / np.maximum(power[1:], 1e-30))
    zero = np.zeros(3)
    prior = Prior(np.eye(3), 0.0, zero, zero, zero, 0.0)
    start = Pose(np.ascontiguousarray(askew.T), zero)
    grid = Grid(reference.grid, reference.side)
    # unit noise is not what differs here: scaled up so that the search ends at small steps only
    found = alignment_backend().align(grid, terms, start, prior, 1e4 * precision, 1.0, 20).pose
    return Pose(found.rotation @ askew, found.shift_px)


def halves(apart: Pose) -> tuple[Pose, Pose]:
    """Share what `disagreement` found between the half sets: what to take out of the poses of each, see `without`.

    A map that is shifted one way makes its particles' poses shift the other way.
    """
    vector = Rotation.from_matrix(apart.rotation).as_rotvec() / 2
    half = Pose(Rotation.from_rotvec(vector).as_matrix(), apart.shift_px / 2)
    back = Pose(half.rotation.T, -(half.rotation.T @ half.shift_px))
    return half, back
