"""The iterations of a classification: how likely each class is for each particle, and what classes look like then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.average import HALVES, AverageSums
from subtomo.backends.registry import class_backend
from subtomo.classification.ball import ball_costs
from subtomo.classification.false_picks import against_false_picks, costs_apart
from subtomo.classification.framed import FramedTerms
from subtomo.classification.grid import MapGrid
from subtomo.classification.iteration import Iteration
from subtomo.classification.noise import robust_power
from subtomo.classification.reseed import grey_scales, reseeded
from subtomo.classification.settings import ClassificationSettings
from subtomo.physics.symmetry import rotation_group
from subtomo.refinement.noise import noise_variance
from subtomo.refinement.references import HalfMaps, half_maps, last_compared, wiener_map

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_LEAST_PARTICLES = 3.0
"""Classes with less than so many particles begin anew, and are dropped the next time."""
_SETTLED = 2e-3
"""Mean change of the shares of a particle below which nothing more is to be expected."""
_RISE = 2
"""Shells by which the comparison may rise in an iteration."""
_HELD = 0.05
"""Mean change of the shares of a particle above which the resolution of the comparison is left as it is."""


@dataclass(frozen=True, eq=False)
class Classification:
    """Particles in one frame, and how they are classified."""

    terms: FramedTerms
    half: Int
    """(n,) 1 or 2."""
    series: Int
    """(n,) tilt series of each particle."""
    response: Float
    """(n_series, n_shells), see `noise_variance`."""
    grid: MapGrid
    mask: Float
    """(s, s, s) on the grid of the maps."""
    settings: ClassificationSettings
    threads: int = 1

    @property
    def first_shell(self) -> int:
        """The last one that is compared at first."""
        return self.grid.shell_of(self.settings.initial_angstrom(self.grid.voxel_angstrom))

    @property
    def limit_shell(self) -> int:
        """The last one that is ever compared."""
        return self.grid.shell_of(self.settings.limit_angstrom(self.grid.voxel_angstrom))

    @property
    def _n_crossed(self) -> int:
        return self.settings.classes if self.settings.false_picks else 0

    def iterations(self, begin: Iteration) -> Iterator[Iteration]:
        """Classify, iteration by iteration, until nothing changes."""
        last = begin
        while last.number < self.settings.iterations and not self.has_settled(last):
            last = self.next(last)
            yield last

    def finished(self, begin: Iteration) -> Iteration:
        """Give the last iteration."""
        return [begin, *self.iterations(begin)][-1]

    def has_settled(self, last: Iteration) -> bool:
        """Tell whether further iterations would change nothing."""
        return last.number > 1 and last.change < _SETTLED and last.last_shell >= self._wanted_shell(last)

    def random_start(self, start: int) -> Iteration:
        """Share the particles out at random, differently for each start."""
        random = np.random.default_rng([self.settings.seed, start])
        kinds, n = self.settings.classes, len(self.terms)
        drawn = random.random((n, kinds))
        probability = np.zeros((n, self.settings.total))
        probability[:, :kinds] = drawn / drawn.sum(axis=1, keepdims=True)
        return self.started(probability)

    def started(self, probability: Float) -> Iteration:
        """Begin with shares of the particles in each class, (n, n_classes)."""
        n_shells = self.grid.voxels.reach + 1
        total, size = self.settings.total, self.grid.size
        blank = Iteration(
            number=0,
            probability=probability,
            models=np.zeros((total, len(self.grid.voxels), 2), np.float32),
            crossed=np.zeros((len(HALVES), self._n_crossed, len(self.grid.voxels), 2), np.float32),
            maps=np.zeros((total, size, size, size), np.float32),
            shares=probability.mean(axis=0),
            correlation=np.zeros((total, n_shells)),
            variance=np.ones((int(self.series.max(initial=0)) + 1, n_shells)),
            last_shell=self.first_shell,
            log_likelihood=np.zeros(len(self.terms)),
            change=1.0,
            seconds=0.0,
        )
        return self._prepared(self._maximised(blank))

    def given(self, references: Float) -> Iteration:
        """Begin with references (n, s, s, s) on the particles' grey scale, masked, one per class of particles."""
        even = np.zeros((len(self.terms), self.settings.total))
        even[:, : self.settings.classes] = 1.0 / self.settings.classes
        begun = self.started(even)
        maps = begun.maps.copy()
        maps[: self.settings.classes] = references
        models = self._values(maps, begun.last_shell)
        return self._prepared(
            replace(begun, maps=maps, models=models, crossed=np.stack([models[: self._n_crossed]] * 2))
        )

    def with_terms(self, terms: FramedTerms) -> Classification:
        """Give the same of the same particles in other poses."""
        return replace(self, terms=terms)

    def continued(self, last: Iteration) -> Iteration:
        """Begin with the classes of particles that are now in other poses."""
        return replace(self._with_noise(self._maximised(replace(last, change=1.0))), number=0)

    def next(self, last: Iteration) -> Iteration:
        """Compare all particles with all references, and make the references that follow."""
        start = time.monotonic()
        probability, likelihood = self.posterior(last, self.terms, self.series, self.half)
        probability, again = self._with_seeds(probability, last)
        change = float(np.abs(probability - last.probability).sum(axis=1).mean() / 2.0)
        shares, dropped = self._shares(probability, last)
        now = replace(
            last, number=last.number + 1, probability=probability, shares=shares, change=change, dropped=dropped,
            reseeded=again, log_likelihood=likelihood,
        )  # fmt: skip
        if change < _HELD:
            now = replace(now, last_shell=max(now.last_shell, min(now.last_shell + _RISE, self._wanted_shell(now))))
        now = self._with_noise(self._maximised(now))
        return replace(now, seconds=time.monotonic() - start)

    def posterior(
        self, last: Iteration, terms: FramedTerms, series: Int, half: Int | None = None
    ) -> tuple[Float, Float]:
        """Give the probability of each class (n, n_classes) and the log-likelihood (n,) of particles.

        Their half sets are None if they have no part in the references.
        """
        precision = self._precision(last)
        costs = class_backend().class_costs(terms.data, terms.weights, precision, last.models, series, self.threads)
        with np.errstate(divide="ignore"):
            logs = np.log(last.shares) - 0.5 * costs
        if self.settings.false_picks:
            there = None if half is None else costs_apart(terms, series, precision, half, last.crossed, self.threads)
            balls = ball_costs(terms, precision, series, self.mask, self.first_shell, self.threads)
            logs = against_false_picks(logs, last.shares, there, balls)
        top = logs.max(axis=1)
        odds = np.exp(logs - top[:, None])
        total = odds.sum(axis=1)
        return odds / total[:, None], top + np.log(total)

    def _with_seeds(self, probability: Float, last: Iteration) -> tuple[Float, dict[int, int]]:
        """Begin classes anew that lose their particles for the first time, unless all do."""
        kinds = self.settings.classes
        count = probability.sum(axis=0)[:kinds]
        empty = [at for at in range(kinds) if count[at] < _LEAST_PARTICLES and at not in last.dropped | last.reseeded]
        if not empty or not (count >= _LEAST_PARTICLES).any():
            return probability, last.reseeded
        assigned, precision = np.argmax(probability, axis=1), self._precision(last)
        terms, series, threads = self.terms, self.series, self.threads
        costs = class_backend().class_costs(terms.data, terms.weights, precision, last.models, series, threads)
        scales = grey_scales(terms, precision, last.models, assigned, series, costs, threads)
        given = reseeded(probability, empty, scales, assigned < kinds, kinds)
        return given, last.reseeded | dict.fromkeys(empty, last.number + 1)

    def _precision(self, last: Iteration) -> Float32:
        """Give one over the variance of the noise of the images, (n_series, m)."""
        return np.ascontiguousarray(_precision(last.variance, last.last_shell)[:, self.grid.voxels.shells], np.float32)

    def _shares(self, probability: Float, last: Iteration) -> tuple[Float, dict[int, int]]:
        """Give the shares of the classes; those that lose their particles are left out from here on."""
        count = probability.sum(axis=0)
        dropped = dict(last.dropped)
        for number in range(self.settings.classes):
            if count[number] < _LEAST_PARTICLES and number not in dropped:
                dropped[number] = last.number + 1
        count[list(dropped)] = 0.0
        if self.settings.false_picks:
            # a class of false picks that has none may get some later
            count[self.settings.classes :] = np.maximum(count[self.settings.classes :], 0.5)
        return count / count.sum(), dropped

    def _prepared(self, begun: Iteration) -> Iteration:
        """Add the classes of false picks to a start: nothing, and a ball."""
        if self.settings.false_picks:
            shares = np.append(begun.shares[: self.settings.classes] * 0.6, [0.2, 0.2])
            begun = replace(begun, shares=shares)
        return self._with_noise(begun)

    def _maximised(self, now: Iteration) -> Iteration:
        """Make the references that follow from the probabilities."""
        total = self.settings.total
        maps, correlation = np.zeros((total, *(self.grid.size,) * 3), np.float32), np.zeros_like(now.correlation)
        crossed = np.zeros_like(now.crossed)
        for number, halves in self.half_maps(now):
            curve = halves.curves.corrected
            for at, other in enumerate(reversed(HALVES) if self._n_crossed else ()):
                lone = self._density(halves.sums[other], curve, now.last_shell, alone=True) * self.mask
                crossed[at, number] = self.grid.values(lone, now.last_shell)
            correlation[number] = curve[: correlation.shape[1]]
            density = self._density(halves.sums[1] + halves.sums[2], curve, now.last_shell)
            maps[number] = density * self.mask
        models = self._values(maps, now.last_shell)
        return replace(now, maps=maps, models=models, crossed=crossed, correlation=correlation)

    def half_maps(self, now: Iteration) -> Iterator[tuple[int, HalfMaps]]:
        """Make the half maps of each class that has particles in both halves."""
        kinds, total = self.settings.classes, self.settings.total
        in_half = np.stack([self.half == half for half in HALVES], axis=1)
        shares = (now.probability[:, None, :] * in_half[:, :, None]).reshape(len(self.terms), -1)
        data, weights = class_backend().shared_sums(self.terms.data, self.terms.weights, shares, self.threads)
        group = rotation_group(self.settings.symmetry)
        # false picks have no map
        for number in range(kinds):
            if now.shares[number] == 0:
                continue
            sums = {
                half: self.grid.sums(data[at * total + number], weights[at * total + number], 0).symmetrised(group)
                for at, half in enumerate(HALVES)
            }
            if min(float(part.ctf2.sum()) for part in sums.values()) > 0:
                yield number, half_maps(sums, self.mask, self.grid.coarse_angstrom, self.settings.seed)

    def _density(self, sums: AverageSums, curve: Float, last_shell: int, *, alone: bool = False) -> Float:
        """Make the map that is most likely behind sums of both half sets, or of one alone, given their correlation."""
        share = np.clip(curve, 0.0, 0.999999)
        ratio = (1.0 if alone else 2.0) * self.settings.tau2_fudge * share / (1.0 - share)
        return wiener_map(sums, ratio / (1.0 + ratio), last_shell)

    def map_noise(self, last: Iteration) -> Float:
        """Give the standard deviation of each map within the mask, (n_classes,), from its half maps."""
        inside, found = self.mask > 0.5, np.zeros(self.settings.total)
        for number, halves in self.half_maps(last):
            one, two = (self._density(halves.sums[half], halves.curves.corrected, last.last_shell) for half in HALVES)
            found[number] = float(np.std(((one - two) * self.mask)[inside])) / 2.0
        return found

    def _with_noise(self, now: Iteration) -> Iteration:
        """See the noise that the references leave."""
        probability = now.probability
        if now.number == 0:
            probability = np.broadcast_to(now.shares, probability.shape).copy()
        if self.settings.false_picks:
            # what references leave of particles, by imprecise poses for one, is not in false picks
            probability = probability.copy()
            probability[:, self.settings.classes :] = 0.0
        power, weight = class_backend().shared_residuals(
            self.terms.data, self.terms.weights, now.models, probability, self.grid.voxels.shells, self.threads
        )
        robust = robust_power(power, weight, self.series, self.response[:, : power.shape[1]], self.grid.voxels.shells)
        return replace(now, variance=noise_variance(*robust, self.response[:, : power.shape[1]]))

    def _values(self, maps: Float32, last_shell: int) -> Float32:
        return np.stack([self.grid.values(density, last_shell) for density in maps])

    def _wanted_shell(self, now: Iteration) -> int:
        """Give the shell up to which the best class is reproducible, within the limit."""
        reached = max(last_compared(np.append(curve, 0.0)) for curve in now.correlation[: self.settings.classes])
        return max(now.last_shell, min(self.limit_shell, reached))


def _precision(variance: Float, last_shell: int) -> Float:
    """Give one over the variance; zero beyond a shell, and at the origin, which cropping spoils."""
    known = np.isfinite(variance) & (variance > 0)
    values = np.where(known, 1.0 / np.where(known, variance, 1.0), 0.0)
    values[:, 0] = 0.0
    values[:, last_shell + 1 :] = 0.0
    return values
