"""The main table: time per particle of ``subtomo extract --j 1``, in units of the FFT floor measured alongside.

Fresh processes extract 61 particles and one; a sixtieth of the difference is the time of a particle, writing
included. Floor, one and 61 particles follow each other closely, and rounds over all workloads are repeated, so that a
machine that gets slower or faster changes all of them alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pyperf

from benchmarks.measure import QUIET_CORES, Run, Sample, ask, extract, table, wait_until_quiet
from benchmarks.project import write_particles

N_PARTICLES = 61
_ATTEMPTS = 2
"""How often a measurement is made when other processes disturb it."""


@dataclass(frozen=True)
class Workload:
    """Sizes, RELION's time and the aims, all in units of F."""

    box: int
    crop: int
    binning: int
    relion: float
    must_reach: float
    moonshot: float

    @property
    def name(self) -> str:
        """Write the sizes as in the table."""
        return f"{self.box} / {self.crop} / {self.binning}"

    @property
    def options(self) -> str:
        """Write the sizes as options of the command."""
        return f"--b {self.box} --crop {self.crop} --bin {self.binning}"

    @property
    def patch(self) -> int:
        """Side of the squares cut from the images, unbinned pixels."""
        return self.box * self.binning


WORKLOADS = (
    Workload(256, 128, 1, 8.4, 1.6, 1.2),
    Workload(256, 128, 2, 7.8, 1.6, 1.0),
    Workload(128, 64, 4, 6.1, 1.25, 0.8),
    Workload(128, 96, 1, 13.1, 2.0, 1.8),
    Workload(192, 96, 6, 5.8, 1.15, 0.7),
)


@dataclass(frozen=True)
class Timed:
    """One workload, a value per round."""

    workload: Workload
    floor_ms: Sample
    wall_ms: Sample
    """Per particle."""
    cpu_ms: Sample
    in_floors: Sample
    """Wall time per particle, by the floor of the same round."""
    cpu_in_floors: Sample
    """CPU time likewise."""
    start_s: Sample
    """Wall time of the run with one particle."""
    writing_ms: Sample
    """CPU time of a process that does nothing but write files as large, per particle."""
    without_writing: Sample
    """CPU time less that, by the floor."""
    others: Sample
    """Cores that other processes kept busy."""

    @property
    def speed_up(self) -> float:
        """How many times RELION's speed this is."""
        return self.workload.relion / self.in_floors.median


def per_particle_ms(folder: Path, options: str, patch: int, n: int) -> tuple[Run, Run, float, float]:
    """Give the runs with one particle and with n, and milliseconds of wall and CPU time per particle."""
    single, many = (
        extract(folder, f"--t tomograms.star --p {write_particles(folder, count, patch)} {options}") for count in (1, n)
    )
    return single, many, (many.wall - single.wall) / (n - 1) * 1e3, (many.cpu - single.cpu) / (n - 1) * 1e3


def measure(folder: Path, rounds: int) -> list[Timed]:
    """Time all workloads, round by round."""
    records: dict[Workload, list[tuple[float, ...]]] = {workload: [] for workload in WORKLOADS}
    for _ in range(rounds):
        for workload in WORKLOADS:
            for _ in range(_ATTEMPTS):
                record = _measure_once(folder, workload)
                if record[-1] < QUIET_CORES:
                    break
            records[workload].append(record)
    timed = []
    for workload, rows in records.items():
        floor_ms, wall_ms, cpu_ms, start_s, writing_ms, others = (Sample(values) for values in zip(*rows, strict=True))
        walls, cpus = (Sample(tuple(row[i] / row[0] for row in rows)) for i in (1, 2))
        rest = Sample(tuple((row[2] - row[4]) / row[0] for row in rows))
        timed.append(Timed(workload, floor_ms, wall_ms, cpu_ms, walls, cpus, start_s, writing_ms, rest, others))
    return timed


