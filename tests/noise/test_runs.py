"""The same noise however a run is made, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo import DataTerm, ExtractionSettings, InputError, OutputSettings, PseudoSubtomograms, Weighting, extract
from subtomo.cli import main
from subtomo.io.star import find_table, read_tables
from subtomo.jobs.extract import RunContext, store_particles
from tests.helpers.project import read_project, write_project
from tests.run.test_batches import Backwards

COMPLETED = ExtractionSettings(
    box_size=32, crop_size=24, weighting=Weighting.WHITENED, data_term=DataTerm.EXACT, complete_noise=True
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder: str, settings: ExtractionSettings = COMPLETED, **context: Any) -> Path:
    tomograms, particles = read_project(Path())
    summary = extract(tomograms, particles, settings, folder, context=RunContext(**context))
    assert not summary.failures
    return Path(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.mrc"))}


def test_threads_batches_and_resumed_runs_write_the_same_bytes(project: Path) -> None:
    expected = files(run("one", threads=1))
    assert len(expected) == 8
    assert files(run("two", threads=2)) == expected
    assert files(run("batches", executor=Backwards())) == expected
    folder = run("resumed", threads=1)
    first = next(iter(expected))
    (folder / first).unlink()
    assert files(run("resumed", threads=1, resume=True)) == expected


def test_one_item_alone_holds_what_a_run_writes(project: Path) -> None:
    tomograms, particles = read_project(project)
    items = PseudoSubtomograms(tomograms, particles, COMPLETED)
    store_particles(tomograms, particles, COMPLETED, "stored", context=RunContext(threads=2))
    stored = PseudoSubtomograms.open("stored/particles.zarr")
    for index in (3, 0):
        np.testing.assert_array_equal(stored[index].data, items[index].data)
        np.testing.assert_array_equal(stored[index].ctf2, items[index].ctf2)


def test_other_settings_are_not_resumed(project: Path) -> None:
    run("out", replace(COMPLETED, complete_noise=False))
    with pytest.raises(Exception, match="complete_noise"):
        run("out", resume=True)


def test_half_precision_holds_completed_particles(project: Path) -> None:
    tomograms, particles = read_project(project)
    summary = extract(tomograms, particles, COMPLETED, "half", output=OutputSettings(float16=True))
    assert not summary.warnings


def test_the_account_tells_the_noise_of_every_series(project: Path) -> None:
    assert main(["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24",
                 "--o", "out", "--for-refine3d"]) == 0  # fmt: skip
    noise = json.loads(Path("out/extraction_summary.json").read_text())["noise"]
    assert set(noise) == {"TS_1", "TS_2"}
    assert all(len(spectrum) == 13 and min(spectrum[1:]) > 0 for spectrum in noise.values())


@pytest.mark.parametrize("context", [{"threads": 1}, {"executor": Backwards()}])
def test_a_series_without_noise_costs_its_own_particles_only(project: Path, context: dict[str, Any]) -> None:
    tomograms, particles = read_project(project)
    series = [s if s.name != "TS_2" else replace(s, images=np.zeros(s.images.shape, np.float32)) for s in tomograms]
    blank = type(tomograms)(tuple(series))
    summary = extract(blank, particles, COMPLETED, "out", context=RunContext(**context))
    assert [failure.particle for failure in summary.failures] == ["TS_2/3", "TS_2/4"]
    assert "tilt series TS_2" in summary.failures[0].error
    assert summary.n_extracted == 2


def test_whitened_particles_are_exported_for_relion_3_1(project: Path) -> None:
    run("out")
    assert main(["export", "--p", "out/particles.star", "--o", "classical.star"]) == 0
    tables = read_tables("classical.star")
    optics, table = find_table(tables, "optics"), find_table(tables, "particles")
    assert optics is not None
    assert table is not None
    assert optics.text("rlnCtfDataAreCtfPremultiplied").tolist()[0] == "0"
    assert optics.text("rlnImageDimensionality").tolist()[0] == "3"
    assert table.text("rlnMicrographName").tolist() == ["TS_1", "TS_1", "TS_2", "TS_2"]
    assert all(Path(name).is_file() for name in table.text("rlnCtfImage").tolist())
    assert "rlnTomoName" not in table


def test_particles_that_are_not_whitened_are_not_exported(project: Path) -> None:
    from subtomo.jobs.export import export_particles

    run("plain", ExtractionSettings(box_size=32, crop_size=24))
    with pytest.raises(InputError, match="whitened"):
        export_particles("plain/particles.star", "classical.star")
    with pytest.raises(InputError, match="no such folder"):
        export_particles("plain/particles.star", "nowhere/classical.star")
    with pytest.raises(InputError, match="must stay"):
        export_particles("plain/particles.star", "plain/particles.star")
