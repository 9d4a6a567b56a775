"""Averages from the files of an extraction: time per particle of ``subtomo average --half-maps-only --j 1``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.measure import Run, Sample, fresh_folder, run, table, verdict
from benchmarks.project import write_particles

BOX, CROP, BINNING = 128, 64, 4
COUNTS = (61, 301)
_REPEATS = 3
_MOST_MS = 5.0
"""Per particle and core."""


def section(folder: Path) -> str:
    """Extract two sets of particles, and average each; the difference is the time of those that one has more."""
    program = [sys.executable, "-m", "subtomo"]
    with fresh_folder(folder) as output:
        for count in COUNTS:
            star = write_particles(folder, count, BOX * BINNING)
            sizes = f"--b {BOX} --crop {CROP} --bin {BINNING} --no-report --o {output}/{count}/"
            run([*program, "extract", "--t", "tomograms.star", "--p", star, *sizes.split()], folder)
        runs: dict[int, list[Run]] = {count: [] for count in COUNTS}
        # the first one compiles, and does not count
        for repeat in range(_REPEATS + 1):
            for count in COUNTS:
                options = (
                    f"--p {output}/{count}/particles.star --o {output}/average_{count}_{repeat}/ "
                    "--particle_diameter 300 --half-maps-only --j 1"
                )
                runs[count].append(run([*program, "average", *options.split()], folder))
    few, many = (runs[count][1:] for count in COUNTS)
    n = COUNTS[1] - COUNTS[0]
    wall, cpu = (
        Sample(tuple((getattr(b, what) - getattr(a, what)) / n * 1e3 for a, b in zip(few, many, strict=True)))
        for what in ("wall", "cpu")
    )
    peak = max(item.peak_mb for item in many)
    rows = [[f"{CROP}³", wall.text(), cpu.text(), f"{peak:.0f}"]]
    return (
        f"`subtomo average --half-maps-only --j 1` of an extraction's particles: {COUNTS[1]} less {COUNTS[0]}, by {n}; "
        f"files in the system's cache; median of {_REPEATS} (least to greatest).\n\n"
        + table(["voxels", "ms per particle", "CPU ms", "peak MB"], rows)
        + verdict(f"At most {_MOST_MS:g} ms per particle and core", reached=cpu.median <= _MOST_MS)
    )
