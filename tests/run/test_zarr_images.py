"""Extraction from tilt images as OME-Zarr: the same bytes as from stacks, wherever they are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main as subtomo
from subtomo.extraction.extractor import new_backend
from subtomo.extraction.patches import sources_of
from subtomo.extraction.plan import plan_extraction
from subtomo.io import zarr_images
from subtomo.io.mrc import map_sections, read_header
from subtomo.jobs.extract import RunContext, extract
from subtomo.model.settings import Output
from tests.helpers.builders import SETTINGS, tilt_images
from tests.helpers.project import NAMES, read_project
from tests.helpers.zarr_images import Files, served, write_zarr


def particle_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "Subtomograms").rglob("*.mrc*")}


def differing(first: dict[str, bytes], second: dict[str, bytes]) -> list[str]:
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def to_zarr(folder: Path, address: str = "", **options: object) -> None:
    """Move the images into OME-Zarr, and name them so."""
    for name in NAMES:
        stack = folder / f"{name}.mrcs"
        write_zarr(folder / f"{name}.zarr", map_sections(read_header(stack)), **options)
        stack.unlink(missing_ok=True)
        table = folder / f"{name}.star"
        table.write_text(re.sub(rf"@{name}\.mrcs", f"@{address}{name}.zarr", table.read_text()))


def extracted(folder: Path, out: str, **changes: object) -> dict[str, bytes]:
    tomograms, particles = read_project(folder)
    extract(tomograms, particles, replace(SETTINGS, **changes), out, context=RunContext(threads=2))
    return particle_files(folder / out)


@pytest.mark.parametrize("output", [Output.PSEUDO_SUBTOMOGRAM, Output.STACK_2D])
@pytest.mark.parametrize("where", ["disk", "server"])
def test_particles_are_those_from_stacks(project: Path, output: Output, where: str) -> None:
    from_stacks = extracted(project, "stacks", output=output)
    with served(project) as address:
        to_zarr(project, f"{address}/" if where == "server" else "", chunks=(2, 16, 24), zarr_format=3)
        from_zarr = extracted(project, "zarr", output=output)
    assert from_stacks
    assert differing(from_stacks, from_zarr) == []


def test_parts_have_the_same_edges_as_images(project: Path) -> None:
    tomograms, _ = read_project(project)
    assert tomograms[0].images is not None
    whole = np.stack(list(tomograms[0].images))
    to_zarr(project)
    parts = read_project(project)[0][0].images
    assert parts is not None
    size = SETTINGS.patch_size
    corners = np.array([[-5, -7], [100, 80], [40, 30], [-size, 20], [30, 200], [-200, -200], [109, 89]])
    tilts = np.arange(len(corners)) % len(whole)
    backend = new_backend(SETTINGS, "reference")
    cut = backend.crop(*sources_of(parts, tilts, corners, size))
    assert np.array_equal(cut, backend.crop(*sources_of(whole, tilts, corners, size)))


def test_whitening_and_the_account_work_as_with_stacks(project: Path) -> None:
    """Whole images are read for noise levels; a finished run is seen to be finished."""
    to_zarr(project)
    command = "extract --t tomograms.star --p particles.star --b 32 --crop 16 --weighting whitened --o out/ --resume"
    assert subtomo(command.split()) == 0
    before = {path: path.stat().st_mtime_ns for path in (project / "out" / "Subtomograms").rglob("*.mrc")}
    assert subtomo(command.split()) == 0
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before
    write_zarr(project / "TS_2.zarr", tilt_images(5, seed=9))
    assert subtomo(command.split()) == 0
    again = {path.parent.name for path in before if path.stat().st_mtime_ns != before[path]}
    assert again == {"TS_2"}


def test_doctor_reads_headers_and_pixels(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = "doctor --t tomograms.star --p particles.star --b 32 --crop 16"
    subtomo(command.split())
    of_stacks = [line for line in capsys.readouterr().out.splitlines() if not re.search(r"about .* s |, .* s$", line)]
    to_zarr(project, pixel_size=5.0)
    subtomo(command.split())
    of_zarr = [line for line in capsys.readouterr().out.splitlines() if not re.search(r"about .* s |, .* s$", line)]
    assert of_zarr == of_stacks
    to_zarr_path = project / "TS_1.zarr"
    to_zarr_path.rename(project / "gone")
    assert subtomo(command.split()) == 1
    assert "1 of 1 image files do not exist" in capsys.readouterr().out


def test_a_server_is_asked_for_several_parts_at_a_time(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(project) as address:
        to_zarr(project, f"{address}/", chunks=(1, 90, 110))
        monkeypatch.setattr(Files, "wait_s", 0.05)
        monkeypatch.setattr(Files, "most_at_once", 0)
        tomograms, particles = read_project(project)
        extract(tomograms, particles, SETTINGS, "out", context=RunContext(threads=1))
    assert Files.most_at_once >= 4


def test_parts_are_read_and_not_whole_images(project: Path) -> None:
    tomograms, particles = read_project(project)
    plan = plan_extraction(tomograms, particles, SETTINGS)
    assert plan.series
    with served(project) as address:
        to_zarr(project, f"{address}/", chunks=(1, 10, 10))
        extracted(project, "zarr")
        chunks = [name for name in Files.asked if re.search(r"/0/[0-9.]+$", name)]
    images = len(NAMES) * 5 * 9 * 11
    assert len(set(chunks)) == len(chunks) < images
    assert zarr_images.CACHE_BYTES > 0


def test_a_server_that_fails_costs_the_particles_that_need_it(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(project) as address:
        to_zarr(project, f"{address}/", chunks=(1, 90, 110))
        monkeypatch.setattr(Files, "fails_on", "TS_2.zarr/0/3.0.0")
        command = "extract --t tomograms.star --p particles.star --b 32 --crop 16 --o out/ --resume"
        assert subtomo(command.split()) == 1
        said = capsys.readouterr().err
        assert "TS_2.zarr: cannot be read as an OME-Zarr image" in said
        assert "check address and network" in said
        assert len(list((project / "out" / "Subtomograms" / "TS_1").glob("*_data.mrc"))) == 2
        monkeypatch.setattr(Files, "fails_on", "")
        assert subtomo(command.split()) == 0
    assert len(list((project / "out" / "Subtomograms").rglob("*_data.mrc"))) == 4
