"""Values that no microscope has end in success or in words; never in a traceback, in gigabytes or in a stray file."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.mrc_read import read_volume
from subtomo.io.star import find_table, read_tables, write_tables
from tests.helpers.project import write_project

COMMAND = ("extract", "--p", "particles.star", "--t", "tomograms.star", "--b", "16", "--j", "1", "--o", "out/")
VALUES = ("0", "-1", "1e300", "9223372036854775807", "1e999", "")
COLUMNS = {
    "tomograms.star": ("global", ["rlnTomoHand", "rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast",
                                  "rlnTomoTiltSeriesPixelSize", "rlnTomoSizeX", "rlnTomoSizeZ"]),
    "TS_2.star": ("TS_2", ["rlnMicrographPreExposure", "rlnTomoYTilt", "rlnTomoXTilt", "rlnTomoZRot",
                           "rlnTomoXShiftAngst", "rlnDefocusU", "rlnDefocusAngle"]),
    "particles.star": ("particles", ["rlnCenteredCoordinateXAngst", "rlnTomoSubtomogramTilt", "rlnOpticsGroup"]),
}  # fmt: skip
MEMORY_KB = 1_000_000
"""Beyond what the process has; compiling the loops counts, too."""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    write_project(folder)
    monkeypatch.chdir(folder)
    return folder


def spoil(file: str, table_name: str, label: str, value: str) -> None:
    """Give the last row of a column another value."""
    tables = read_tables(file)
    table = find_table(tables, table_name)
    assert table is not None
    texts = [*table.text(label).tolist()[:-1], value]
    write_tables(file, [t.with_column(label, texts) if t is table else t for t in tables])


def files_outside(folder: Path) -> set[str]:
    """List all files beside the project and its output."""
    return {str(path) for path in folder.parent.rglob("*") if "out" not in path.relative_to(folder.parent).parts}


@pytest.mark.parametrize(
    ("file", "table", "label"), [(file, table, label) for file, (table, labels) in COLUMNS.items() for label in labels]
)
def test_a_senseless_value_ends_in_success_or_in_words(
    file: str, table: str, label: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, before = Path(file).read_bytes(), files_outside(project)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for value in VALUES:
        Path(file).write_bytes(original)
        spoil(file, table, label, value)
        code = main(COMMAND)
        error = capsys.readouterr().err
        taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        assert taken < MEMORY_KB, f"{label} {value!r}: {taken} kB"
        assert code in (0, 1)
        assert "unexpected" not in error, f"{label} {value!r}: {error}"
        assert "Traceback" not in error, f"{label} {value!r}: {error}"
        if code:
            assert "error: " in error
        for path in Path("out").rglob("*_data.mrc"):
            assert np.isfinite(read_volume(path)[0]).all(), f"{label} {value!r}: {path}"
            path.unlink()
        assert files_outside(project) == before


@pytest.mark.parametrize("fill", [0.0, 7.5, 3e38, -3e38, 1e-40])
@pytest.mark.parametrize("options", [(), ("--whiten",), ("--for-refine3d",), ("--float16",), ("--sum", "--div")])
def test_constant_and_huge_images_end_in_success_or_in_words(
    fill: float, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("TS_1.mrcs", "TS_2.mrcs"):
        with open(name, "r+b") as handle:
            handle.seek(1024)
            handle.write(np.full(110 * 90 * 5, fill, np.float32).tobytes())
    code = main((*COMMAND, *options))
    error = capsys.readouterr().err
    assert code in (0, 1)
    assert "unexpected" not in error
    for path in Path("out").rglob("*.mrc"):
        assert np.isfinite(read_volume(path)[0]).all(), path


def test_overflow_of_half_precision_is_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    with open("TS_1.mrcs", "r+b") as handle:
        handle.seek(1024)
        handle.write((np.random.default_rng(1).normal(size=110 * 90 * 5) * 1e7).astype(np.float32).tobytes())
    assert main((*COMMAND, "--float16")) == 0
    assert "too large for half precision and became ±65504" in capsys.readouterr().err
    assert any(
        "half precision" in text for text in json.loads(Path("out/extraction_summary.json").read_text())["warnings"]
    )
    for path in Path("out").rglob("*_data.mrc"):
        assert np.abs(read_volume(path)[0]).max() <= 65504
