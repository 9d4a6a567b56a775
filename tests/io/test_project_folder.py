"""Names inside STAR files are relative to a folder that is an argument, wherever Python runs."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from subtomo import PseudoSubtomograms, extract, read_particles, read_tomograms
from subtomo.cli import main
from subtomo.doctor.case import Request
from subtomo.doctor.examine import examine
from subtomo.errors import InputError
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import OptimisationSet, read_optimisation_set
from subtomo.io.relion.images import image_names
from subtomo.report.page import write_report
from tests.helpers.builders import PIXEL_SIZE, SETTINGS
from tests.helpers.project import NAMES, edit, write_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is not the current folder, with a reconstructed tomogram each."""
    folder, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    write_project(folder)
    write_mrc(folder / "rec.mrc", np.ones((8, 9, 10), np.float32), pixel_size_angstrom=PIXEL_SIZE)
    edit(
        folder / "tomograms.star",
        "global",
        rlnTomoReconstructedTomogram=["rec.mrc"] * len(NAMES),
        rlnTomoTomogramBinning=["8"] * len(NAMES),
    )
    monkeypatch.chdir(elsewhere)
    return folder


def test_tilt_series_are_the_same_from_another_folder(project: Path) -> None:
    ours = read_tomograms(project / "tomograms.star", project=project)
    with chdir(project):
        theirs = read_tomograms("tomograms.star")
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.images is not None
        assert other.images is not None
        np.testing.assert_array_equal(mine.images[2], other.images[2])
        assert mine.reconstruction is not None
        assert other.reconstruction is not None
        assert mine.reconstruction.volume == other.reconstruction.volume
        assert mine.reconstruction.volume.read().shape == (8, 9, 10)


def test_a_relative_project_is_seen_from_the_current_folder(project: Path) -> None:
    tomograms = read_tomograms("../project/tomograms.star", project="../project")
    with chdir(project):  # images are found again, wherever the process goes
        assert tomograms[0].images is not None
        assert tomograms[0].images[0].any()


def test_without_a_project_names_are_relative_to_the_current_folder(project: Path) -> None:
    with pytest.raises(InputError, match=r"names TS_1.star, which does not exist seen from .*elsewhere"):
        read_tomograms(project / "tomograms.star")


def test_particles_are_extracted_and_reported_from_another_folder(project: Path, tmp_path: Path) -> None:
    tomograms = read_tomograms(project / "tomograms.star", project=project)
    particles = read_particles(project / "particles.star", tomograms, trajectories=project / "motion.star")
    summary = extract(tomograms, particles, SETTINGS, str(tmp_path / "out"))
    assert summary.n_extracted == len(particles) == len(PseudoSubtomograms(tomograms, particles, SETTINGS))
    written = read_particles(summary.star_file)
    images, weights = image_names(written, project)
    assert all(Path(name).is_file() for name in (*images, *weights) if name)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_names_of_images_are_given_as_they_stand_unless_a_project_is_named(project: Path) -> None:
    edit(project / "particles.star", "particles", rlnImageName=[f"job/{i}.mrc" for i in range(4)])
    particles = read_particles(project / "particles.star")
    assert image_names(particles)[0][1] == "job/1.mrc"
    assert image_names(particles, project)[0][1] == str(project / "job/1.mrc")


def test_the_files_of_an_optimisation_set_keep_their_names_and_are_found_in_the_project(project: Path) -> None:
    (project / "set.star").write_text("data_\n\n_rlnTomoTomogramsFile tomograms.star\n")
    named = read_optimisation_set(project / "set.star")
    assert named == OptimisationSet(tomograms="tomograms.star")
    assert named.in_project(project) == OptimisationSet(tomograms=str(project / "tomograms.star"))


def test_a_project_is_examined_from_another_folder(project: Path) -> None:
    files = OptimisationSet("particles.star", "tomograms.star", "motion.star")
    found = examine(Request(files, project=project, settings=SETTINGS, headers_only=True))
    assert not [one for one in found.findings if "exist" in one.what]
    assert found.facts["prediction"]["particles"] == 4
    missing = examine(Request(files, settings=SETTINGS, headers_only=True))
    assert any("looked from" in one.what for one in missing.findings)


def test_a_report_is_the_same_from_another_folder(project: Path) -> None:
    words = ("--t", "tomograms.star", "--p", "particles.star", "--b", "24", "--crop", "16", "--j", "1", "--o", "out/")
    with chdir(project):
        assert main(("extract", *words, "--no-report")) == 0
        inside = write_report("out/")
        pictures = {path: path.read_bytes() for path in inside.pictures}
    outside = write_report(project / "out")
    assert outside.notes == inside.notes == ()
    assert outside.page == inside.page
    assert {path: path.read_bytes() for path in outside.pictures} == pictures
    assert len(pictures) > 8
