"""What other terms than RELION's cost in time, and what they gain: cost errors of the same boxes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.extraction import per_particle_ms
from benchmarks.measure import Sample, run, table

SIZES = ((256, 128, 1), (128, 64, 4))
KINDS = {
    "RELION": "",
    "whitened": "--weighting whitened",
    "corrected": "--data-term corrected",
    "exact": "--data-term exact",
    "whitened, corrected": "--weighting whitened --data-term corrected",
    "whitened, exact": "--for-refine3d",
}
N_PARTICLES = 61
ROUNDS = 2
ERRORS_AT = ((128, 64), (64, 32))
"""Box and crop of the cost errors."""


def section(folder: Path) -> str:
    """Lay out times beside RELION's terms, and cost errors."""
    return (
        f"Time per particle of whole runs, writing included, `--j 1`, against that of RELION's terms in the same "
        f"round: mean of {ROUNDS} (least to greatest).\n\n{_times(folder)}\n"
        "Cost error near the true pose, in percent, with the noise levels that relion_refine finds in these files "
        "(`subtomo fidelity --particles 1`, see docs/theory.md).\n\n"
        f"{_errors(folder)}"
    )


def _times(folder: Path) -> str:
    rows = []
    for box, crop, binning in SIZES:
        found: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for options in KINDS.values():
            # compiles what only these terms need
            per_particle_ms(folder, f"--b {box} --crop {crop} --bin {binning} --j 1 {options}", box * binning, 2)
        for _ in range(ROUNDS):
            for kind, options in KINDS.items():
                words = f"--b {box} --crop {crop} --bin {binning} --j 1 {options}"
                found[kind].append(per_particle_ms(folder, words, box * binning, N_PARTICLES)[2])
        base = np.array(found["RELION"])
        ratios = [Sample(tuple((np.array(found[kind]) / base).tolist())) for kind in list(KINDS)[1:]]
        name, milliseconds = f"{box} / {crop} / {binning}", f"{np.median(base):.1f}"
        rows.append([name, milliseconds, *(f"× {ratio.text(2)}" for ratio in ratios)])
    return table(["box / crop / bin", "RELION's terms, ms", *list(KINDS)[1:]], rows)


def _errors(folder: Path) -> str:
    rows: dict[str, list[str]] = {}
    for box, crop in ERRORS_AT:
        # a particle as large against the crop as particles usually are
        sizes = ["--b", str(box), "--crop", str(crop), "--radius", f"{0.7 * crop:g}"]
        run([sys.executable, "-m", "subtomo", "fidelity", *sizes, "--particles", "1", "--o", "fidelity"], folder)
        (point,) = json.loads((folder / "fidelity" / "fidelity.json").read_text())["points"]
        for kind, (_, near) in point["errors_percent"].items():
            rows.setdefault(kind, []).append(f"{near:.2f}")
    header = ["files", *(f"{box} / {crop}" for box, crop in ERRORS_AT)]
    return table(header, [[kind, *values] for kind, values in rows.items()])
