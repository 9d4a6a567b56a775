"""Measure what it costs to take up a run of 500 tomograms and 200 000 finished particles.

``python -m tests.reliability.load`` in the repository prints it.
The files are as large as those of a box of 4 and hold nothing; what is measured is the bookkeeping.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from subtomo.extraction.plan import plan_extraction
from subtomo.jobs.extract import RunContext, extract
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.output.layout import OutputLayout
from subtomo.output.resume import Ledger
from subtomo.output.sink import Opening
from tests.helpers.builders import particle_set, tomogram, tomogram_set

TOMOGRAMS, PARTICLES, TILTS = 500, 200_000, 41


class Blank:
    """Tilt images that are never read."""

    shape = (TILTS, 90, 110)

    def __getitem__(self, tilt: int) -> np.ndarray:
        return np.zeros(self.shape[1:], np.float32)

    def fingerprint(self) -> str:
        return "blank"


def finish_all(plan: ExtractionPlan, layout: OutputLayout) -> float:
    """Make empty files for all particles and take them down; give the seconds for the taking down at the end."""
    Path(layout.hidden).mkdir(parents=True)
    ledger = Ledger(Opening(plan, note=print), layout, OutputSettings())
    for entry in plan.series:
        Path(layout.root(entry.series.name, f"{entry.series.name}/1")).parent.mkdir(parents=True, exist_ok=True)
        for index in range(len(entry)):
            for path, size in ledger.files.expected(entry, index, str(plan.particles.names[entry.particles[index]])):
                with open(path, "wb") as stream:
                    stream.truncate(size)
            ledger.add(entry, index, checksum="")
    start = time.perf_counter()
    ledger.conclude(plan)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    tomograms = tomogram_set(*(tomogram(f"TS_{i}", TILTS, images=Blank()) for i in range(TOMOGRAMS)))
    particles = particle_set([f"TS_{i * TOMOGRAMS // PARTICLES}" for i in range(PARTICLES)])
    settings = ExtractionSettings(box_size=4)
    plan = plan_extraction(tomograms, particles, settings)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        layout = OutputLayout.of(plan, "out")
        seconds = finish_all(plan, layout)
        print(f"journal put into order in {seconds:.1f} s, {os.path.getsize(layout.journal) / 1e6:.1f} MB")
        start = time.perf_counter()
        ledger = Ledger(Opening(plan, resume=True, note=print), layout, OutputSettings())
        print(f"{ledger.n_done} finished particles recognised in {time.perf_counter() - start:.1f} s")
        ledger.close()
        start = time.perf_counter()
        extract(tomograms, particles, settings, "out", context=RunContext(resume=True))
        print(f"resumed from plan to summary in {time.perf_counter() - start:.1f} s")
        os.chdir("/")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
