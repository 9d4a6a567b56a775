"""Compare an output folder with the one RELION wrote: files, voxels, headers, STAR tables, notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np

from tests.conformance.cases import QUIRKS, Case
from tests.conformance.star_text import star_differences

# Files of ours that RELION does not have.
OUR_ADDITIONS = frozenset({"extraction_summary.json", "left_out.star", ".subtomo/journal.jsonl"})
SUMS = ("sum_data", "sum_weight", "sum_div")
CELL_TOLERANCE = 1e-5
STATISTICS_TOLERANCE = 1e-5
FLOAT16_MODE = 12
# The tolerance of float16 files allows for the rounding of voxels; their statistics were taken before it.
FLOAT16_ROUNDING = 1.5e-3
OBJ_TOLERANCE = 1e-3
WHOLE_HEADER_FIELDS = ("nx", "ny", "nz", "mode", "nxstart", "nystart", "nzstart", "mx", "my", "mz")
AXIS_HEADER_FIELDS = ("mapc", "mapr", "maps", "ispg")


@dataclass
class Report:
    """What differs, in words, and the worst relative error of each kind of image."""

    problems: list[str] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)

    def note_error(self, kind: str, error: float) -> None:
        """Keep the largest error of a kind."""
        self.worst[kind] = max(error, self.worst.get(kind, 0.0))


def compare_run(case: Case, output: Path) -> Report:
    """Compare every file below `output` with RELION's."""
    report = Report()
    present, expected = files_below(output), set(case.files)
    report.problems += [f"{name}: missing" for name in sorted(expected - present)]
    report.problems += [f"{name}: not expected" for name in sorted(present - expected - OUR_ADDITIONS)]
    for name in sorted(expected & present):
        _compare_file(case, output / name, case.expected / name, report)
    return report


def files_below(folder: Path) -> set[str]:
    """Name all files below a folder, relative to it; none if there is no folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _compare_file(case: Case, ours: Path, theirs: Path, report: Report) -> None:
    if ours.suffix in (".mrc", ".mrcs"):
        _compare_images(case, ours, theirs, report)
    elif ours.suffix == ".star":
        rows = case.undefined_angles if ours.name == "particles.star" else frozenset()
        report.problems += star_differences(ours, theirs, rows)
    elif ours.suffix == ".obj":
        report.problems += _obj_differences(ours, theirs)
    elif ours.name == "note.txt":
        expected = theirs.read_text(encoding="utf-8").replace(case.program, f"subtomo {case.argv[0]}", 1)
        asked_for = "".join(f"{argument} " for argument in QUIRKS.get(case.name, ()))
        found = ours.read_text(encoding="utf-8").replace(asked_for, "")
        if found != expected:
            report.problems.append(f"note.txt: {found!r}, expected {expected!r}")
    elif ours.read_bytes() != theirs.read_bytes():
        report.problems.append(f"{ours.name}: other contents")


def _compare_images(case: Case, ours: Path, theirs: Path, report: Report) -> None:
    kind = image_kind(ours.stem, case)
    limit = float(case.tolerance[kind])
    with mrcfile.open(ours) as our_file, mrcfile.open(theirs) as their_file:
        problems = [*_header_differences(our_file.header, their_file.header, limit)]
        if not problems or our_file.data.shape == their_file.data.shape:
            error = relative_error(our_file.data, their_file.data, halves=kind == "weights")
            report.note_error(kind, error)
            if not error <= limit:
                problems.append(f"voxels differ by {error:.1e}, at most {limit:.1e} is allowed")
    report.problems += [f"{ours.name}: {problem}" for problem in problems]


def image_kind(stem: str, case: Case) -> str:
    """Tell the kind of an image, a key of the case's tolerances, from its name without suffix.

    Raises:
        ValueError: No tolerance is given for such a name.
    """
    if stem in SUMS and stem in case.tolerance:
        return stem
    kinds = [kind for kind in case.tolerance if stem.endswith(f"_{kind}")]
    if not kinds:
        raise ValueError(f"{case.name}: no tolerance for {stem}; there are {sorted(case.tolerance)}")
    return max(kinds, key=len)


def relative_error(ours: np.ndarray, theirs: np.ndarray, *, halves: bool = False) -> float:
    """Return max |difference| / max |reference|, for weights the worse of both halves (CTF², multiplicity)."""
    if halves:
        half = theirs.shape[0] // 2
        return max(relative_error(ours[:half], theirs[:half]), relative_error(ours[half:], theirs[half:]))
    reference = theirs.astype(np.float64)
    difference = float(np.max(np.abs(ours.astype(np.float64) - reference)))
    scale = float(np.max(np.abs(reference)))
    if not np.isfinite(difference):
        return float("inf")
    return difference / scale if scale > 0 else difference


def _header_differences(ours: np.ndarray, theirs: np.ndarray, limit: float) -> Iterator[str]:
    for name in (*WHOLE_HEADER_FIELDS, *AXIS_HEADER_FIELDS):
        if int(ours[name]) != int(theirs[name]):
            yield f"header {name} is {ours[name]}, expected {theirs[name]}"
    for group in ("cella", "cellb"):
        for axis in theirs[group].dtype.names:
            ours_is, expected = float(ours[group][axis]), float(theirs[group][axis])
            if not abs(ours_is - expected) <= CELL_TOLERANCE * abs(expected):
                yield f"header {group}.{axis} is {ours_is:.7g}, expected {expected:.7g}"
    only_rounded = int(theirs["mode"]) == FLOAT16_MODE and limit == FLOAT16_ROUNDING
    relative = STATISTICS_TOLERANCE if only_rounded else max(limit, STATISTICS_TOLERANCE)
    allowed = relative * (float(theirs["dmax"]) - float(theirs["dmin"]))
    for name in ("dmin", "dmax", "dmean", "rms"):
        if not abs(float(ours[name]) - float(theirs[name])) <= allowed:
            yield f"header {name} is {float(ours[name]):.8g}, expected {float(theirs[name]):.8g}"


def _obj_differences(ours: Path, theirs: Path) -> Iterator[str]:
    our_lines, their_lines = (path.read_text(encoding="utf-8").splitlines() for path in (ours, theirs))
    if len(our_lines) != len(their_lines):
        yield f"{ours.name}: {len(our_lines)} lines, expected {len(their_lines)}"
        return
    for number, (our_line, their_line) in enumerate(zip(our_lines, their_lines, strict=True), start=1):
        if our_line != their_line and not _same_vertex(our_line.split(), their_line.split()):
            yield f"{ours.name}: line {number}: {our_line!r}, expected {their_line!r}"


def _same_vertex(ours: list[str], theirs: list[str]) -> bool:
    if not (ours[:1] == theirs[:1] == ["v"] and len(ours) == len(theirs)):
        return False
    return all(abs(float(a) - float(b)) <= OBJ_TOLERANCE for a, b in zip(ours[1:], theirs[1:], strict=True))
