"""Projects that take a second or so, and runs in processes of their own that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.io.star import find_table, format_floats, read_tables, write_tables
from subtomo.model.table import text_array
from tests.helpers.project import NAMES, write_project

N_PARTICLES = 60
WORDS = ("--t", "tomograms.star", "--p", "particles.star", "--b", "64", "--crop", "48", "--o", "out", "--j", "2")
"""Of a command line; the images are 110 x 90 pixels, so that patches reach beyond their rim."""
COUNTS = ("seconds", "command", "n_found", "n_written_files", "bytes_written")
"""What the account tells of the run and not of its result."""

_PROGRAM = """
import faulthandler, sys
faulthandler.dump_traceback_later(50)  # whoever hangs tells where
from subtomo.output import journal
journal.GROUP_SECONDS = 0.05  # otherwise no run of this size would be in the journal before its end
from subtomo.cli import main
sys.exit(main())
"""


def write_large_project(folder: Path, n: int = N_PARTICLES) -> None:
    """Write a project of many particles, all near the middle, in two tomograms by turns."""
    write_project(folder)
    tables = read_tables(folder / "particles.star")
    particles = find_table(tables, "particles")
    assert particles is not None
    rows = particles.take(np.arange(n) % len(particles))
    names = rows.text("rlnTomoName").tolist()
    rows = rows.with_column("rlnTomoParticleName", text_array(f"{name}/{i + 1}" for i, name in enumerate(names)))
    rng = np.random.default_rng(3)
    for axis in "XYZ":
        rows = rows.with_column(f"rlnCenteredCoordinate{axis}Angst", format_floats(rng.uniform(-30, 30, n)))
    write_tables(folder / "particles.star", [tables[0], rows])


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start an extraction in a project, in a process of its own."""
    command = [sys.executable, "-c", _PROGRAM, "extract", *WORDS, *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder: Path, *words: str) -> tuple[int, str]:
    """Run an extraction to its end; give exit code and what it said on stderr."""
    with start(folder, *words) as process:
        _, said = process.communicate(timeout=120)
    return process.returncode, said


def n_volumes(out: Path) -> int:
    """Count the volumes of particles."""
    folders = [out / "Subtomograms" / name for name in NAMES]
    return sum(name.endswith(".mrc") for folder in folders if folder.is_dir() for name in os.listdir(folder))


def stop_after(process: subprocess.Popen[str], out: Path, files: int, number: signal.Signals) -> tuple[int, str]:
    """Send a signal as soon as there are so many volumes; give exit code and what was said on stderr."""
    while process.poll() is None and n_volumes(out) < files:
        time.sleep(0.004)
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"hangs after {number.name}: {process.communicate()[1]}") from None
    return process.returncode, said


def contents(out: Path) -> dict[str, Any]:
    """Read all files; of accounts and notes only what tells of the result."""
    files: dict[str, Any] = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    files.pop("note.txt", None)
    if "extraction_summary.json" in files:
        account = json.loads(files["extraction_summary.json"])
        files["extraction_summary.json"] = {key: value for key, value in account.items() if key not in COUNTS}
    return files


def account(out: Path) -> Any:
    """Read the account of a run."""
    return json.loads((out / "extraction_summary.json").read_text())


def leftovers(out: Path) -> list[str]:
    """List temporary files and locks."""
    return [path.name for path in out.rglob("*") if path.name.endswith(".tmp") or path.name == "lock"]


def named_images(out: Path) -> Sequence[str]:
    """List the images that the particle file names."""
    table = find_table(read_tables(out / "particles.star"), "particles")
    assert table is not None
    return [str(name) for name in table.text("rlnImageName").tolist()] if len(table) else []
