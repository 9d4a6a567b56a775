"""Run all benchmarks and write ``benchmarks/RESULTS.md``.

    python -m benchmarks [--rounds N] [--peer [FOLDER]] [--work FOLDER] [--only WORD] [--json FILE]

``--peer`` compares with zarr-particle-tools, installed into an environment in that folder unless it is there already.
``--only`` measures the sections anew that have a word in their title, and keeps the others as they are.
``--json`` keeps every value of the main table, so that ``python -m pyperf compare_to before.json after.json --table``
says which rows of two commits differ by more than their scatter.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmarks import averages, extraction, large, peer, refinement, scaling, terms, verbs
from benchmarks.measure import REPOSITORY, describe_machine, extract, run
from benchmarks.project import WIDTH_PX, write_particles

RESULTS = REPOSITORY / "benchmarks" / "RESULTS.md"


def main(arguments: list[str]) -> None:
    """Measure section by section; the file is written again after each, so that an interrupted run leaves something."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of the main table (default 5)")
    parser.add_argument(
        "--peer",
        type=Path,
        nargs="?",
        const=Path(tempfile.gettempdir()) / f"{peer.PACKAGE}-{peer.VERSION}",
        help="environment to install zarr-particle-tools in, or that has it (default: a temporary one that stays)",
    )
    parser.add_argument("--work", type=Path, help="folder for temporary files (default: the system's)")
    parser.add_argument("--only", metavar="WORD", default="", help="measure sections with this word in their title")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the main table's values for pyperf compare_to")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="subtomo-bench-", dir=options.work) as name:
        report = Report(" ".join(["python -m benchmarks", *_shown(arguments)]), options.only)
        folder = Path(name)
        size = str(WIDTH_PX)
        run([sys.executable, "-m", "benchmarks.project", name, size, size, "float32"], REPOSITORY)
        # compiles the loops if need be, and brings libraries into the system's cache
        extract(folder, f"--t tomograms.star --p {write_particles(folder, 1, 64)} --b 64 --j 1")
        timed = cache(lambda: extraction.measure(folder, options.rounds))
        report.add("Extraction, one thread", lambda: extraction.section(timed()))
        if options.json:
            extraction.suite(timed()).dump(str(options.json), replace=True)
        report.add("Where the time goes", lambda: verbs.section(folder, timed()))
        report.add("Other terms than RELION's", lambda: terms.section(folder))
        report.add("Threads", lambda: scaling.threads_section(folder))
        report.add("Memory", lambda: scaling.memory_section(folder))
        report.add("2-D stacks beside zarr-particle-tools", lambda: peer.section(folder, options.peer))
        report.add("Averages from files", lambda: averages.section(folder))
        report.add("One particle out of a large tilt series", lambda: large.series_section(folder))
        report.add("Planning", large.planning_section)
        report.add("Start", lambda: large.compilation_section(folder))
        report.add("Refinement", refinement.section)
        report.add("Cost against particles, tilts, box and binning", lambda: scaling.cost_section(folder))
    report.finish(time.monotonic() - start)


class Report:
    """The file with the results, growing.

    Args:
        command: That measures.
        only: Word in the titles of sections that are measured; other sections stay as they are in the file.
    """

    def __init__(self, command: str, only: str) -> None:
        self._only = only
        self._known: dict[str, str] = {}
        head = (
            "# Benchmarks\n\n"
            f"Measured, not edited: this file is written by `{command}` (`make bench`).\n\n"
            f"{describe_machine()}- input: 41 tilts ±60°, {WIDTH_PX} × {WIDTH_PX} pixels, float32, simulated; "
            "in the system's file cache; output to disk, as far as the system has written it when a process ends\n"
        )
        if only:
            head, *sections = RESULTS.read_text().split("\n## ")
            self._known = dict(section.split("\n\n", 1) for section in sections)
            if not any(only in title for title in self._known):
                raise SystemExit(
                    f"--only {only}: no such word in the titles of {RESULTS.name}: {'; '.join(self._known)}"
                )
        self._parts = [head]

    def add(self, title: str, section: Callable[[], str]) -> None:
        """Measure a section and write the file as far as it is known; a section that fails says so."""
        if self._only and self._only not in title:
            self._parts += [f"## {title}\n\n{self._known[title]}"] if title in self._known else []
            return
        try:
            text = section()
            if self._only:
                text += "\nMeasured after the other sections.\n"
        except Exception as error:
            text = f"Failed: {error}\n"
        self._parts.append(f"## {title}\n\n{text}")
        if not self._only:
            self._write()

    def finish(self, seconds: float) -> None:
        """Add how long all this took."""
        if not self._only:
            self._parts.append(f"All of this took {seconds / 60:.0f} minutes.\n")
        self._write()

    def _write(self) -> None:
        RESULTS.write_text("\n".join(self._parts))


def _shown(arguments: list[str]) -> list[str]:
    """Hide the names of folders of this machine."""
    return [
        "FOLDER" if i and arguments[i - 1] in ("--peer", "--work", "--json") else word
        for i, word in enumerate(arguments)
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
