"""What relion_refine finds for the noise of whitened files, shell by shell, on images of pure noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import FILLED_ABOVE
from subtomo.jobs.cost_errors import COMPLETED, extracted
from subtomo.physics.completion import voxel_shells
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle
from subtomo.simulation.simulation import simulate

Float = NDArray[np.float64]

_ALL_NOISE = 1e-9
"""A signal-to-noise ratio that leaves no signal."""


def noise_power(
    particle: GaussianParticle, conditions: Conditions, n_particles: int, seed: int, kinds: Sequence[str] = ()
) -> dict[str, Float]:
    """Compare the mean power over all voxels of a shell with that of the voxels that hold data.

    Args:
        particle: Decides nothing but where images are taken.
        conditions: How images are taken.
        n_particles: Over which powers are averaged.
        seed: Of all random numbers.
        kinds: Of files; by default whitened ones, before and after completion.

    Returns:
        Kind of files to the ratio per shell, (c // 2 + 1,): one is right.
    """
    size = conditions.crop_size
    shell, inside = voxel_shells(size)
    noisy, n = replace(conditions, snr=_ALL_NOISE), size // 2 + 1
    # planes that a half transform holds twice count once
    once = np.ones(shell.shape)
    once[:, :, [0, -1]] = 0.5
    found = {}
    for kind in kinds or ("whitened, exact", COMPLETED):
        every, holding = np.zeros((2, n)), np.zeros((2, n))
        for number in range(n_particles):
            item = extracted(simulate(particle, noisy, np.random.default_rng([seed, number])), noisy, kind)
            power = once * np.abs(np.fft.rfftn(item.data.astype(np.float64))) ** 2
            largest = np.zeros(n)
            np.maximum.at(largest, shell[inside], item.ctf2[inside])
            holds = inside & (item.ctf2 > FILLED_ABOVE * largest[shell])
            for sums, chosen in ((every, inside), (holding, holds)):
                sums += np.stack([np.bincount(shell[chosen], values, n) for values in (power[chosen], once[chosen])])
        mean, right = (np.divide(s[0], s[1], out=np.ones(n), where=s[1] > 0) for s in (every, holding))
        found[kind] = np.divide(mean, right, out=np.ones(n), where=right > 0)
    return found
