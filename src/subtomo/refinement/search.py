"""Search for poses that are not known to within the basin of the refinement (spec/refinement.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.backends.alignment import AlignmentBackend, Grid, Pose, Terms
from subtomo.errors import SettingsError
from subtomo.physics.orientation import matrix_to_euler
from subtomo.physics.symmetry import rotation_group
from subtomo.refinement.poses import Priors
from subtomo.refinement.settings import RefinementSettings, Search

Float = NDArray[np.float64]

COARSE_ANGSTROM = 30.0
"""Resolution of the scores."""
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
        rotations, shifts = self.orientations(index), self._shifts(wave)
        quadratic, cross, chosen = backend.score(grid, terms, rotations, shifts, coarse, stretch)
        value = -cross * np.abs(cross) / np.maximum(quadratic, 1e-30) if self.scale_free else quadratic - 2.0 * cross
        prior = self.priors.of(index)
        candidates = [
            Pose(np.ascontiguousarray(rotations[at]), shifts[chosen[at]].copy())
            for at in _apart(rotations, value, self.step_deg)
        ]
        if self.scale_free:
            return candidates[0]
        found = [backend.align(grid, terms, pose, prior, coarse, stretch, _FEW_EVALUATIONS) for pose in candidates]
        found = sorted(found, key=lambda one: one.value)[:_FINALISTS]
        final = [backend.align(grid, terms, one.pose, prior, precision, stretch, _EVALUATIONS) for one in found]
        return min(final, key=lambda one: one.value).pose

    @property
    def step_deg(self) -> float:
        """Between orientations."""
        basin = np.degrees(COARSE_ANGSTROM / max(self.radius_angstrom, 1.0))
        return float(np.clip(_STEP_PER_BASIN * basin, _SMALLEST_STEP_DEG, _LARGEST_STEP_DEG))

    def orientations(self, index: int) -> Float:
        """List those that the priors of a particle allow, (m, 3, 3)."""
        everything = all_orientations(self.step_deg, self.settings.symmetry)
        if self.settings.search is not Search.PRIOR:
            return everything
        off = np.abs(_wrapped_deg(matrix_to_euler(everything) - np.degrees(self.priors.angles_rad[index])))
        allowed = np.ones(len(everything), bool)
        settings = self.settings
        for column, sigma in enumerate((settings.sigma_rot_deg, settings.sigma_tilt_deg, settings.sigma_psi_deg)):
            if sigma is not None:
                allowed &= off[:, column] <= 3.0 * sigma + self.step_deg / 2.0
        return everything[allowed] if allowed.any() else self.priors.rotation[index : index + 1]

    def _coarse(self, terms: Terms, precision: Float, stretch: float) -> tuple[float, Float]:
        """Give the wavelength of the scores in voxels, and the precision up to it."""
        last = max(3, int(terms.size * self.voxel_angstrom / stretch / COARSE_ANGSTROM))
        coarse = precision.copy()
        coarse[last + 1 :] = 0.0
        used = np.flatnonzero(coarse)
        return terms.size / max(int(used[-1]) if used.size else 3, 1), coarse

    def _shifts(self, wave_px: float) -> Float:
        """List shifts within the range, a sixth of the wavelength apart, (s, 3) voxels."""
        step = wave_px / _SHIFTS_PER_WAVE
        n = int(np.clip(np.ceil(self.settings.offset_range_px / step - 0.5), 1, _MOST_SHIFTS))
        axis = np.arange(-n, n + 1) * step
        shifts = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        within = np.linalg.norm(shifts, axis=1) <= max(self.settings.offset_range_px, 1.8 * step) + 1e-9
        return np.ascontiguousarray(shifts[within])


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
