"""Which kind of particle files leads to the best poses? A local search for simulated particles, without RELION.

Every particle is simulated in a random orientation, extracted as each kind of file, and aligned to the true reference
from a start some degrees and pixels off. The mean errors of the kinds are compared pair by pair (Wilcoxon).

    python examples/pose_search.py                       # 300 particles at two noise levels, about ten minutes
    python examples/pose_search.py --particles 30 --snr 0.05
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import wilcoxon

from subtomo.alignment.cost import VolumeCost
from subtomo.alignment.poses import Pose
from subtomo.alignment.search import PoseError, pose_error, search_pose
from subtomo.jobs.cores import available_cores
from subtomo.jobs.cost_errors import KINDS, STACKS, kinds_of_costs
from subtomo.model.settings import Weighting
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import random_particle
from subtomo.simulation.simulation import simulate

N_ATOMS, RADIUS_PX, SIGMA_PX = 250, 8.0, 0.6
START_ANGLE_DEG, START_SHIFT_PX = 4.0, 1.2
CHOSEN = ("RELION", STACKS, "whitened", "whitened, exact")


def conditions_at(snr: float) -> Conditions:
    """Describe a small box with a tilt series of usual range and dose."""
    return Conditions(box_size=64, crop_size=32, pixel_size_angstrom=4.0, n_tilts=21, dose_per_tilt=4.0, snr=snr)


def align(number: int, snr: float) -> dict[str, PoseError]:
    """Simulate one particle and align it by every kind of file; errors by kind, and of the start."""
    rng = np.random.default_rng([7, number])
    model = random_particle(N_ATOMS, RADIUS_PX, SIGMA_PX, np.random.default_rng(1))
    truth = model.moved(Rotation.random(rng=rng).as_matrix(), np.zeros(3))
    conditions = conditions_at(snr)
    simulation = simulate(truth, conditions, rng)
    start = Pose(
        Rotation.from_rotvec(np.deg2rad(START_ANGLE_DEG) * direction(rng)).as_matrix(), START_SHIFT_PX * direction(rng)
    )
    errors = {"start": pose_error(start)}
    for kind, found in kinds_of_costs(simulation, truth, conditions, CHOSEN).items():
        is_white = isinstance(found, VolumeCost) and KINDS[kind][0] is Weighting.WHITENED
        cost = found.knowing_noise() if is_white else found
        errors[kind] = pose_error(search_pose(cost, truth, start))
    return errors


def direction(rng: np.random.Generator) -> np.ndarray:
    """Draw a unit vector."""
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def report(snr: float, results: list[dict[str, PoseError]]) -> None:
    """Print mean errors by kind, and which differences are beyond chance."""
    print(f"\nSNR {snr:g} per pixel, {len(results)} particles        angle, deg   90 %    position, px")
    angles = {kind: np.array([errors[kind].angle_deg for errors in results]) for kind in results[0]}
    shifts = {kind: np.array([errors[kind].shift_px for errors in results]) for kind in results[0]}
    for kind, values in angles.items():
        print(f"  {kind:40s}{values.mean():10.2f}{np.quantile(values, 0.9):8.1f}{shifts[kind].mean():12.3f}")
    for better, worse in (("whitened", "RELION"), ("whitened", STACKS), ("whitened, exact", "whitened"),
                          ("whitened, exact", STACKS)):  # fmt: skip
        difference = angles[better] - angles[worse]
        p = wilcoxon(difference).pvalue
        print(f"  {better} - {worse}: {difference.mean():+.3f} deg, p = {p:.1e} (paired Wilcoxon)")


def main() -> None:
    """Run the comparison at each noise level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=300)
    parser.add_argument("--snr", type=float, nargs="+", default=[0.05, 0.015])
    arguments = parser.parse_args()
    assert set(CHOSEN) <= {*KINDS, STACKS}
    with ProcessPoolExecutor(available_cores()) as pool:
        for snr in arguments.snr:
            report(snr, list(pool.map(partial(align, snr=snr), range(arguments.particles), chunksize=4)))


if __name__ == "__main__":
    main()
