"""`subtomo refine`: what it finds, writes, resumes and refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import read_optimisation_set, read_particles
from subtomo.io.star import find_table, read_tables
from subtomo.physics.orientation import euler_to_matrix
from subtomo.simulation.picks import SimulatedPicks
from tests.refinement.conftest import truth_map, write_picks

pytestmark = pytest.mark.usefixtures("project")

TILTS = ["--t", "tomograms.star", "--p", "particles.star"]
SIZES = ["--b", "48", "--crop", "32", "--no_ic", "--particle_diameter", "110", "--j", "2"]
MAPS = ("run_half1_class001_unfil.mrc", "run_half2_class001_unfil.mrc", "run_class001.mrc", "mask.mrc")


def refine(*words: str, output: str = "out/") -> int:
    return main(["refine", *TILTS, *SIZES, "--o", output, *words])


def errors(picks: SimulatedPicks, path: str = "out/run_data.star") -> tuple[float, float]:
    """Mean errors in degrees and Å."""
    found = read_particles(path)
    rows = {name: row for row, name in enumerate(picks.particles.names.tolist())}
    order = np.array([rows[name] for name in found.names.tolist()])
    rotation = euler_to_matrix(found.angles_deg)
    places = found.coordinates - found.origin_angstrom
    everything_rotation, everything_places = picks.rotation.copy(), picks.coordinates_angstrom.copy()
    everything_rotation[order], everything_places[order] = rotation, places
    angles, distances = picks.errors(everything_rotation, everything_places)
    return float(angles[order].mean()), float(distances[order].mean())


def same(one: str, other: str) -> bool:
    """Compare files; pytest would look for the differences of long ones for minutes."""
    return Path(one).read_bytes() == Path(other).read_bytes()


def test_poses_get_better_and_everything_that_relion_wants_is_written(picks: SimulatedPicks) -> None:
    assert refine() == 0
    angle, distance = errors(picks)
    assert angle < 2.0
    assert distance < 1.5
    for name in MAPS:
        with mrcfile.open(f"out/{name}") as file:
            assert file.data.shape == (32, 32, 32)
            assert float(file.voxel_size.x) == pytest.approx(5.0)
    particles = find_table(read_tables("out/run_data.star"), "particles")
    assert particles is not None
    assert particles.text("myOwnColumn")[3] == "note3"
    for label in ("rlnLogLikeliContribution", "subtomoAngleErrorDeg", "subtomoPositionErrorAngst", "rlnRandomSubset"):
        assert np.isfinite(particles.floats(label)).all()
    assert read_optimisation_set("out/optimisation_set.star").particles == "out/run_data.star"
    model = find_table(read_tables("out/run_model.star"), "model_class_1")
    assert model is not None
    assert len(model.floats("rlnGoldStandardFsc")) == 17
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "Round by round" in page
    assert "TS_1/" in page or "Far from where they began" not in page


def test_standard_errors_tell_the_size_of_the_errors(picks: SimulatedPicks) -> None:
    assert refine() == 0
    table = find_table(read_tables("out/run_data.star"), "particles")
    assert table is not None
    angle, distance = errors(picks)
    assert 0.5 < float(table.floats("subtomoAngleErrorDeg").mean()) / angle < 1.5
    assert 0.5 < float(table.floats("subtomoPositionErrorAngst").mean()) / distance < 1.5


def test_any_number_of_threads_and_less_memory_give_the_same_bits() -> None:
    assert refine("--rounds", "2") == 0
    assert main(["refine", *TILTS, *SIZES[:-1], "1", "--o", "one/", "--rounds", "2", "--memory", "0.005"]) == 0
    for name in (*MAPS, "run_data.star", "run_it002_half1_class001_unfil.mrc"):
        assert same(f"out/{name}", f"one/{name}"), name


def test_dask_workers_and_one_thread_give_the_same_bits(capsys: pytest.CaptureFixture[str]) -> None:
    # the process that compiles a loop may round its last bit otherwise than those that load it
    assert refine("--rounds", "1", output="warm/") == 0
    words = [sys.executable, "-m", "subtomo", "refine", *TILTS, *SIZES[:-1], "1", "--rounds", "2"]
    for output, more in (("out/", ()), ("dask/", ("--dask", "local:2"))):
        subprocess.run([*words, "--o", output, *more], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name in (*MAPS, "run_data.star", "run_it002_half1_class001_unfil.mrc"):
        assert same(f"out/{name}", f"dask/{name}"), name
    assert not Path("dask/.subtomo-passes").exists()
    capsys.readouterr()
    assert "expected tcp://host:port, local:N" in refused(capsys, "--dask", "here")
    assert "--dask slurm, which is not given" in refused(capsys, "--dask-option", "queue=cpu")


def test_an_interrupted_refinement_goes_on_to_the_same_bits() -> None:
    # the process that compiles a loop may round its last bit otherwise than those that load it
    assert refine("--rounds", "1", output="warm/") == 0
    program = [sys.executable, "-m", "subtomo"]
    words = ["refine", *TILTS, *SIZES, "--rounds", "3"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*program, *words, "--o", "out/"], check=True, **quiet)
    run = subprocess.Popen([*program, *words, "--o", "cut/"], **quiet)
    deadline = time.monotonic() + 120
    while not Path("cut/run_it001_round.npz").exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    run.kill()
    run.wait()
    assert Path("cut/run_it001_round.npz").exists()
    subprocess.run([*program, *words, "--o", "cut/", "--resume"], check=True, **quiet)
    for name in (*MAPS, "run_data.star"):
        assert same(f"out/{name}", f"cut/{name}"), name


def test_a_refinement_with_other_settings_is_not_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert refine("--rounds", "1") == 0
    assert refine("--rounds", "2", "--sigma_ang", "3", "--resume") == 1
    assert "other particles or settings" in capsys.readouterr().err
    assert refine("--rounds", "2", "--resume") == 0
    assert Path("out/run_it002_data.star").exists()


@pytest.mark.parametrize("kind", ["files", "zarr", "for-refine3d"])
def test_particles_of_an_extraction_are_refined_like_those_from_tilt_images(picks: SimulatedPicks, kind: str) -> None:
    words = {"files": ["--data-term", "exact"], "zarr": ["--data-term", "exact", "--store", "zarr"]}
    extra = words.get(kind, ["--for-refine3d"])
    assert main(["extract", *TILTS, "--b", "48", "--crop", "32", "--no_ic", "--o", "extracted/", *extra]) == 0
    source = "particles.star" if kind == "zarr" else "extracted/particles.star"
    if kind == "zarr":
        shutil.copy("particles.star", "extracted/particles.star")
        source = "extracted/particles.star"
    given = ["--t", "tomograms.star", "--p", source, "--particle_diameter", "110", "--o", "out/", "--j", "2"]
    assert main(["refine", *given]) == 0
    angle, distance = errors(picks)
    assert angle < 2.2
    assert distance < 1.6
    if kind == "files":
        assert main(["refine", "extracted/", *given[4:-3], "again/", *given[-2:]]) == 0
        assert same("again/run_class001.mrc", "out/run_class001.mrc")


@pytest.mark.parametrize("factor", [3.0, -0.2])
def test_a_reference_of_any_grey_scale_is_used_and_an_inverted_one_named(
    picks: SimulatedPicks, factor: float, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mrc("truth.mrc", factor * truth_map(), pixel_size_angstrom=5.0)
    assert refine("--ref", "truth.mrc", "--ini_high", "30") == 0
    assert ("contrast is inverted" in capsys.readouterr().err) == (factor < 0)
    angle, distance = errors(picks)
    assert angle < 2.0
    assert distance < 1.5


def test_orientations_that_nobody_knows_are_searched_for(picks: SimulatedPicks) -> None:
    write_picks("particles.star", picks, with_angles=False)
    write_mrc("truth.mrc", truth_map(), pixel_size_angstrom=5.0)
    assert refine("--ref", "truth.mrc", "--ini_high", "25", "--search", "global", "--rounds", "3") == 0
    found = read_particles("out/run_data.star")
    angles, _ = picks.errors(euler_to_matrix(found.angles_deg), found.coordinates - found.origin_angstrom)
    assert (angles < 10).mean() > 0.95


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert refine(*words) == 1
    return " ".join(capsys.readouterr().err.split())


def test_what_cannot_be_refined_is_refused_with_the_way_out(
    picks: SimulatedPicks, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mrc("small.mrc", truth_map()[:16, :16, :16], pixel_size_angstrom=5.0)
    assert "but the particles have 32 on each side" in refused(capsys, "--ref", "small.mrc")
    write_mrc("other.mrc", truth_map(), pixel_size_angstrom=2.5)
    assert "2.5 Å per voxel, but the particles have 5 Å" in refused(capsys, "--ref", "other.mrc")
    write_mrc("flat.mrc", 0 * truth_map(), pixel_size_angstrom=5.0)
    assert "all its voxels are 0" in refused(capsys, "--ref", "flat.mrc")
    write_mrc("good.mrc", truth_map(), pixel_size_angstrom=5.0)
    corner = np.zeros((32, 32, 32), np.float32)
    corner[:3, :3, :3] = 1.0
    broken = truth_map()
    broken[:4, :4, :4] = 0.0
    write_mrc("broken.mrc", broken, pixel_size_angstrom=5.0)
    write_mrc("corner.mrc", corner, pixel_size_angstrom=5.0)
    message = refused(capsys, "--ref", "broken.mrc", "--solvent_mask", "corner.mrc")
    assert "the mask (corner.mrc) holds nothing of the reference (broken.mrc)" in message
    assert "--sigma_ang" in refused(capsys, "--sigma_ang", "-1")
    assert "--sigma_tilt" in refused(capsys, "--search", "prior")
    write_picks("particles.star", picks, with_angles=False)
    assert "--search" in refused(capsys)
    assert not Path("out/run_data.star").exists()


def test_half_sets_of_one_particle_are_refused(picks: SimulatedPicks, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("particles.star").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    first = next(row for row, line in enumerate(lines) if line.strip().startswith("TS_1"))
    Path("particles.star").write_text("".join(lines[: first + 3]), encoding="utf-8")
    assert "half sets have 2 and 1 particles" in refused(capsys)


def test_a_particle_with_a_bad_pixel_is_left_out_and_named(
    picks: SimulatedPicks, capsys: pytest.CaptureFixture[str]
) -> None:
    with mrcfile.open("TS_1.mrcs", mode="r+") as file:
        height = file.data.shape[1]
        file.data[:, height // 2 - 40 : height // 2 + 40, 60:110] = np.nan
    assert refine("--rounds", "1") == 0
    printed = capsys.readouterr().out
    assert "left out: TS_1/" in printed
    assert "not finite" in printed or "pixel nan" in printed
    table = find_table(read_tables("out/run_data.star"), "particles")
    assert table is not None
    assert 40 <= len(table) < 48
