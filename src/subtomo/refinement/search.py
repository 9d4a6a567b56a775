"""Search for poses that are not known to within the basin of the refinement (spec/refinement.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.backends.alignment import AlignmentBackend, Grid, Pose, Shifts, Terms
from subtomo.errors import SettingsError
from subtomo.physics.orientation import matrix_to_euler
from subtomo.physics.symmetry import rotation_group
from subtomo.refinement.poses import Priors
from subtomo.refinement.settings import RefinementSettings, Search

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

COARSE_ANGSTROM = 30.0
"""Resolution of the scores, for particles that are not much larger."""
_COARSE_PER_RADIUS = 0.4
"""Resolution of the scores of larger particles, in parts of the radius: they tell as much at a lower one."""
_ROUGH = 0.7
"""Part of the frequencies of the scores, a third of the voxels, by which most orientations are dismissed."""
_KEPT, _FEWEST_KEPT = 0.25, 200
"""Orientations that are left: this part, but not fewer."""
_CANDIDATES, _FINALISTS = 12, 4
_FEW_EVALUATIONS, _EVALUATIONS = 6, 10
_SHIFTS_PER_WAVE = 6.0
_MOST_SHIFTS = 3
"""On either side along each axis."""
_SMALLEST_STEP_DEG, _LARGEST_STEP_DEG = 7.5, 15.0
_STEP_PER_BASIN = 0.4
"""Step between orientations against the basin, one wavelength over the particle's radius."""
_PSI = 1.533751168755204288118041


@dataclass(frozen=True, eq=False)
class PoseSearch:
    """Scores orientations and shifts at low resolution, refines the best, and keeps the best of these.

    Raises:
        SettingsError: The priors leave everything open, or no search is wanted.
    """

    settings: RefinementSettings
    priors: Priors
    voxel_angstrom: float
    """Of the reference."""
    radius_angstrom: float
    """Of the particle."""
    scale_free: bool = False
    """Judge by correlation, for references whose grey scale is not known yet."""

    def __post_init__(self) -> None:
        settings = self.settings
        if settings.search is Search.PRIOR and settings.sigma_tilt_deg is None and settings.sigma_psi_deg is None:
            raise SettingsError(
                "search (search) is prior, but no standard deviation about the priors is given; give sigma_tilt_deg "
                "and sigma_psi_deg, or search globally",
                field=("search", "sigma_tilt_deg"),
            )

    def __call__(self, terms: Terms, index: int, backend: AlignmentBackend, grid: Grid, precision: Float) -> Pose:
        """Find where to begin.

        Args:
            terms: The particle.
            index: Which one it is.
            backend: Of this thread.
            grid: The reference.
            precision: (n_shells,) see `AlignmentBackend.align`.
        """
        stretch = self.voxel_angstrom / float(self.priors.voxel_angstrom[index])
        wave, coarse = self._coarse(terms, precision, stretch)
        rotations, tried = self.orientations(index), self._shifts(wave)
        if len(rotations) > 2 * _FEWEST_KEPT:
            rough = coarse.copy()
            rough[int(_ROUGH * terms.size / wave) + 1 :] = 0.0
            value = self._values(*backend.score(grid, terms, rotations, tried, rough, stretch)[:2])
            kept = np.argsort(value, kind="stable")[: max(_FEWEST_KEPT, int(_KEPT * len(rotations)))]
            rotations = rotations[kept]
        quadratic, cross, shifts = backend.score(grid, terms, rotations, tried, coarse, stretch)
        value = self._values(quadratic, cross)
        prior = self.priors.of(index)
        candidates = [
            Pose(np.ascontiguousarray(rotations[at]), shifts[at].copy())
            for at in _apart(rotations, value, self.step_deg)
        ]
        if self.scale_free:
            return candidates[0]
        found = [backend.align(grid, terms, pose, prior, coarse, stretch, _FEW_EVALUATIONS) for pose in candidates]
        found = sorted(found, key=lambda one: one.value)[:_FINALISTS]
        final = [backend.align(grid, terms, one.pose, prior, precision, stretch, _EVALUATIONS) for one in found]
        return min(final, key=lambda one: one.value).pose

    def _values(self, quadratic: Float32, cross: Float32) -> Float32:
        """Give what is least for the best orientation."""
        if self.scale_free:
            return (-cross * np.abs(cross) / np.maximum(quadratic, 1e-30)).astype(np.float32)
        return (quadratic - 2.0 * cross).astype(np.float32)

    @property
    def coarse_angstrom(self) -> float:
        """Resolution of the scores."""
        return max(COARSE_ANGSTROM, _COARSE_PER_RADIUS * self.radius_angstrom)

    @property
    def step_deg(self) -> float:
        """Between orientations."""
        basin = np.degrees(self.coarse_angstrom / max(self.radius_angstrom, 1.0))
        return float(np.clip(_STEP_PER_BASIN * basin, _SMALLEST_STEP_DEG, _LARGEST_STEP_DEG))

    def orientations(self, index: int) -> Float:
        """List those that the priors of a particle allow, (m, 3, 3)."""
        everything = all_orientations(self.step_deg, self.settings.symmetry)
        if self.settings.search is not Search.PRIOR:
            return everything
        prior_deg = np.degrees(self.priors.angles_rad[index])
        off = np.abs(_wrapped_deg(_angles_deg(self.step_deg, self.settings.symmetry) - prior_deg))
        allowed = np.ones(len(everything), bool)
        settings = self.settings
        for column, sigma in enumerate((settings.sigma_rot_deg, settings.sigma_tilt_deg, settings.sigma_psi_deg)):
            if sigma is not None:
                allowed &= off[:, column] <= 3.0 * sigma + self.step_deg / 2.0
        return everything[allowed] if allowed.any() else self.priors.rotation[index : index + 1]

    def _coarse(self, terms: Terms, precision: Float, stretch: float) -> tuple[float, Float]:
        """Give the wavelength of the scores in voxels, and the precision up to it."""
        last = max(3, int(terms.size * self.voxel_angstrom / stretch / self.coarse_angstrom))
        coarse = precision.copy()
        coarse[last + 1 :] = 0.0
        used = np.flatnonzero(coarse)
        return terms.size / max(int(used[-1]) if used.size else 3, 1), coarse

    def _shifts(self, wave_px: float) -> Shifts:
        """Choose shifts within the range, a sixth of the wavelength apart."""
        step = wave_px / _SHIFTS_PER_WAVE
        steps = int(np.clip(np.ceil(self.settings.offset_range_px / step - 0.5), 1, _MOST_SHIFTS))
        return Shifts(step, steps, max(self.settings.offset_range_px, 1.8 * step))


