"""Run commands in fresh processes and measure time and memory; small statistics; what machine this is."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyperf

REPOSITORY = Path(__file__).resolve().parents[1]
_POLL_SECONDS = 0.02
QUIET_CORES = 0.25
"""A measurement counts as undisturbed if other processes used less than this."""


@dataclass(frozen=True)
class Run:
    """What a process needed."""

    wall: float
    """Seconds from start to end of the process."""
    cpu: float
    """Seconds, user and system, of all its threads and children."""
    peak_mb: float
    """Peak resident memory, mapped files included."""
    anonymous_mb: float = 0.0
    """Peak of its own memory, mapped files excluded, sampled; 0 if it was not watched."""
    others: float = 0.0
    """Cores that other processes kept busy meanwhile."""


def run(command: Sequence[str], folder: Path, *, watched: bool = False, cores: Sequence[int] = ()) -> Run:
    """Run a command in a folder and measure it.

    Args:
        command: Program and arguments.
        folder: To be the current one.
        watched: Sample the memory that is not of mapped files, too.
        cores: To which the process is confined; by default to none.

    Raises:
        RuntimeError: It failed; with the end of what it wrote to standard error.
    """
    with tempfile.TemporaryFile("w+") as errors:
        start, busy = time.perf_counter(), _busy_seconds()
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, env=_environment()
        )  # fmt: skip
        if cores:
            os.sched_setaffinity(process.pid, cores)
        anonymous = 0.0
        while watched and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            anonymous = max(anonymous, _anonymous_mb(process.pid))
            time.sleep(_POLL_SECONDS)
        _, status, usage = os.wait4(process.pid, 0)
        wall, busy = time.perf_counter() - start, _busy_seconds() - busy
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed: {errors.read()[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, usage.ru_maxrss * 1024 / 1e6, anonymous, max(0.0, (busy - cpu) / wall))


def wait_until_quiet(limit_s: float = 10.0) -> None:
    """Wait until other processes leave the machine alone, but not for ever."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = _busy_seconds()
        time.sleep(0.5)
        if (_busy_seconds() - before) / 0.5 < QUIET_CORES:
            return


def _busy_seconds() -> float:
    """Read how long all cores together have been busy since the start of the system."""
    user, nice, system, _, _, *interrupts = (int(word) for word in _lines("/proc/stat")[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def ask(module: str, *arguments: object) -> Any:
    """Run a module of this folder in a fresh process and give the JSON that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    result = subprocess.run(
        command, cwd=REPOSITORY, env=_environment(), check=True, capture_output=True, text=True
    )  # fmt: skip
    return json.loads(result.stdout)


@contextmanager
def fresh_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for one run's output, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="output-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def extract(
    folder: Path, options: str, *, watched: bool = False, reported: bool = False, cores: Sequence[int] = ()
) -> Run:
    """Run ``subtomo extract`` in a fresh process, writing into a fresh folder on disk.

    The page with pictures costs some seconds per run, whatever its size: it would hide what particles cost.
    """
    with fresh_folder(folder) as output:
        command = [sys.executable, "-m", "subtomo", "extract", "--o", f"{output}/", *options.split()]
        if not reported:
            command.append("--no-report")
        return run(command, folder, watched=watched, cores=cores)


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def text(self, digits: int = 1) -> str:
        """Write median and spread, from the least to the greatest."""
        low, high = min(self.values), max(self.values)
        return f"{self.median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def verdict(subject: str, *, reached: bool) -> str:
    """Say in one line whether an aim is reached."""
    return f"\n{subject}: {'reached' if reached else '**not reached**'}.\n"


def describe_machine() -> str:
    """Tell processor, memory, system and versions, for a measurement says little without them."""
    state = pyperf.Run([1.0]).get_metadata()
    cpu, cores = state.get("cpu_model_name", "?"), state["cpu_count"]
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "").split()
    vector = [name for name in ("avx2", "fma", "avx512f") if name in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    packages = ("subtomo", "numpy", "numba", "llvmlite", "ducc0", "scipy", "mrcfile", "gemmi")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"- processor: {cpu} ({', '.join(vector) or 'no AVX2'}), {cores} cores; {memory:.0f} GB of memory\n"
        f"- system: {platform.system()} {platform.release()}, Python {platform.python_version()}\n"
        f"- packages: {versions}\n"
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _anonymous_mb(pid: int) -> float:
    """Read how much memory a process has of its own; 0 when it has just ended."""
    return next((int(line.split()[1]) * 1024 / 1e6 for line in _lines(f"/proc/{pid}/status") if "RssAnon" in line), 0.0)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _environment() -> dict[str, str]:
    """Keep other libraries from starting threads of their own."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DUCC0_NUM_THREADS": "1"}
