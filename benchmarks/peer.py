"""2-D stacks side by side with zarr-particle-tools on the same input, each confined to one core.

It is installed, when asked for, into an environment of its own. It works on a tilt series in one process of its pool,
on four threads; confined to one core, its time is that of one core. Both write float32 stacks of the same particles.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np

from benchmarks.measure import Run, Sample, ask, fresh_folder, run, table, verdict
from benchmarks.project import write_particles

PACKAGE, VERSION = "zarr-particle-tools", "1.0.1"
N_PARTICLES = 31
_REPEATS = 3
_CORE = (1,)
CASES = ((128, 96, 1, 13.1), (128, 64, 4, 6.1))
"""Box, crop, binning, and RELION's time for volumes in units of F."""


def install(environment: Path) -> Path:
    """Make the environment if it is not there yet, and give the folder of its programs."""
    programs = environment / "bin"
    if not (programs / "zarr-particle-extract").exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(programs / "pip"), "install", "--quiet", f"{PACKAGE}=={VERSION}"], check=True)
    return programs


def section(folder: Path, environment: Path | None) -> str:
    """Compare, or say why there is nothing to compare."""
    if environment is None:
        return f"Not measured: run `python -m benchmarks --peer FOLDER` to install {PACKAGE} {VERSION} there.\n"
    try:
        programs = install(environment)
        compared = [_compare(folder, programs, *case) for case in CASES]
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        return f"{PACKAGE} {VERSION} did not run here:\n\n```\n{str(error)[-1500:]}\n```\n"
    rows = [row for row, _ in compared]
    header = ["box / crop / bin", f"{PACKAGE} {VERSION}, ms per stack", "subtomo, ms per stack", "times its speed",
              "whole run, s", "whole run of subtomo, s", "subtomo, × F", "peak MB, MB of subtomo",
              "largest difference"]  # fmt: skip
    return (
        f"Stacks (`--stack2d`) of {N_PARTICLES} particles, 41 tilts, same project; wall time of processes confined to "
        f"one core, {N_PARTICLES} particles less one, by {N_PARTICLES - 1}; median of {_REPEATS} (least to greatest). "
        "The largest difference is that of the last stack's pixels, in its standard deviations. RELION's times are "
        "of volumes, for lack of others.\n\n"
        f"{table(header, rows)}"
        + verdict(f"At least 6 times as fast as {PACKAGE}", reached=all(gain >= 6 for _, gain in compared))
    )


def _compare(folder: Path, programs: Path, box: int, crop: int, binning: int, relion: float) -> tuple[list[str], float]:
    single, many = (write_particles(folder, n, box * binning) for n in (1, N_PARTICLES))
    sizes = f"--box-size {box} --crop-size {crop}"

    def peer(star: str, output: str) -> list[str]:
        files = f"--tomograms-starfile tomograms.star --particles-starfile {star} --bin {binning}"
        program = str(programs / "zarr-particle-extract")
        return [program, "local", *files.split(), *sizes.split(), "--overwrite", "--output-dir", output]

    def ours(star: str, output: str) -> list[str]:
        files = f"--t tomograms.star --p {star} --bin {binning} --stack2d --j 1 --no-report"
        return [sys.executable, "-m", "subtomo", "extract", *files.split(), *sizes.split(), "--o", output]

    makers: tuple[Callable[[str, str], list[str]], ...] = peer, ours
    costs: list[list[float]] = [[], []]
    wholes: list[list[Run]] = [[], []]
    stacks: list[Path] = [folder / "peer.npy", folder / "ours.npy"]
    for maker in makers:
        # once in advance: libraries come into the system's cache, loops are compiled
        with fresh_folder(folder) as output:
            run(maker(single, f"{output}/"), folder, cores=_CORE)
    for _ in range(_REPEATS):
        for side, maker in enumerate(makers):
            with fresh_folder(folder) as output:
                short = run(maker(single, f"{output}/"), folder, cores=_CORE)
            with fresh_folder(folder) as output:
                long = run(maker(many, f"{output}/"), folder, cores=_CORE)
                _keep_last_stack(output, stacks[side])
            costs[side].append((long.wall - short.wall) / (N_PARTICLES - 1) * 1e3)
            wholes[side].append(long)
    floor = sum(ask("floor", box, crop, binning, 3).values())
    theirs, mine = Sample(tuple(costs[0])), Sample(tuple(costs[1]))
    whole = [Sample(tuple(item.wall for item in side)).text() for side in wholes]
    peaks = " / ".join(f"{max(item.peak_mb for item in side):.0f}" for side in wholes)
    in_floors = f"{mine.median / floor:.2f} (RELION's volumes: {relion})"
    gain = theirs.median / mine.median
    row = [f"{box} / {crop} / {binning}", theirs.text(), mine.text(), f"**{gain:.1f}**", *whole, in_floors, peaks]
    return [*row, _difference(*stacks)], gain


def _keep_last_stack(output: Path, path: Path) -> None:
    found = next(output.rglob(f"{N_PARTICLES}_stack2d.mrcs"), None)
    if found is None:
        raise RuntimeError(f"no {N_PARTICLES}_stack2d.mrcs was written")
    np.save(path, mrcfile.read(found))


def _difference(peer: Path, ours: Path) -> str:
    """Compare the last stacks, so that equal work is compared."""
    theirs, mine = np.load(peer), np.load(ours)
    if theirs.shape != mine.shape:
        return f"shapes {theirs.shape}, {mine.shape}"
    return f"{np.abs(theirs - mine).max() / mine.std():.1e}"