@lru_cache(maxsize=8)
def all_orientations(step_deg: float, symmetry: str = "C1") -> Float:
    """Cover all orientations, or those that differ by more than a symmetry, about so many degrees apart.

    Super-Fibonacci spirals, Alexa 2022, "Super-Fibonacci spirals: fast, low-discrepancy sampling of SO(3)".

    Returns:
        (m, 3, 3)
    """
    n = round((360.0 / step_deg) ** 3 / np.pi)
    s = np.arange(n) + 0.5
    inner, outer = np.sqrt(s / n), np.sqrt(1.0 - s / n)
    alpha, beta = 2.0 * np.pi * s / np.sqrt(2.0), 2.0 * np.pi * s / _PSI
    quaternions = np.stack(
        [inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)], axis=1
    )
    rotations: Float = Rotation.from_quat(quaternions).as_matrix()
    group = rotation_group(symmetry)
    if len(group) > 1:
        # of equivalent ones that which turns least
        traces = np.stack([np.einsum("nij,ji->n", rotations, element) for element in group], axis=1)
        own = np.trace(rotations, axis1=1, axis2=2)
        rotations = rotations[own >= traces.max(axis=1) - 1e-9]
    rotations = np.ascontiguousarray(rotations)
    rotations.flags.writeable = False
    return rotations


@lru_cache(maxsize=8)
def _angles_deg(step_deg: float, symmetry: str) -> Float:
    """Give `all_orientations` as Euler angles (m, 3)."""
    return matrix_to_euler(all_orientations(step_deg, symmetry))


def _apart(rotations: Float, values: NDArray[np.floating], step_deg: float) -> list[int]:
    """Choose the best orientations that are no neighbours of better ones."""
    chosen = list[int]()
    least = 1.0 + 2.0 * np.cos(np.deg2rad(1.2 * step_deg))
    for at in np.argsort(values)[: 40 * _CANDIDATES].tolist():
        traces = [float(np.sum(rotations[at] * rotations[other])) for other in chosen]
        if all(trace < least for trace in traces):
            chosen.append(at)
        if len(chosen) == _CANDIDATES:
            break
    return chosen


def _wrapped_deg(angles: Float) -> Float:
    wrapped: Float = (angles + 180.0) % 360.0 - 180.0
    return wrapped
