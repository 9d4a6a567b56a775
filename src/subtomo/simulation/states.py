"""Simulated picks of several states, and picks where there is no particle (`picks.py` has those of one structure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.tilt_series import TiltSeries, TomogramSet
from subtomo.physics.orientation import euler_to_matrix, matrix_to_euler
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle
from subtomo.simulation.picks import (
    START_ANGLE_DEG,
    START_SHIFT_ANGSTROM,
    image_variance,
    particle_line,
    tilt_series_of,
    vectors_of_mean_length,
)
from subtomo.simulation.scene import MICROSCOPE, Slab, random_angles_deg, slab_images

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BETWEEN, GOLD = -1, -2
"""States of picks between particles, and of picks on strong round spots."""
_GOLD_RADIUS = 0.3
"""Of the particle's radius."""
_GOLD_MASS = 1.5
"""Of the particle's mass."""


@dataclass(frozen=True, eq=False)
class SimulatedStates:
    """Picks whose poses and states are known."""

    tomograms: TomogramSet
    """With noisy images."""
    particles: ParticleSet
    """Picks some way off the truth."""
    state: Int
    """(n,) from 0; `BETWEEN` and `GOLD` for false picks."""
    rotation: Float
    """(n, 3, 3) the true orientations; of false picks, any."""
    coordinates_angstrom: Float
    """(n, 3) the true places, from the tomogram's centre."""
    noise_deviation: float
    """Of the images, before they were brought to unit noise: the truth has the grey scale ``1 / noise_deviation``."""


def lacking(particle: GaussianParticle, share: float, direction: Sequence[float]) -> GaussianParticle:
    """Take a compact part of a particle away: a share of its mass, where it ends in a direction (x, y, z)."""
    axis = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    place = axis * (particle.positions_px @ axis).max()
    order = np.argsort(np.linalg.norm(particle.positions_px - place, axis=1))
    gone = np.cumsum(particle.weights[order]) <= share * particle.weights.sum()
    kept = np.sort(order[~gone])
    return replace(particle, positions_px=particle.positions_px[kept], weights=particle.weights[kept])


def simulated_states(
    states: Sequence[GaussianParticle], counts: Sequence[int], conditions: Conditions, n_series: int = 7,
    between: int = 0, gold: int = 0, seed: int = 0, noise_deviation: float | None = None,
) -> SimulatedStates:  # fmt: skip
    """Image copies of several states, shared out at random over tilt series, and pick false places, too.

    Args:
        states: The structures, in pixels.
        counts: Copies of each.
        conditions: Of the images; their signal-to-noise ratio is that of all particles.
        n_series: Number of tilt series.
        between: Picks half way between particles.
        gold: Picks on strong round spots.
        seed: Of states, poses, noise and starts.
        noise_deviation: Of the images; None to measure it against the particles of the first series.
    """
    random = np.random.default_rng([seed, 11])
    kinds = [np.full(n, number) for number, n in enumerate(counts)] + [np.full(gold, GOLD)]
    there = random.permutation(np.concatenate(kinds))
    bounds, gaps = (np.linspace(0, n, n_series + 1).round().astype(int) for n in (len(there), between))
    radius = float(np.linalg.norm(states[0].positions_px, axis=1).max())
    shapes = {**dict(enumerate(states)), GOLD: _spot(radius, float(states[0].weights.sum()), states[0].sigma_px)}
    series, picked = list[TiltSeries](), list[_Places]()
    for number in range(n_series):
        state = there[bounds[number] : bounds[number + 1]]
        slab = particle_line(conditions, len(state), np.random.default_rng([seed, number]))
        images = {kind: slab_images(shapes[kind], _only(slab, state == kind), conditions.box_size)
                  for kind in sorted(set(state.tolist()), reverse=True)}  # fmt: skip
        if noise_deviation is None:
            # the noise is measured against the particles alone
            seen = np.sum([image for kind, image in images.items() if kind >= 0], axis=0)
            variance = image_variance(seen, _only(slab, state >= 0), conditions.box_size)
            noise_deviation = float(np.sqrt(variance / conditions.snr))
        shown = (np.sum(list(images.values()), axis=0) / noise_deviation).astype(np.float32)
        shown += np.random.default_rng([seed, number, 1]).standard_normal(shown.shape, dtype=np.float32)
        series.append(tilt_series_of(f"TS_{number + 1}", slab, shown))
        picked.append(_with_gaps(slab, state, int(gaps[number + 1] - gaps[number]), random))
    assert noise_deviation is not None
    return _started(series, conditions, picked, noise_deviation, random)


class _Places(NamedTuple):
    """Of the picks of a tilt series."""

    places_px: Float
    angles_deg: Float
    state: Int


def _with_gaps(slab: Slab, state: Int, count: int, random: np.random.Generator) -> _Places:
    """Add picks half way between neighbours."""
    gaps = np.sort(random.choice(len(state) - 1, count, replace=False)) if count else np.zeros(0, np.int64)
    middles = (slab.places_px[gaps] + slab.places_px[gaps + 1]) / 2.0
    return _Places(
        np.concatenate([slab.places_px, middles]),
        np.concatenate([slab.angles_deg, random_angles_deg(count, random)]),
        np.concatenate([state, np.full(count, BETWEEN)]),
    )


def _started(
    series: list[TiltSeries], conditions: Conditions, picked: list[_Places], noise_deviation: float,
    random: np.random.Generator,
) -> SimulatedStates:  # fmt: skip
    """Pick the places, some way off."""
    pixel = conditions.pixel_size_angstrom
    names = np.repeat([one.name for one in series], [len(one.state) for one in picked]).tolist()
    places, angles, state = (np.concatenate(values) for values in zip(*picked, strict=True))
    centres, rotation = places * pixel, euler_to_matrix(angles)
    n = len(names)
    turns, moves = (vectors_of_mean_length(random, n, mean) for mean in (START_ANGLE_DEG, START_SHIFT_ANGSTROM))
    starts = rotation @ Rotation.from_rotvec(np.deg2rad(turns)).as_matrix()
    particles = ParticleSet.at(
        names, centres + moves, pixel_size_angstrom=pixel, centred=True, angles_deg=matrix_to_euler(starts)
    )
    particles = replace(particles, optics_groups=(OpticsGroup("simulated", pixel, *MICROSCOPE),))
    halves = 1 + random.permutation(n) % 2
    return SimulatedStates(
        TomogramSet(tuple(series), "simulated tomograms"), particles.with_half_sets(halves), state,
        rotation, centres, noise_deviation,
    )  # fmt: skip


def _spot(radius_px: float, mass: float, sigma_px: float) -> GaussianParticle:
    """Make a dense ball."""
    random = np.random.default_rng(5)
    n = 400
    directions = random.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    places = directions * (_GOLD_RADIUS * radius_px) * random.uniform(size=(n, 1)) ** (1 / 3)
    return GaussianParticle(places, sigma_px, np.full(n, _GOLD_MASS * mass / n))


def _only(slab: Slab, chosen: NDArray[np.bool_]) -> Slab:
    return replace(slab, places_px=slab.places_px[chosen], angles_deg=slab.angles_deg[chosen])
