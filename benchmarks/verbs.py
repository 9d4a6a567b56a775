"""A profile: where the time of one particle goes, by the verbs of the backend.

    python -m benchmarks.verbs FOLDER PARTICLES BOX CROP BIN

extracts and writes particles of the project in FOLDER in this process, on a backend whose verbs are timed, and prints
milliseconds per particle as JSON. Patches are cut out by `transform`, block by block, so `crop` is nearly nothing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.extraction import WORKLOADS, Timed
from benchmarks.measure import ask, table
from benchmarks.project import write_particles
from subtomo.backends.protocol import AnyBackend
from subtomo.extraction.extractor import new_backend
from subtomo.extraction.extractors import make_extractor
from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.model.settings import ExtractionSettings, OutputSettings
from subtomo.output.layout import OutputLayout
from subtomo.output.written import ParticleWriter

VERBS = ("crop", "transform", "modulate", "to_images", "circle_crop", "to_slices", "insert", "apply", "to_volume")
_ACCUMULATORS = ("trilinear", "exact")
MEANING = {
    "transform": "cut the patch and transform it (kept columns only)",
    "modulate": "crop in Fourier space, shift, CTF, dose",
    "to_images": "inverse transform of the box (kept rows only)",
    "circle_crop": "background and circle",
    "to_slices": "forward transform of the box (kept columns only)",
    "insert": "spread slices over the volume",
    "apply": "scale",
    "to_volume": "unpack the volume, 3-D inverse transform",
    "other": "CTF terms, shifts, Python between the verbs",
    "write": "two MRC files",
}
N_PROFILED = 12


class TimedBackend:
    """A backend that adds up how long its verbs take, and otherwise behaves as the one it wraps.

    Args:
        backend: A backend, or one of its accumulators.
        seconds: By verb; None to begin with zero.
    """

    def __init__(self, backend: AnyBackend | Any, seconds: dict[str, float] | None = None) -> None:
        self._backend = backend
        self.seconds = dict.fromkeys(VERBS, 0.0) if seconds is None else seconds

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._backend, name)
        if name in _ACCUMULATORS:
            return lambda: TimedBackend(attribute(), self.seconds)
        return self._timed(name, attribute) if name in VERBS else attribute

    def _timed(self, name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = verb(*arguments, **options)
            self.seconds[name] += time.perf_counter() - start
            return result

        return call


def profile(particles_star: str, settings: ExtractionSettings, output_dir: str) -> dict[str, float]:
    """Give milliseconds per particle by verb, ``other`` and ``write``; the first particle does not count."""
    tomograms = read_tomograms("tomograms.star")
    plan = plan_extraction(tomograms, read_particles(particles_star, tomograms), settings)
    extractor = make_extractor(plan.series[0], plan.particles, settings)
    layout = OutputLayout.of(plan, output_dir)
    writer = ParticleWriter(layout, settings, OutputSettings())
    backend: Any = TimedBackend(new_backend(settings))
    extracting = writing = 0.0
    for index in range(len(plan)):
        if index == 1:
            backend.seconds, extracting, writing = dict.fromkeys(VERBS, 0.0), 0.0, 0.0
        start = time.perf_counter()
        particle = extractor.extract(index, backend)
        between = time.perf_counter()
        name = extractor.plan.series.name
        Path(layout.root(name, particle.name)).parent.mkdir(parents=True, exist_ok=True)
        writer.write(particle, name)
        extracting, writing = extracting + between - start, writing + time.perf_counter() - between
    seconds = {**backend.seconds, "other": extracting - sum(backend.seconds.values()), "write": writing}
    return {name: value / (len(plan) - 1) * 1e3 for name, value in seconds.items()}


def section(folder: Path, timed: list[Timed]) -> str:
    """Lay out profiles of all workloads, in milliseconds and beside the floor of each."""
    profiles, floors = {}, {}
    for workload in WORKLOADS:
        star = write_particles(folder, N_PROFILED + 1, workload.patch)
        sizes = workload.box, workload.crop, workload.binning
        profiles[workload] = ask("verbs", folder, star, *sizes)
        floors[workload] = ask("floor", *sizes, 5)
    names = [name for name in profiles[WORKLOADS[0]] if name in MEANING]
    rows = [
        [f"`{name}`: {MEANING[name]}",
         *(f"{profiles[w][name]:.1f} ({100 * profiles[w][name] / sum(profiles[w].values()):.0f} %)" for w in WORKLOADS)]
        for name in names
    ]  # fmt: skip
    rows.append(["sum", *(f"**{sum(profiles[w].values()):.1f}**" for w in WORKLOADS)])
    rows += [[f"*floor*: {part}", *(f"{floors[w][part]:.1f}" for w in WORKLOADS)] for part in floors[WORKLOADS[0]]]
    rows.append(["*floor*: F", *(f"{sum(floors[w].values()):.1f}" for w in WORKLOADS)])
    missed = [item for item in timed if item.in_floors.median > item.workload.must_reach]
    notes = [_needed(item, profiles[item.workload]) for item in missed]
    return (
        f"Milliseconds per particle, one thread, {N_PROFILED} particles after a first one, in one process; share in "
        "brackets.\n\n"
        + table(["", *(workload.name for workload in WORKLOADS)], rows)
        + ("\n" + "".join(notes) if notes else "")
    )


def _needed(item: Timed, spent: dict[str, float]) -> str:
    """Say what a missed aim lacks, and what takes longest."""
    too_much = (item.in_floors.median - item.workload.must_reach) * item.floor_ms.median
    longest = sorted(((name, spent[name]) for name in MEANING), key=lambda entry: -entry[1])[:3]
    where = ", ".join(f"`{name}` {value:.0f} ms" for name, value in longest)
    return f"- {item.workload.name} misses its aim by {too_much:.0f} ms per particle; most of the time: {where}.\n"


if __name__ == "__main__":
    box, crop, binning = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    os.chdir(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=".") as output:
        print(json.dumps(profile(sys.argv[2], ExtractionSettings(box, crop, binning), output)))
