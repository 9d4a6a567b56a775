"""Quirks that show in the files of a run; see subtomo.conventions.QUIRKS."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.star import find_table, read_tables
from subtomo.model.table import Table
from tests.helpers.project import edit, write_project

RECONSTRUCTED = Path(__file__).resolve().parents[1] / "conformance" / "inputs" / "r5_stack"
EXTRACT = ["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "16", "--crop", "12", "--o", "out/"]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path: str, name: str) -> Table:
    found = find_table(read_tables(path), name)
    assert found is not None
    return found


def test_quirk_4_no_ctf_drops_dose_weights_and_3d_data_still_count_as_premultiplied() -> None:
    assert main([*EXTRACT, "--no_ctf"]) == 0
    half = mrcfile.read("out/Subtomograms/TS_1/1_weights.mrc")
    np.testing.assert_allclose(half[:12], half[12:], atol=1e-6)
    assert table("out/particles.star", "optics").text("rlnCtfDataAreCtfPremultiplied").tolist() == ["1"]
    assert main([*EXTRACT, "--no_ctf", "--stack2d"]) == 0
    assert table("out/particles.star", "optics").text("rlnCtfDataAreCtfPremultiplied").tolist() == ["0"]


def test_quirk_4_the_dose_still_limits_what_is_inserted_without_ctf() -> None:
    assert main([*EXTRACT, "--no_ctf"]) == 0
    plain = mrcfile.read("out/Subtomograms/TS_1/1_weights.mrc")
    assert main([*EXTRACT, "--no_ctf", "--cutoff_fract", "0.9"]) == 0
    assert mrcfile.read("out/Subtomograms/TS_1/1_weights.mrc").sum() < 0.9 * plain.sum()


def test_quirk_8_rows_are_grouped_by_tomogram() -> None:
    particles = table("particles.star", "particles")
    order = [2, 0, 3, 1]
    edit(Path("particles.star"), "particles", **{k: particles.text(k)[order].tolist() for k in particles.labels})
    assert main(EXTRACT) == 0
    names = table("out/particles.star", "particles").text("rlnTomoParticleName").tolist()
    assert names == [particles.text("rlnTomoParticleName")[i] for i in (0, 1, 2, 3)]


def test_quirk_9_weights_are_named_though_not_written() -> None:
    assert main([*EXTRACT, "--no_comb"]) == 0
    named = table("out/particles.star", "particles").text("rlnCtfImage").tolist()
    assert len(named) == 4
    assert all(name.endswith("_weights.mrc") for name in named)
    assert not any(Path(name).exists() for name in named)


def test_quirk_11_reference_maps_are_not_kept_in_optimisation_sets() -> None:
    Path("set.star").write_text("data_\n\n_rlnTomoParticlesFile p.star\n_rlnTomoReferenceMap1File half1.mrc\n")
    assert main(["optimisation-set", "--i", "set.star", "--t", "t.star", "--ref2", "b.mrc", "--o", "new.star"]) == 0
    assert table("new.star", "").labels == ("rlnTomoParticlesFile", "rlnTomoTomogramsFile")


def test_quirk_12_sampled_particles_are_numbered_from_0_in_pixels_without_amplitude_contrast() -> None:
    parameters = "1 sphere [55,45,20,15]\n"
    labels = "loop_\n_rlnTomoManifoldIndex\n_rlnTomoManifoldType\n_rlnTomoManifoldParams\n"
    Path("man.star").write_text("".join(f"\ndata_TS_{i}\n\n{labels}{parameters}\n" for i in (1, 2)))
    files = ["--t", "tomograms.star", "--man", "man.star", "--o", "out/"]
    assert main(["sample-manifold", *files, "--spacing", "60", "--depth", "0", "--max_tilt", "60"]) == 0
    particles = table("out/particles.star", "particles")
    numbers = [int(name.split("/")[1]) for name in particles.text("rlnTomoParticleName").tolist()]
    assert numbers == list(range(len(particles)))
    assert "rlnCoordinateX" in particles
    tilt = particles.floats("rlnTomoSubtomogramTilt")
    assert (tilt <= 0).all()
    assert tilt.min() < -100
    assert "rlnAmplitudeContrast" not in table("out/particles.star", "optics")


def test_quirk_13_input_without_alignment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    edit(Path("TS_2.star"), "TS_2", without="rlnTomoYTilt")
    assert main(EXTRACT) == 1
    assert "rlnTomoYTilt" in capsys.readouterr().err


def test_quirk_13_an_optics_group_out_of_range_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    edit(Path("particles.star"), "particles", rlnOpticsGroup=["1", "2", "1", "1"])
    assert main(EXTRACT) == 1
    assert "row 2: rlnOpticsGroup is 2" in capsys.readouterr().err


def test_quirk_13_deformations_without_coefficients_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    grid = {f"rlnTomoDeformationGridSize{axis}": ["3", "3"] for axis in "XY"}
    edit(Path("tomograms.star"), "global", **grid, rlnTomoDeformationType=["spline", "spline"])
    assert main(EXTRACT) == 1
    assert "rlnTomoDeformationCoefficients" in capsys.readouterr().err


def test_quirk_15_the_size_in_the_star_file_can_differ_from_that_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "with-reconstruction"
    shutil.copytree(RECONSTRUCTED, folder, copy_function=os.symlink)
    monkeypatch.chdir(folder)
    # 30 * 2 / 4 is 15, an odd number, and so becomes 16; 30 * 2 * 2.7 / (2.7 * 4) is less by the last bit: 14
    sizes = ["--b", "32", "--crop", "30", "--bin", "2"]
    files = ["--t", "tomograms_rec.star", "--p", "particles_two.star", "--o", "out/"]
    assert main(["extract", *files, *sizes, "--real_subtomo"]) == 0
    assert table("out/particles.star", "optics").text("rlnImageSize").tolist() == ["16"]
    assert mrcfile.read("out/Subtomograms/TS_01/1_data.mrc").shape[1:] == (14, 14)


def test_quirk_15_reconstructions_of_different_binning_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write_mrc(Path("rec.mrc"), np.ones((10, 22, 27), np.float32), pixel_size_angstrom=20.0)
    volume = {"rlnTomoReconstructedTomogram": ["rec.mrc", "rec.mrc"]}
    edit(Path("tomograms.star"), "global", **volume, rlnTomoTomogramBinning=["4.0", "4.02"])
    assert main([*EXTRACT, "--real_subtomo"]) == 1
    message = capsys.readouterr().err
    assert "TS_1" in message
    assert "4.02 for TS_2" in message


@pytest.fixture
def in_pixels() -> None:
    """Turn the coordinates of the particles into pixels from the corner."""
    tomograms = read_tomograms("tomograms.star")
    centred = read_particles("particles.star", tomograms).coordinates
    pixels = centred / tomograms[0].pixel_size_angstrom + tomograms[0].centre_px
    columns = {f"rlnCoordinate{axis}": [f"{v:.4f}" for v in pixels[:, i]] for i, axis in enumerate("XYZ")}
    for axis in "XYZ":
        edit(Path("particles.star"), "particles", without=f"rlnCenteredCoordinate{axis}Angst")
    edit(Path("particles.star"), "particles", **columns)


@pytest.mark.usefixtures("in_pixels")
def test_quirk_16_pixel_coordinates_are_lost_without_applying_offsets_if_one_asks_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*EXTRACT, "--dont_apply_offsets", "--drop-coordinates"]) == 0
    assert not [label for label in table("out/particles.star", "particles").labels if "Coordinate" in label]
    assert "has no coordinates, as RELION writes it" in capsys.readouterr().err


@pytest.mark.usefixtures("in_pixels")
def test_quirk_16_by_default_they_are_written_from_the_centre_for_they_are_known() -> None:
    assert main([*EXTRACT, "--dont_apply_offsets"]) == 0
    written = table("out/particles.star", "particles")
    assert not [label for label in written.labels if label.startswith("rlnCoordinate")]
    before = read_particles("particles.star", read_tomograms("tomograms.star"))
    pixel, centre = 5.0, read_tomograms("tomograms.star")[0].centre_px
    after = np.stack([written.floats(f"rlnCenteredCoordinate{axis}Angst") for axis in "XYZ"], axis=1)
    np.testing.assert_allclose(after, (before.coordinates - centre) * pixel, atol=1e-3)


def test_quirk_17_an_unknown_option_is_refused_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXTRACT, "--min_tilt", "3"]) == 1
    assert "did you mean --min-tilts" in capsys.readouterr().err


def test_quirk_18_particles_of_unknown_tomograms_get_an_optics_group_without_a_name() -> None:
    particles = table("particles.star", "particles").without("rlnOpticsGroup")
    rows = "".join(f"_{label}\n" for label in particles.labels)
    names = particles.text("rlnTomoName").tolist()
    text = "\ndata_particles\n\nloop_\n" + rows
    for i in range(len(names)):
        tokens = [str(particles.text(label)[i]) for label in particles.labels]
        tokens[particles.labels.index("rlnTomoName")] = "TS_9" if i == 3 else names[i]
        text += " ".join(tokens) + "\n"
    Path("bare.star").write_text(text + "\n")
    invented = read_particles("bare.star", read_tomograms("tomograms.star"))
    assert invented.optics_groups[-1].name == ""
    assert invented.optics_groups[-1].pixel_size_angstrom == invented.optics_groups[0].pixel_size_angstrom


def test_quirk_19_the_header_of_the_sum_of_weights_has_the_pixel_size_of_real_space() -> None:
    assert main([*EXTRACT, "--sum", "--ctf"]) == 0
    with mrcfile.open("out/sum_weight.mrc") as total, mrcfile.open("out/Subtomograms/TS_1/1_CTF2.mrc") as one:
        assert float(total.voxel_size.x) == pytest.approx(5.0)
        assert float(one.voxel_size.x) == pytest.approx(0.2)


def test_quirk_20_taper_mean_and_envelope_leave_the_data_alone() -> None:
    assert main([*EXTRACT, "--div"]) == 0
    names = ("1_data.mrc", "1_div.mrc")
    data, divided = (mrcfile.read(f"out/Subtomograms/TS_1/{name}").copy() for name in names)
    assert main([*EXTRACT, "--div", "--taper", "2", "--no_center", "--env", "3"]) == 0
    again, other = (mrcfile.read(f"out/Subtomograms/TS_1/{name}") for name in names)
    np.testing.assert_array_equal(again, data)
    assert not np.array_equal(other, divided)
