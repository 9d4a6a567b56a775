"""A million particles through the tables: read, plan, name all files, write particles.star; no image is read.

    python -m benchmarks.million [NUMBER]

prints seconds of processor and wall time and the peak of memory after every step, and a checksum of particles.star.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.large import N_PLANNED, N_TOMOGRAMS, PIXEL_ANGSTROM, million_tomograms
from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion import OptimisationSet, read_particles
from subtomo.model.settings import ExtractionSettings
from subtomo.output.layout import OutputLayout
from subtomo.output.records import write_records

_Result = TypeVar("_Result")
_LABELS = (
    *(
        "TomoName",
        "TomoParticleName",
        "CenteredCoordinateXAngst",
        "CenteredCoordinateYAngst",
        "CenteredCoordinateZAngst",
    ),
    *("OriginXAngst", "OriginYAngst", "OriginZAngst", "AngleRot", "AngleTilt", "AnglePsi", "OpticsGroup"),
    *("RandomSubset", "AutopickFigureOfMerit"),
)
_OPTICS = f"""
data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnTomoTiltSeriesPixelSize #3
1 opticsGroup1 {PIXEL_ANGSTROM}

"""


def write_input(path: Path, n_particles: int) -> None:
    """Write a particle set of 14 columns."""
    random = np.random.default_rng(1)
    each = n_particles // N_TOMOGRAMS
    with path.open("w") as stream:
        stream.write(_OPTICS + "data_particles\n\nloop_\n")
        stream.writelines(f"_rln{label} #{number}\n" for number, label in enumerate(_LABELS, start=1))
        for tomogram in range(N_TOMOGRAMS):
            numbers = random.uniform(-1, 1, (each, 9)) * [1800, 1800, 500, 9, 9, 9, 180, 180, 180]
            numbers[:, 7] = np.abs(numbers[:, 7])
            merits = random.uniform(0, 8, each).tolist()
            for row, values in enumerate(numbers.tolist()):
                texts = " ".join(f"{value:12.6f}" for value in values)
                name = f"TS_{tomogram} TS_{tomogram}/{row + 1}"
                stream.write(f"{name} {texts} 1 {1 + row % 2} {merits[row]:12.6f}\n")


def main(n_particles: int) -> None:
    """Take every step once, and tell what it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input.star")
        write_input(path, n_particles)
        tomograms = million_tomograms()
        particles = _timed("read", lambda: read_particles(path, tomograms))
        plan = _timed("plan", lambda: plan_extraction(tomograms, particles, ExtractionSettings(128, 64, 2.0)))
        layout = _timed("name", lambda: OutputLayout.of(plan, f"{folder}/Extract/"))
        Path(layout.folder).mkdir()
        _timed("write", lambda: write_records(plan, layout, OptimisationSet()))
        text = Path(layout.particles).read_bytes().replace(folder.encode(), b"")
        print(f"{len(plan)} particles planned, md5 {hashlib.md5(text).hexdigest()}")


def _timed(name: str, step: Callable[[], _Result]) -> _Result:
    wall, cpu = time.perf_counter(), time.process_time()
    result = step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{name:6} {time.process_time() - cpu:6.2f} s CPU {time.perf_counter() - wall:6.2f} s wall, peak {peak:.2f} GB"
    )
    return result


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else N_PLANNED)
