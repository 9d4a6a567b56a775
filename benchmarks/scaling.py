"""Threads, memory, and how the cost of a run depends on particles, tilts, box and binning."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.measure import Run, Sample, extract, table, verdict
from benchmarks.project import write_particles

N_PARTICLES = 122
N_COARSE = 101
_REPEATS = 2


def threads_section(folder: Path) -> str:
    """Compare one thread with two on many particles; the start-up, which has no threads, is taken off and told."""
    rows, gains = [], []
    for options, patch in (("--b 128 --crop 96", 128), ("--b 256 --crop 128", 256)):
        one_core = _walls(folder, patch, f"{options} --j 1", cores=(0,))
        one, two = (_walls(folder, patch, f"{options} --j {threads}") for threads in (1, 2))
        start = _run(folder, 1, patch, f"{options} --j 1").wall
        gain, gain_of_cores = ((slow.median - start) / (two.median - start) for slow in (one, one_core))
        gains.append(gain)
        processes = 2 * (one_core.median - start) / (_one_process_per_core(folder, patch, options) - start)
        rows.append(
            [f"`{options}`", one_core.text(), one.text(), two.text(), f"{start:.1f}", f"{gain:.2f}",
             f"{gain_of_cores:.2f}", f"{processes:.2f}"]
        )  # fmt: skip
    header = ["", "`--j 1` confined to one core, s", "`--j 1`, s", "`--j 2`, s", "run with one particle, s",
              "two threads against one", "two cores against one", "two processes against one"]  # fmt: skip
    return (
        f"{N_PARTICLES} particles, wall time, median of {_REPEATS} (least to greatest). Ratios are without start-up. "
        "A run with one thread writes, and forces files to the disk, on further threads, so that it profits from a "
        "second core already. Two processes, each confined to a core of its own and with all the particles, share "
        "nothing but the machine: what they gain together over one of them is what its cores, caches and disk "
        f"allow.\n\n{table(header, rows)}"
        + verdict("At least 1.8 times as fast on two threads", reached=min(gains) >= 1.8)
    )


def _walls(folder: Path, patch: int, options: str, *, cores: Sequence[int] = ()) -> Sample:
    return Sample(tuple(_run(folder, N_PARTICLES, patch, options, cores=cores).wall for _ in range(_REPEATS)))


def _one_process_per_core(folder: Path, patch: int, options: str) -> float:
    """Run two processes with one thread each at once, and give the wall time of the slower, median of the repeats."""

    def on_core(core: int) -> float:
        return _run(folder, N_PARTICLES, patch, f"{options} --j 1", cores=(core,)).wall

    with ThreadPoolExecutor(2) as pool:
        return Sample(tuple(max(pool.map(on_core, (0, 1))) for _ in range(_REPEATS))).median


def memory_section(folder: Path) -> str:
    """Tell peaks of memory at 256/128 by threads and particles."""
    rows, reached = [], True
    for threads in (1, 2):
        for n in (1, 31):
            run = _run(folder, n, 256, f"--b 256 --crop 128 --j {threads}", watched=True)
            limit = 300 + 200 * threads
            reached = reached and run.peak_mb <= limit
            rows.append([threads, n, f"{run.peak_mb:.0f}", f"{run.anonymous_mb:.0f}", limit])
    header = ["threads", "particles", "peak resident, MB", "own memory, MB", "aim, MB"]
    return (
        "`--b 256 --crop 128`. The tilt series is mapped into memory: pages under patches count as resident once they "
        "are touched, though the system takes them back when it needs them; own memory is what remains.\n\n"
        f"{table(header, rows)}" + verdict("300 MB and 200 MB per thread, mapped pages included", reached=reached)
    )


def cost_section(folder: Path) -> str:
    """Tell how time depends on particles, tilts, box and binning, coarsely: one run each."""
    parts = []
    runs = {n: _run(folder, n, 128, "--b 128 --crop 96 --j 1") for n in (1, 31, 61)}
    rows = [[n, f"{run.wall:.2f}", _per_particle(run, runs[1], n) if n > 1 else ""] for n, run in runs.items()]
    parts.append("Particles, `--b 128 --crop 96`:\n\n" + table(["particles", "wall, s", "ms per particle"], rows))
    rows = []
    for n_tilts, name in ((11, "tomograms_11.star"), (21, "tomograms_21.star"), (41, "tomograms.star")):
        cost = _difference(folder, 128, "--b 128 --crop 96 --j 1", tomograms=name)
        rows.append([n_tilts, f"{cost:.1f}", f"{cost / n_tilts:.2f}"])
    parts.append("Tilts, `--b 128 --crop 96`:\n\n" + table(["tilts", "ms per particle", "ms per tilt"], rows))
    rows = []
    for box in (64, 96, 128, 192, 256):
        cost = _difference(folder, box, f"--b {box} --crop {box // 2} --j 1")
        rows.append([f"{box} / {box // 2}", f"{cost:.1f}", f"{cost * 1e6 / (41 * box**2):.1f}"])
    parts.append("Box, 41 tilts, no binning:\n\n" + table(["box / crop", "ms per particle", "ns per pixel"], rows))
    rows = []
    for binning in (1, 2, 4):
        cost = _difference(folder, 96 * binning, f"--b 96 --crop 48 --bin {binning} --j 1")
        rows.append([binning, 96 * binning, f"{cost:.1f}"])
    parts.append(
        "Binning, `--b 96 --crop 48`: what is cut out of the images grows with it:\n\n"
        + table(["binning", "patch", "ms per particle"], rows)
    )
    return f"One run each of one and {N_COARSE} particles: coarse.\n\n" + "\n".join(parts)


def _difference(folder: Path, patch: int, options: str, *, tomograms: str = "tomograms.star") -> float:
    single = _run(folder, 1, patch, options, tomograms=tomograms)
    many = _run(folder, N_COARSE, patch, options, tomograms=tomograms)
    return (many.wall - single.wall) / (N_COARSE - 1) * 1e3


def _per_particle(run: Run, single: Run, n: int) -> str:
    return f"{(run.wall - single.wall) / (n - 1) * 1e3:.1f}"


def _run(
    folder: Path,
    n: int,
    patch: int,
    options: str,
    *,
    watched: bool = False,
    tomograms: str = "tomograms.star",
    cores: Sequence[int] = (),
) -> Run:
    star = write_particles(folder, n, patch)
    return extract(folder, f"--t {tomograms} --p {star} {options}", watched=watched, cores=cores)
