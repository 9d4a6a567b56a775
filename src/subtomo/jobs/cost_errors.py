"""How far the cost by files is from the cost by tilt images, for every kind of file (spec/cost.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from subtomo.alignment.cost import ImageCost, LeastSquares, StackCost, VolumeCost
from subtomo.alignment.poses import N_LOCAL, Pose, random_poses
from subtomo.errors import SettingsError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.settings import DataTerm, Output, Weighting
from subtomo.model.subtomogram import PseudoSubtomogram, TiltStack
from subtomo.physics.ctf import ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import half_frequency
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle
from subtomo.simulation.simulation import Simulation, simulate

Float = NDArray[np.float64]

STACKS = "2-D stacks"
COMPLETED = "whitened, exact, completed"
_PLAIN, _WHITE = Weighting.RELION, Weighting.WHITENED
KINDS: dict[str, tuple[Weighting, DataTerm, bool]] = {
    "RELION": (_PLAIN, DataTerm.RELION, False),
    "exact": (_PLAIN, DataTerm.EXACT, False),
    "whitened": (_WHITE, DataTerm.RELION, False),
    "whitened, corrected": (_WHITE, DataTerm.CORRECTED, False),
    "whitened, exact": (_WHITE, DataTerm.EXACT, False),
    COMPLETED: (_WHITE, DataTerm.EXACT, True),
}
"""Kinds of 3-D files by name; the first is what relion_tomo_subtomo writes."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The costs of the same poses by tilt images and by every kind of file, for one particle."""

    exact: Float
    """(n_poses,) by tilt images; the true pose first, then those near it, then others."""
    costs: dict[str, Float]
    """Kind of file to (n_poses,) costs as relion_refine takes them, with the noise it finds in the files."""
    knowing_noise: dict[str, Float]
    """Kind of whitened file to (n_poses,) costs with the true noise level."""
    n_local: int
    """How many poses, the true one included, are near the true one."""

    def errors_percent(self, kind: str) -> tuple[float, float]:
        """Give the cost error over all poses and over those near the true one.

        That is what remains of a straight-line fit, in percent of the standard deviation of the exact cost.
        """
        return self._errors(self.costs[kind])

    def errors_knowing_noise_percent(self, kind: str) -> tuple[float, float]:
        """Give the same of whitened files if relion_refine knew their noise level."""
        return self._errors(self.knowing_noise[kind])

    def _errors(self, cost: Float) -> tuple[float, float]:
        return _misfit(self.exact, cost), _misfit(self.exact[: self.n_local], cost[: self.n_local])


def kinds_of_costs(
    simulation: Simulation, truth: GaussianParticle, conditions: Conditions, kinds: Sequence[str] = (STACKS, *KINDS)
) -> dict[str, LeastSquares]:
    """Extract a simulated particle as several kinds of files, and take its costs as relion_refine does."""
    costs: dict[str, LeastSquares] = {}
    for kind in kinds:
        if kind == STACKS:
            costs[kind] = _stack_cost(simulation, truth, conditions)
            continue
        costs[kind] = VolumeCost.of(extracted(simulation, conditions, kind), truth)
    return costs


def extracted(simulation: Simulation, conditions: Conditions, kind: str) -> PseudoSubtomogram:
    """Extract a simulated particle as one of `KINDS`."""
    weighting, term, is_completed = KINDS[kind]
    settings = replace(conditions.settings, weighting=weighting, data_term=term, complete_noise=is_completed)
    item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
    assert isinstance(item, PseudoSubtomogram)
    return item


def compare_costs(
    truth: GaussianParticle, simulation: Simulation, conditions: Conditions, poses: list[Pose], n_local: int = N_LOCAL
) -> Comparison:
    """Evaluate all costs of one particle at all poses."""
    images = ImageCost.of(simulation.images, simulation.amplitude, simulation.axes)
    costs = kinds_of_costs(simulation, truth, conditions)
    white = {
        kind: cost.knowing_noise()
        for kind, cost in costs.items()
        if isinstance(cost, VolumeCost) and KINDS[kind][0] is Weighting.WHITENED
    }
    exact, found, knowing = list[float](), _lists(costs), _lists(white)
    for pose in poses:
        reference = truth.moved(pose.rotation, pose.shift_px)
        exact.append(images(reference))
        values = reference.volume_values(conditions.crop_size)
        for kind, cost in costs.items():
            found[kind].append(cost.of_transform(values) if isinstance(cost, VolumeCost) else cost(reference))
        for kind, ideal in white.items():
            knowing[kind].append(ideal.of_transform(values))
    return Comparison(np.array(exact), _arrays(found), _arrays(knowing), n_local + 1)


def run_experiment(
    make_particle: Callable[[np.random.Generator], GaussianParticle],
    conditions: Conditions,
    n_particles: int,
    seed: int,
    n_poses: tuple[int, int] = (N_LOCAL, 60),
) -> Iterator[Comparison]:
    """Compare the costs of several simulated particles, one after the other.

    Args:
        make_particle: Gives the particle, from random numbers if it is to differ each time.
        conditions: How images are taken.
        n_particles: How many.
        seed: Of all random numbers.
        n_poses: Near the true one, and anywhere.

    Raises:
        SettingsError: There are none, or the particle does not fit into the crop.
    """
    if n_particles < 1:
        raise SettingsError(
            f"number of particles (n_particles) is {n_particles}, but must be at least 1", field="n_particles"
        )
    for number in range(n_particles):
        rng = np.random.default_rng([seed, number])
        truth = make_particle(rng)
        radius = float(np.linalg.norm(truth.positions_px, axis=1).max())
        if radius > conditions.crop_size / 2:
            raise SettingsError(
                f"the particle's radius is {radius:.0f} pixels, which does not fit into a crop of "
                f"{conditions.crop_size}; enlarge crop and box (crop_size, box_size) or the pixel size",
                field=("crop_size", "box_size"),
            )
        simulation = simulate(truth, conditions, rng)
        yield compare_costs(truth, simulation, conditions, random_poses(rng, *n_poses), n_poses[0])


def _stack_cost(simulation: Simulation, truth: GaussianParticle, conditions: Conditions) -> StackCost:
    settings = replace(conditions.settings, output=Output.STACK_2D)
    item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
    assert isinstance(item, TiltStack)
    size, pixel_size = conditions.crop_size, conditions.pixel_size_angstrom
    dose = dose_weights(simulation.tomograms[0].tilts.dose_e_per_a2, 0.0, size, pixel_size)
    amplitude = ctf_values(simulation.ctf, *half_frequency(size, pixel_size)) * dose
    return StackCost.of(item, amplitude**2, simulation.axes, truth)


def _lists(kinds: Iterable[str]) -> dict[str, list[float]]:
    return {kind: [] for kind in kinds}


def _arrays(found: dict[str, list[float]]) -> dict[str, Float]:
    return {kind: np.array(values) for kind, values in found.items()}


def _misfit(exact: Float, cost: Float) -> float:
    design = np.stack([cost - cost.mean(), np.ones(len(cost))], axis=1)
    fit, *_ = np.linalg.lstsq(design, exact, rcond=None)
    return float(100.0 * (exact - design @ fit).std() / exact.std())
