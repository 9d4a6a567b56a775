"""How well simulated states and false picks are told apart, from random starts.

    python -m benchmarks.classes two                  # 240 of one state and 160 that lack a part, SNR 0.02
    python -m benchmarks.classes two --snr 0.006
    python -m benchmarks.classes three                # 240, 120 and 40
    python -m benchmarks.classes false                # 300 particles, 150 places between them, 50 dense balls
    python -m benchmarks.classes two --numbers 5      # the likelihood of held-out particles, 1 to 5 classes

All are refined together first, which is most of the time (--poses FILE keeps what comes out for the next call); some
13 GB of memory are needed. Images have 41 tilts of 3 Å pixels, volumes 64 voxels; starts are 3.9° and 4.7 Å off, and
nothing is told of the states.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np

from subtomo.alignment.voxels import voxels_of
from subtomo.classification.holdout import held_out
from subtomo.classification.iteration import Iteration
from subtomo.classification.rounds import Classification
from subtomo.classification.settings import ClassificationSettings
from subtomo.jobs.classify_prepare import ClassificationJob, prepared
from subtomo.jobs.classify_sources import known_poses
from subtomo.jobs.progress import Silent
from subtomo.jobs.refine_sources import Opened, from_tilts
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.rounds import Refinement
from subtomo.refinement.settings import RefinementSettings
from subtomo.refinement.store import TermStore
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import random_particle
from subtomo.simulation.states import SimulatedStates, lacking, simulated_states

DIAMETER_ANGSTROM = 180.0
N_ATOMS, RADIUS_PX, SIGMA_PX = 2000, 27.0, 1.0
LACKS = 0.16
N_SERIES, ROUNDS = 10, 5


def simulated(mixture: str, snr: float) -> SimulatedStates:
    """Make the images."""
    whole = random_particle(N_ATOMS, RADIUS_PX, SIGMA_PX, np.random.default_rng(7))
    states = [whole, lacking(whole, LACKS, (1.0, 0.3, 0.2)), lacking(whole, LACKS, (-0.5, 1.0, -0.4))]
    conditions = Conditions(snr=snr)
    counts = {"two": (240, 160), "three": (240, 120, 40), "false": (300,)}[mixture]
    false = {"between": 150, "gold": 50} if mixture == "false" else {}
    return simulated_states(states[: len(counts)], counts, conditions, n_series=N_SERIES, seed=1, **false)


def refined(found: Opened, settings: RefinementSettings, threads: int) -> Poses:
    """Refine all together."""
    particles, source, _ = found
    poses = known_poses(particles, source, 0, Silent())
    store = TermStore(source.items, voxels_of(source.size, source.size // 2 - 1), 4e9)
    priors = Priors(poses.rotation, np.zeros((len(poses), 3)), source.voxel_angstrom, settings)
    voxel = float(source.voxel_angstrom[0])
    refinement = Refinement(store, priors, source.series, voxel, source.response, settings, threads=threads)
    return [one.poses for one in refinement.rounds(poses)][-1]


def prepared_classification(
    truth: SimulatedStates, settings: ClassificationSettings, file: Path | None, threads: int
) -> tuple[Classification, np.ndarray]:
    """Turn the particles, in the poses of a refinement, into the frame of the average; give also their states."""
    extraction = Conditions().settings
    source = from_tilts(truth.tomograms, truth.particles, extraction)
    found = Opened(truth.particles, source, truth.tomograms)
    if file is not None and file.exists():
        with np.load(file) as arrays:
            poses = Poses(**arrays)
    else:
        start = time.process_time()
        widths = RefinementSettings(rounds=ROUNDS, particle_diameter_angstrom=DIAMETER_ANGSTROM)
        poses = refined(found, widths, threads)
        print(f"refined in {time.process_time() - start:.0f} s of processor time")
        if file is not None:
            np.savez(file, **vars(poses))
    start = time.process_time()
    job = ClassificationJob("", settings, extraction=extraction)
    made = prepared(job, found, poses, [None, None], threads, Silent())
    print(f"turned in {time.process_time() - start:.1f} s of processor time")
    return made.classification, truth.state[source.indices[made.rows]]


def share_right(assigned: np.ndarray, state: np.ndarray, classes: int) -> float:
    """Of all ways to name the classes, the best."""
    return max(float(np.mean(np.array(order)[assigned] == state)) for order in permutations(range(classes)))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mixture", choices=("two", "three", "false"))
    parser.add_argument("--snr", type=float, default=0.02)
    parser.add_argument("--seeds", type=int, default=10, help="random starts, or seeds of --starts of them")
    parser.add_argument("--starts", type=int, default=1, help="of which the most likely one is kept")
    parser.add_argument("--numbers", type=int, default=0, help="compare 1 to so many classes instead")
    parser.add_argument("--poses", type=Path, help="file of the poses of the refinement")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    classes = {"two": 2, "three": 3, "false": 1}[chosen.mixture]
    settings = ClassificationSettings(
        classes=classes, false_picks=chosen.mixture == "false", particle_diameter_angstrom=DIAMETER_ANGSTROM
    )
    truth = simulated(chosen.mixture, chosen.snr)
    classification, state = prepared_classification(truth, settings, chosen.poses, chosen.threads)
    if chosen.numbers:
        for one in held_out(classification, tuple(range(1, chosen.numbers + 1))):
            print(f"{one.classes} classes: log-likelihood of a held-out particle {one.mean:.1f}")
        return
    for seed in range(chosen.seeds if classes > 1 else 1):
        start = time.process_time()
        seeded = replace(classification, settings=replace(settings, seed=seed))
        last = best(seeded, chosen.starts)
        spent = time.process_time() - start
        if chosen.mixture == "false":
            kept, true = last.assigned == 0, state >= 0
            found = f"precision {np.mean(true[kept]):.1%}, recall {np.mean(kept[true]):.1%}"
        else:
            found = f"{share_right(last.assigned, state, classes):.1%} right, dropped {sorted(last.dropped)}"
        print(f"seed {seed}: {found}, {last.number} iterations, {spent:.1f} s of processor time")


def best(classification: Classification, starts: int) -> Iteration:
    """Keep the most likely one of some starts."""
    found = [classification.finished(classification.random_start(start)) for start in range(starts)]
    return max(found, key=lambda one: one.total_log_likelihood)


if __name__ == "__main__":
    main()
