"""Large inputs: one particle out of a large tilt series, a million particles planned, the first compilation.

    python -m benchmarks.large

plans a million particles in this process and prints time and memory as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import REPOSITORY, Run, Sample, ask, extract, run, table, verdict
from benchmarks.project import N_TILTS, write_particles
from subtomo.extraction.plan import plan_extraction
from subtomo.model.optics import Microscope
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings
from subtomo.model.tilt_series import Tilts, TiltSeries, TomogramSet
from subtomo.physics.projection import projection_from_angles

N_TOMOGRAMS = 100
N_PLANNED = 1_000_000
PIXEL_ANGSTROM = 1.5
IMAGE_SIZE = (3838, 3710)
TOMOGRAM_SIZE = (3838, 3710, 1200)
SERIES_SIZE = (5760, 4900)
"""Width and height: with 41 tilts of int16, 2.3 GB."""


def series_section(folder: Path) -> str:
    """Extract one particle out of 2.3 GB, with the file in the system's cache and without."""
    project = folder / "large"
    width, height = SERIES_SIZE
    run([sys.executable, "-m", "benchmarks.project", str(project), str(width), str(height), "int16"], REPOSITORY)
    options = f"--t tomograms.star --p {write_particles(project, 1, 256)} --b 256 --crop 128 --j 1"
    runs: dict[str, list[Run]] = {"not in the cache": [], "in the cache": []}
    for _ in range(3):
        _forget(project / "stack.mrcs")
        for measured in runs.values():
            measured.append(extract(project, options, watched=True))
    rows = [
        [name, Sample(tuple(item.wall for item in measured)).text(2), f"{max(m.peak_mb for m in measured):.0f}",
         f"{max(m.anonymous_mb for m in measured):.0f}"]
        for name, measured in runs.items()
    ]  # fmt: skip
    size = (project / "stack.mrcs").stat().st_size / 1e9
    (project / "stack.mrcs").unlink()
    header = [f"{size:.1f} GB, int16", "wall, s", "peak resident, MB", "own memory, MB"]
    slowest = max(Sample(tuple(item.wall for item in measured)).median for measured in runs.values())
    largest = max(item.peak_mb for measured in runs.values() for item in measured)
    return f"One particle, `--b 256 --crop 128`, median of 3.\n\n{table(header, rows)}" + verdict(
        "Under 2 s and 300 MB", reached=slowest < 2 and largest < 300
    )


def planning_section() -> str:
    """Plan a million particles in memory."""
    found = ask("large")
    rows = [[f"{N_PLANNED} in {N_TOMOGRAMS} tomograms", f"{found['seconds']:.1f}", f"{found['peak_gb']:.2f}",
             f"{found['before_gb']:.2f}", found["planned"]]]  # fmt: skip
    header = ["particles", "planning, s", "peak resident, GB", "before planning, GB", "planned"]
    return (
        f"Positions, visibility in {N_TILTS} tilts, orientations and defocus offsets of particles that are in memory "
        f"already.\n\n{table(header, rows)}"
        + verdict("Under 20 s and 3 GB", reached=found["seconds"] < 20 and found["peak_gb"] < 3)
    )


def compilation_section(folder: Path) -> str:
    """Time a run whose loops are to be compiled first, and one after it."""
    options = f"--t tomograms.star --p {write_particles(folder, 1, 128)} --b 128 --crop 96 --j 1"
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache
        try:
            first = extract(folder, options)
            second = Sample(tuple(extract(folder, options).wall for _ in range(5)))
            reported = extract(folder, options, reported=True)
        finally:
            del os.environ["NUMBA_CACHE_DIR"]
    return (
        f"The first run after installation, which compiles, takes {first.wall:.1f} s with one particle; the next "
        f"ones, from start to end, {second.text()} s (median of 5), or {reported.wall:.1f} s with "
        "`report.html`. All other figures of this page are of runs without it (`--no-report`).\n"
        + verdict("Compilation under 30 s", reached=first.wall < 30)
        + verdict("Start in under 2 s, counting a whole run with one particle", reached=second.median < 2)
    )


def plan_a_million() -> dict[str, float]:
    """Plan, and tell seconds and gigabytes."""
    tomograms, particles = million_tomograms(), _particles()
    before = _peak_gb()
    start = time.perf_counter()
    plan = plan_extraction(tomograms, particles, ExtractionSettings(128, 64, 2.0))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "before_gb": before, "peak_gb": _peak_gb(), "planned": len(plan)}


def million_tomograms() -> TomogramSet:
    """Make the tilt series that hold the particles; they have no images."""
    angles = np.stack([np.zeros(N_TILTS), np.linspace(-60, 60, N_TILTS), np.full(N_TILTS, 85.0)], axis=1)
    ones = np.ones(N_TILTS)
    projection = projection_from_angles(angles, np.zeros((N_TILTS, 2)), IMAGE_SIZE, TOMOGRAM_SIZE)
    defocus = 25_000.0 * ones
    series = Tilts(projection, 3.0 * np.arange(N_TILTS), defocus, defocus, 0 * ones, 0 * ones, ones, 0 * ones)
    microscope = Microscope(300.0, 2.7, 0.07)
    names = [f"TS_{i}" for i in range(N_TOMOGRAMS)]
    return TomogramSet(
        tuple(TiltSeries(name, microscope, PIXEL_ANGSTROM, IMAGE_SIZE, TOMOGRAM_SIZE, series) for name in names)
    )


def _particles() -> ParticleSet:
    random = np.random.default_rng(5)
    each = N_PLANNED // N_TOMOGRAMS
    half = np.array(TOMOGRAM_SIZE) * PIXEL_ANGSTROM / 2
    return ParticleSet.at(
        [f"TS_{i // each}" for i in range(N_PLANNED)],
        random.uniform(-half, half, (N_PLANNED, 3)),
        pixel_size_angstrom=PIXEL_ANGSTROM,
        centred=True,
        angles_deg=random.uniform(-180, 180, (N_PLANNED, 3)),
    )


def _forget(path: Path) -> None:
    """Drop a file from the system's cache, as far as the system does as it is told."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    print(json.dumps(plan_a_million()))