def _measure_once(folder: Path, workload: Workload) -> tuple[float, ...]:
    """Give F, wall and CPU time per particle (ms), start-up (s), CPU time of writing alone (ms), and others' cores."""
    wait_until_quiet()
    before = _floor(workload)
    single, many, wall, cpu = per_particle_ms(folder, f"{workload.options} --j 1", workload.patch, N_PARTICLES)
    writing = ask("writing", folder, workload.crop, N_PARTICLES - 1)
    floor = (before + _floor(workload)) / 2
    return floor, wall, cpu, single.wall, writing, max(single.others, many.others)


def _floor(workload: Workload) -> float:
    return sum(ask("floor", workload.box, workload.crop, workload.binning, 3).values())


def suite(timed: list[Timed]) -> pyperf.BenchmarkSuite:
    """Give seconds per particle, and the floors measured beside them, for a comparison with another commit's."""
    return pyperf.BenchmarkSuite(
        [
            pyperf.Benchmark(
                # of too few particles the difference of two runs can be nothing, which pyperf refuses
                [
                    pyperf.Run([max(ms, 1e-6) / 1e3], metadata={"name": f"{item.workload.name}, {what}"})
                    for ms in sample.values
                ]
            )
            for item in timed
            for what, sample in (("wall", item.wall_ms), ("CPU", item.cpu_ms), ("floor", item.floor_ms))
        ]
    )


def section(timed: list[Timed]) -> str:
    """Lay out the table, and say what is reached and what is not."""
    header = ["box / crop / bin", "F, ms", "ms per particle", "CPU ms", "CPU, × F",
              "writing alone, CPU ms", "CPU without it, × F", "**× F**", "RELION, × F",
              "aim, × F", "moonshot, × F", "times RELION", "aim reached"]  # fmt: skip
    rows = [
        [item.workload.name, item.floor_ms.text(), item.wall_ms.text(), item.cpu_ms.text(),
         f"{item.cpu_in_floors.median:.2f}", item.writing_ms.text(), f"{item.without_writing.median:.2f}",
         f"**{item.in_floors.median:.2f}** ({min(item.in_floors.values):.2f} to {max(item.in_floors.values):.2f})",
         item.workload.relion, f"≤ {item.workload.must_reach}", item.workload.moonshot, f"{item.speed_up:.1f}",
         _verdict(item)]
        for item in timed
    ]  # fmt: skip
    mean = math.exp(sum(math.log(item.speed_up) for item in timed) / len(timed))
    least = min(timed, key=lambda item: item.speed_up)
    starts = Sample(tuple(value for item in timed for value in item.start_s.values))
    return (
        f"Wall time of processes with `--j 1`, data and weights written to disk, float32, 41 tilts: {N_PARTICLES} "
        f"particles less one, by {N_PARTICLES - 1}; median of {len(timed[0].wall_ms.values)} rounds (least to "
        "greatest). CPU time is user and system time of the same processes: more than wall time where writing, which "
        "has threads of its own, goes on meanwhile; writing alone is what a process takes that does nothing but write "
        "files as large. F is the mean of measurements before and after. "
        "RELION's column is of RELION 5.0.1, single-threaded, on another machine of the same kind, in units of its own "
        "F; times RELION is that column divided by × F.\n\n"
        f"{table(header, rows)}\n"
        f"Geometric mean of the speed-ups over RELION: {mean:.1f}; the least is {least.speed_up:.1f} "
        f"({least.workload.name}). "
        f"A whole run with a single particle takes {starts.text()} s, which includes starting Python. Other "
        f"processes kept {max(max(item.others.values) for item in timed):.2f} cores busy in the worst round.\n"
    )


def _verdict(item: Timed) -> str:
    value, workload = item.in_floors.median, item.workload
    if value <= workload.moonshot:
        return "moonshot"
    return "yes" if value <= workload.must_reach else f"**no**, {value / workload.must_reach:.2f} × the aim"
