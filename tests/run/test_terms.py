"""Whitened and exact particles as files: what relion_refine reads, what is refused, and that averages stay the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest

from subtomo import DataTerm, ExtractionSettings, InputError, OutputSettings, SettingsError, Weighting, extract
from subtomo.cli import main
from subtomo.io.star import find_table, read_tables
from subtomo.model.settings import Cone, ExtraFile, Output
from tests.helpers.project import read_project, write_project

WHITENED = ExtractionSettings(box_size=32, crop_size=24, weighting=Weighting.WHITENED, data_term=DataTerm.EXACT)
PLAIN = ExtractionSettings(box_size=32, crop_size=24)
OPTIONS = ["extract", "--t", "tomograms.star", "--p", "particles.star", "--b", "32", "--crop", "24", "--o", "out"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(project: Path, settings: ExtractionSettings, folder: str, **output: Any) -> Path:
    tomograms, particles = read_project(project)
    extract(tomograms, particles, settings, folder, output=OutputSettings(**output))
    return project / folder


def read(path: Path) -> np.ndarray[Any, Any]:
    with mrcfile.open(path) as mrc:
        return np.array(mrc.data, dtype=np.float64)


def test_whitened_particles_have_one_slab_of_weights_and_count_as_not_premultiplied(project: Path) -> None:
    folder = run(project, WHITENED, "out")
    tables = read_tables(folder / "particles.star")
    optics, particles = find_table(tables, "optics"), find_table(tables, "particles")
    assert optics is not None
    assert particles is not None
    assert set(optics.text("rlnCtfDataAreCtfPremultiplied").tolist()) == {"0"}
    for image, weights in zip(
        particles.text("rlnImageName").tolist(), particles.text("rlnCtfImage").tolist(), strict=True
    ):
        assert read(project / image).shape == (24, 24, 24)
        assert read(project / weights).shape == (24, 24, 13)


def test_plain_particles_count_as_premultiplied_whatever_their_data_term(project: Path) -> None:
    exact = ExtractionSettings(box_size=32, crop_size=24, data_term=DataTerm.EXACT)
    optics = find_table(read_tables(run(project, exact, "out") / "particles.star"), "optics")
    assert optics is not None
    assert set(optics.text("rlnCtfDataAreCtfPremultiplied").tolist()) == {"1"}


@pytest.mark.parametrize("cone", [None, Cone(30.0, 2.0)])
def test_whitened_files_times_their_weights_are_the_plain_files(project: Path, cone: Cone | None) -> None:
    settings = {"box_size": 32, "crop_size": 24, "cone": cone}
    plain = run(project, ExtractionSettings(**settings), "plain")
    whitened = run(project, ExtractionSettings(**settings, weighting=Weighting.WHITENED), "whitened")
    for path in sorted((plain / "Subtomograms").rglob("*_data.mrc")):
        twin = whitened / path.relative_to(plain)
        weights = read(twin.with_name(twin.name.replace("_data", "_weights")))
        # below Nyquist: at it, the cone weighs two voxels differently that are one number in real space
        below = np.arange(24) != 12
        ours = (np.fft.rfftn(read(twin)) * weights)[below][:, below, :-1]
        expected = np.fft.rfftn(read(path))[below][:, below, :-1]
        assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()


def test_averages_over_whitened_particles_are_those_over_plain_ones(project: Path) -> None:
    plain = run(project, PLAIN, "plain", write_sums=True, snr=1.0)
    whitened = run(
        project,
        ExtractionSettings(box_size=32, crop_size=24, weighting=Weighting.WHITENED),
        "w",
        write_sums=True,
        snr=1.0,
    )
    ours, expected = read(whitened / "sum_div.mrc"), read(plain / "sum_div.mrc")
    assert np.abs(ours - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(("options", "is_completed"), [([], True), (["--no-complete-noise"], False)])
def test_the_preset_is_whitened_exact_and_completed(project: Path, options: list[str], is_completed: bool) -> None:
    assert main([*OPTIONS, "--for-refine3d", *options]) == 0
    expected = run(project, replace(WHITENED, complete_noise=is_completed), "expected")
    for path in sorted((expected / "Subtomograms").rglob("*.mrc")):
        assert (project / "out" / path.relative_to(expected)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["--for-refine3d", "--no_ctf"], ["--no_ctf", "whitened"]),
        (["--for-refine3d", "--nrm"], ["--nrm", "multiplicity"]),
        (["--weighting", "whitened", "--no_comb"], ["--no_comb"]),
        (["--for-refine3d", "--stack2d"], ["3-D", "--stack2d"]),
        (["--data-term", "exact", "--grid_precorr"], ["--grid_precorr", "exact"]),
        (["--data-term", "corrected", "--grid_precorr"], ["--grid_precorr", "corrected"]),
        (["--for-refine3d", "--data-term", "relion"], ["--for-refine3d", "--data-term"]),
        (["--weighting", "white"], ["--weighting", "whitened"]),
    ],
)
def test_what_contradicts_itself_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], options: list[str], fragments: list[str]
) -> None:
    assert main([*OPTIONS, *options]) == 1
    message = capsys.readouterr().err
    assert all(fragment in message for fragment in fragments), message
    assert not (project / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--float16"],
        ["--ctf", "--multi", "--div"],
        ["--cone_weight", "--apply_orientations"],
        ["--whiten", "--bin", "2"],
        ["--max_dose", "6", "--no_circle_crop"],
        ["--mot", "motion.star", "--no_ic", "--circle_precrop"],
    ],
)
def test_the_preset_goes_with_every_option_that_changes_slices(project: Path, options: list[str]) -> None:
    assert main([*OPTIONS, "--for-refine3d", *options]) == 0
    for path in (project / "out" / "Subtomograms").rglob("*.mrc"):
        values = read(path)
        assert np.isfinite(values).all()
        assert values.any()


def test_the_divided_volume_is_the_same_from_whitened_terms(project: Path) -> None:
    whitened = ExtractionSettings(box_size=32, crop_size=24, weighting=Weighting.WHITENED)
    ours = run(project, whitened, "w", extra_files=ExtraFile.DIVIDED, snr=1.0)
    expected = run(project, PLAIN, "plain", extra_files=ExtraFile.DIVIDED, snr=1.0)
    for path in sorted((expected / "Subtomograms").rglob("*_div.mrc")):
        values = read(path)
        assert np.abs(read(ours / path.relative_to(expected)) - values).max() <= 1e-3 * np.abs(values).max()


def test_real_subtomograms_have_no_such_terms() -> None:
    with pytest.raises(SettingsError, match="3-D"):
        ExtractionSettings(box_size=32, output=Output.PROJECTIONS, weighting=Weighting.WHITENED)


def test_a_bad_pixel_is_found_in_exact_whitened_particles(project: Path) -> None:
    from dataclasses import replace

    from subtomo import PseudoSubtomograms, TomogramSet

    tomograms, particles = read_project(project)
    images = np.stack([np.array(tomograms[0].images[tilt], dtype=np.float32) for tilt in range(5)])
    images[2] = np.nan
    spoilt = TomogramSet((replace(tomograms[0], images=images), *tomograms.tomograms[1:]), tomograms.source)
    with pytest.raises(InputError, match="tilt 3"):
        PseudoSubtomograms(spoilt, particles, WHITENED)[0]
