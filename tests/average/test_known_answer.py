"""Averages of particles whose density is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.averaging.average import AverageSettings
from subtomo.io.mrc_read import read_volume
from subtomo.io.relion import OptimisationSet
from subtomo.jobs import average_sources
from subtomo.jobs.average import AverageJob, run_average
from subtomo.jobs.average_result import AverageResult
from subtomo.jobs.progress import Silent
from subtomo.model.settings import DataTerm, ExtractionSettings
from subtomo.physics.fsc import shell_correlation
from subtomo.physics.symmetry import rotation_group
from subtomo.physics.window import centre_distance, soft_disc
from tests.average.project import ATOMS_PX, BOX, CROP, PIXEL_ANGSTROM, density, write_project

MASK = soft_disc(centre_distance(CROP, 3), 11.0, 3.0)
TILTS = ExtractionSettings(BOX, CROP, apply_orientations=True, data_term=DataTerm.EXACT)
CORRECTED = ExtractionSettings(BOX, CROP, apply_orientations=True, data_term=DataTerm.CORRECTED)
ALL_FILES = OptimisationSet(particles="particles.star", tomograms="tomograms.star")


def averaged(out: Path, folder: str = "", symmetry: str = "C1", **options: object) -> AverageResult:
    """Average the files of an extraction, or the tilt images where the options say so."""
    files = OptimisationSet(particles=f"{folder}/particles.star") if folder else ALL_FILES
    job = AverageJob(f"{out}/out", AverageSettings(symmetry), files, threads=2, **options)  # type: ignore[arg-type]
    return run_average(job, Silent())


def agreement(volume: NDArray[np.floating], atoms_px: NDArray[np.float64] = ATOMS_PX) -> NDArray[np.float64]:
    """Compare with the truth under a mask, shell by shell, as far as Gaussians have anything to compare."""
    return shell_correlation(volume * MASK, density(atoms_px) * MASK)[1:8]


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("moved", {}),
        ("kept", {}),
        ("white", {}),
        ("exact", {"data_term": DataTerm.EXACT}),
        ("", {"from_tilts": TILTS}),
        ("", {"from_tilts": CORRECTED}),
    ],
    ids=["files", "files with offsets left", "whitened files", "files of exact data", "tilts", "tilts, corrected"],
)
def test_the_average_is_the_density_that_was_projected(
    folder: str, options: dict[str, object], project: Path, tmp_path: Path
) -> None:
    result = averaged(tmp_path, folder, **options)
    assert (agreement(result.maps["merged"]) > 0.98).all()
    assert result.counts == (8, 8)


def test_density_is_as_strong_near_the_edge_as_at_the_centre(project: Path, tmp_path: Path) -> None:
    # trilinear insertion damps it by a fifth at half the radius; files and tilts undo that
    heights = {}
    # files of exact data are recognised by the summary beside them
    for name, folder, options in (("files", "moved", {}), ("exact", "exact", {}), ("tilts", "", {"from_tilts": TILTS})):
        volume = averaged(tmp_path, folder, **options).maps["merged"] * MASK
        inner, outer = ((volume * density(ATOMS_PX[i : i + 1])).sum() for i in (2, 3))
        heights[name] = outer / inner
    assert heights["files"] == pytest.approx(heights["tilts"], rel=0.05)
    assert heights["exact"] == pytest.approx(heights["tilts"], rel=0.05)


def test_whitened_files_give_the_same_average(project: Path, tmp_path: Path) -> None:
    plain, white = (averaged(tmp_path, folder).maps["merged"] * MASK for folder in ("moved", "white"))
    assert np.abs(plain - white).max() < 0.01 * np.abs(plain).max()


def test_headers_tell_the_pixel_size_and_equal_maps_are_on_disk(project: Path, tmp_path: Path) -> None:
    result = averaged(tmp_path, "moved")
    for name, volume in result.maps.items():
        stored, pixel = read_volume(f"{result.folder}{name}.mrc")
        assert pixel == pytest.approx(PIXEL_ANGSTROM)
        np.testing.assert_array_equal(stored, volume)


@pytest.mark.parametrize("kind", ["files", "tilts"])
def test_threads_do_not_change_a_bit(kind: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps, files = [], OptimisationSet(particles="moved/particles.star") if kind == "files" else ALL_FILES
    # more batches than threads
    monkeypatch.setattr(average_sources, "BATCH", 2)
    for threads in (1, 3):
        tilts = TILTS if kind == "tilts" else None
        job = AverageJob(f"{tmp_path}/{threads}", files=files, from_tilts=tilts, threads=threads)
        maps.append(run_average(job, Silent()).maps["merged"])
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("symmetry", ["C3", "D2"])
def test_symmetry_brings_a_noisy_average_nearer_to_the_truth(
    symmetry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    atoms = np.concatenate([rotation @ ATOMS_PX[:2].T for rotation in rotation_group(symmetry)], axis=1).T
    write_project(tmp_path, noise=3.0, atoms_px=atoms)
    without = averaged(tmp_path, from_tilts=CORRECTED)
    with_symmetry = averaged(tmp_path, symmetry=symmetry, from_tilts=CORRECTED)
    plain, better = (agreement(result.maps["merged"], atoms).mean() for result in (without, with_symmetry))
    assert better > plain + 0.05
    assert with_symmetry.curves.unmasked[1:8].mean() > without.curves.unmasked[1:8].mean() + 0.05


def test_the_other_half_set_does_not_touch_a_half_map(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = averaged(tmp_path, from_tilts=CORRECTED).maps
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, noise=0.0)
    lines = Path("particles.star").read_text().splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if "TS/" in line]
    for i in rows[3::2]:  # all of the second set but one
        lines[i] = ""
    Path("particles.star").write_text("".join(lines))
    fewer = averaged(tmp_path, from_tilts=CORRECTED)
    assert fewer.counts == (8, 1)
    np.testing.assert_array_equal(fewer.maps["half1"], whole["half1"])
    assert np.abs(fewer.maps["half2"] - whole["half2"]).max() > 0.01 * np.abs(whole["half2"]).max()


def test_the_half_maps_foretell_how_well_the_merged_map_fits_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, noise=1.0)
    result = averaged(tmp_path, from_tilts=TILTS)
    halves = shell_correlation(result.maps["half1"] * MASK, result.maps["half2"] * MASK)[1:7].clip(0)
    foretold = np.sqrt(2 * halves / (1 + halves))
    assert np.abs(foretold - agreement(result.maps["merged"])[:6]).max() < 0.15
