"""The rounds of a gold-standard refinement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.alignment.reference import FourierReference
from subtomo.averaging.average import HALVES, AverageSettings, AverageSums, spherical_mask
from subtomo.averaging.extent import particle_diameter_angstrom
from subtomo.backends.alignment import Pose
from subtomo.backends.registry import volume_backend
from subtomo.physics.fsc import shells
from subtomo.physics.symmetry import rotation_group
from subtomo.refinement.gauge import composed, disagreement, halves, mean_change, without
from subtomo.refinement.noise import noise_variance, precision
from subtomo.refinement.passes import PassPlan, PassResult, Runner, StartingPose, Threads, run_pass
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.references import UNMOVED, HalfMaps, half_maps, per_half, references
from subtomo.refinement.settings import RefinementSettings
from subtomo.refinement.store import TermStore

Float = NDArray[np.float64]
Real = NDArray[np.floating]

_SETTLED_DEG = 0.05
"""Mean change of the orientations below which, and `_SETTLED_ANGSTROM`, nothing more is to be expected."""
_SETTLED_ANGSTROM = 0.05
_PATIENCE = 2
_SHAPELESS = 3
"""Rounds without a better resolution after which a refinement ends."""


@dataclass(frozen=True, eq=False)
class Round:
    """The state after a round: enough to go on from it."""

    number: int
    """0 for the average in the starting poses."""
    poses: Poses
    halves: HalfMaps
    mask: Float
    variance: Float
    """(n_series, n_shells) of the noise of the images."""
    last_shell: int
    """The last one that was compared."""
    turn_deg: float
    """Mean change of the orientations."""
    move_angstrom: float
    """Mean change of the positions."""
    seconds: float
    best_angstrom: float
    """Best resolution so far."""
    waited: int
    """Rounds since it got better."""
    problems: dict[int, str] = field(default_factory=dict)
    """Particles that could not be made, by index, and why."""
    agreement_about_axes: float | None = None
    """How far one half map resembles the other one rotated by the symmetry, in parts of how far it resembles the other
    one as it is; before anything was symmetrised, so only known of the first round, and where there is a symmetry."""

    @property
    def resolution_angstrom(self) -> float:
        """Of the half maps, FSC 0.143."""
        return self.halves.resolution_angstrom


@dataclass(frozen=True, eq=False)
class Refinement:
    """Particles, and how they are refined."""

    store: TermStore
    priors: Priors
    series: NDArray[np.int64]
    """(n,) tilt series of each particle."""
    voxel_angstrom: float
    """Of the maps."""
    response: Float
    """(n_series, n_shells), see `noise_variance`."""
    settings: RefinementSettings
    mask: Float | None = None
    """(c, c, c); None for a soft sphere."""
    reference: Real | None = None
    """(c, c, c) on the particles' grey scale; None for the particles' own average."""
    threads: int = 1
    start: StartingPose | None = None
    """Search before the first round's refinement, see `PassPlan.start`."""
    announce: Callable[[int], None] = lambda count: None
    """Hears of the number of particles before each pass over them."""
    advance: Callable[[int], None] = lambda count: None
    """Hears of finished particles."""
    runner: Runner | None = None
    """Works on batches of particles elsewhere; None for threads of this process."""

    def rounds(self, begin: Poses | Round) -> Iterator[Round]:
        """Refine, round by round, until nothing gets better.

        Args:
            begin: Starting poses, or the round after which to go on.
        """
        last = begin if isinstance(begin, Round) else self._first(begin)
        if not isinstance(begin, Round):
            yield last
        while last.number < self.settings.rounds and not _has_settled(last):
            last = self._next(last)
            yield last

    def averaged(self, poses: Poses) -> tuple[PassResult, dict[int, AverageSums]]:
        """Average all particles in their poses."""
        result = self._run(self._pass(), poses)
        return result, self._symmetrised(self._finished(result))

    def compared(
        self, sums: Mapping[int, AverageSums], mask: Float | None, changes: Mapping[int, Pose] = UNMOVED
    ) -> tuple[HalfMaps, Float]:
        """Compare half maps under a mask; one that is not known yet is estimated from them."""
        if mask is None:
            mask = self.mask
        if mask is None:
            maps = [sums[half].map(None) for half in HALVES]
            diameter = self.settings.particle_diameter_angstrom
            if diameter is None:
                diameter = particle_diameter_angstrom(maps[0], maps[1], self.voxel_angstrom)
            sphere = AverageSettings(mask_diameter_angstrom=diameter, mask_edge_px=self.settings.mask_edge_px)
            mask = spherical_mask(self.store.voxels.size, self.voxel_angstrom, sphere)
        return half_maps(sums, mask, self.voxel_angstrom, self.settings.seed, changes, threads=self.threads), mask

    def _first(self, poses: Poses) -> Round:
        """Average the particles as they are, and see how far the halves agree."""
        start = time.monotonic()
        result = self._run(self._pass(), poses)
        plain = self._finished(result)
        compared, mask = self.compared(self._symmetrised(plain), None)
        last_shell = compared.last_shell
        if self.reference is not None:
            last_shell = self._shell_of(self.settings.ini_high_angstrom or 40.0)
        elif self.settings.ini_high_angstrom is not None:
            last_shell = min(last_shell, self._shell_of(self.settings.ini_high_angstrom))
        variance = noise_variance(result.power, result.weight, self.response)
        return Round(
            0, result.poses, compared, mask, variance, max(last_shell, 3), 0.0, 0.0, time.monotonic() - start,
            compared.resolution_angstrom, 0, result.problems, self._agreement(plain, mask, max(last_shell, 3)),
        )  # fmt: skip

    def _agreement(self, sums: Mapping[int, AverageSums], mask: Float, last_shell: int) -> float | None:
        """Compare the half maps about the axes of the symmetry, see `Round.agreement_about_axes`."""
        group = rotation_group(self.settings.symmetry)
        if len(group) == 1:
            return None
        verbs, size = volume_backend(), self.store.voxels.size
        spectra = [verbs.spectrum(sums[half].map(None) * mask) for half in HALVES]
        one = verbs.rotated(spectra[0], np.eye(3))
        # the lowest shells know the particle's extent only, which every rotation resembles
        shell = shells(size)
        inside = (shell >= min(_SHAPELESS, last_shell)) & (shell <= last_shell)

        def resembles(rotation: Float) -> float:
            other = verbs.rotated(spectra[1], rotation)[inside]
            return float((one[inside] * other.conj()).real.sum() / np.sqrt((abs(other) ** 2).sum()))

        is_turn = [not np.allclose(rotation, np.eye(3)) for rotation in group]
        turned = np.mean([resembles(rotation) for rotation in group[is_turn]])
        return float(turned / max(resembles(np.eye(3)), 1e-12))

    def _next(self, last: Round) -> Round:
        """Refine all poses against the references that follow from the last round, and average again."""
        start = time.monotonic()
        plan = self._pass(self._references(last), precision(last.variance, last.last_shell), last.number == 0)
        result = self._run(plan, last.poses)
        poses = result.poses
        sums = self._symmetrised(self._finished(result))
        changes = dict(UNMOVED)
        # against a given map, or after a search, poses do not drift but move to where they belong
        if plan.start is None and not (self.reference is not None and last.number == 0):
            changes = {half: mean_change(last.poses, poses, half) for half in HALVES}
        compared, mask = self.compared(sums, last.mask, changes)
        masked = [compared.maps[half] * mask for half in HALVES]
        apart = disagreement(masked[0], masked[1], compared.curves.masked, self.voxel_angstrom)
        if apart is not None:
            pairs = zip(HALVES, halves(apart), strict=True)
            changes = {half: composed(changes[half], change) for half, change in pairs}
            compared, mask = self.compared(sums, mask, changes)
        for half in HALVES:
            poses = without(changes[half], poses, half)
        variance = noise_variance(result.power, result.weight, self.response)
        turn, move = _changes(last.poses, poses)
        reached = compared.resolution_angstrom
        return Round(
            last.number + 1, poses, compared, mask, variance, max(compared.last_shell, 3), turn,
            move * self.voxel_angstrom, time.monotonic() - start, min(last.best_angstrom, reached),
            0 if reached < last.best_angstrom * 0.999 else last.waited + 1, last.problems | result.problems,
        )  # fmt: skip

    def _references(self, last: Round) -> dict[int, FourierReference]:
        if last.number == 0 and self.reference is not None:
            masked = np.asarray(self.reference, np.float64) * last.mask
            given = FourierReference.of(masked, last.last_shell, self.voxel_angstrom)
            return dict.fromkeys(HALVES, given)
        return references(last.halves, last.last_shell, last.mask, self.voxel_angstrom, threads=self.threads)

    def _pass(
        self,
        given: dict[int, FourierReference] | None = None,
        weights: Float | None = None,
        is_first: bool = False,
    ) -> PassPlan:
        stretch = self.voxel_angstrom / self.priors.voxel_angstrom
        start = self.start if is_first else None
        return PassPlan(
            self.store, self.priors, self.series, stretch, given or {}, weights, start,
            self.settings.fits_scale and given is not None,
        )  # fmt: skip

    def _run(self, plan: PassPlan, poses: Poses) -> PassResult:
        self.announce(int(poses.is_usable.sum()))
        return run_pass(plan, poses, self.runner or Threads(self.threads), self.advance)

    def _finished(self, result: PassResult) -> dict[int, AverageSums]:
        return per_half(lambda half: result.sums[half].finished(), self.threads)

    def _symmetrised(self, sums: dict[int, AverageSums]) -> dict[int, AverageSums]:
        group = rotation_group(self.settings.symmetry)
        return {half: part.symmetrised(group) for half, part in sums.items()}

    def _shell_of(self, resolution_angstrom: float) -> int:
        size = self.store.voxels.size
        return max(3, min(int(size * self.voxel_angstrom / resolution_angstrom), size // 2 - 1))


def _has_settled(last: Round) -> bool:
    """Tell whether further rounds would change nothing for the better."""
    settled = last.turn_deg < _SETTLED_DEG and last.move_angstrom < _SETTLED_ANGSTROM
    return last.number > 1 and (last.waited >= _PATIENCE or (last.waited > 0 and settled))


def _changes(before: Poses, after: Poses) -> tuple[float, float]:
    """Give mean change of orientations, degrees, and of positions, voxels."""
    chosen = after.is_usable
    turns = Rotation.from_matrix(before.rotation[chosen].transpose(0, 2, 1) @ after.rotation[chosen]).magnitude()
    moves = np.linalg.norm(after.shift_px[chosen] - before.shift_px[chosen], axis=1)
    return float(np.degrees(turns).mean()), float(moves.mean())
