"""How many tasks a Dask scheduler of this machine handles, and what one costs it: ``python -m benchmarks.cluster``."""

from __future__ import annotations

import os
import pickle
import resource
import time

import numpy as np

from subtomo import ExtractionSettings, read_particles, read_tomograms
from subtomo.extraction.plan import plan_extraction
from subtomo.jobs.batches import subset
from subtomo.jobs.cluster import connect
from subtomo.output.batching import divide

N_TASKS = 4000
EXAMPLE = "examples/empiar-10499"


def nothing(task: int) -> int:
    """Do nothing."""
    return task


def main() -> None:
    """Print tasks per second, the scheduler's memory per task, and the size of a batch."""
    with connect("local:1", {}, "benchmarks") as executor:
        list(executor.run(nothing, range(200)))
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        list(executor.run(nothing, range(N_TASKS)))
        seconds = time.perf_counter() - start
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{N_TASKS} tasks in {seconds:.1f} s: {N_TASKS / seconds:.0f} tasks/s, client and scheduler in one process")
    print(f"largest memory grew by {grown / 1024:.1f} MB")
    sizes()


def sizes() -> None:
    """Print how many particles a batch of the example has, and how many bytes its description."""
    os.chdir(EXAMPLE)
    tomograms = read_tomograms("tomograms.star")
    particles = read_particles("particles.star", tomograms)
    for box, crop in ((96, 48), (256, 128)):
        settings = ExtractionSettings(box_size=box, crop_size=crop)
        plan = plan_extraction(tomograms, particles, settings)
        ranges = divide(plan.series[0], settings)
        part = subset(plan, plan.series[0], np.arange(ranges[0].start, ranges[0].stop))
        print(f"box {box}, crop {crop}: {len(ranges[0])} particles per batch, {len(pickle.dumps(part)) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
