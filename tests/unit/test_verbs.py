"""The verbs of the command as functions of the package."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subtomo
from subtomo import ExtractionSettings, read_particles, read_tomograms
from subtomo.cli.pages import PAGES
from subtomo.errors import InputError, SettingsError
from subtomo.io.account import read_account
from tests.helpers.project import write_project

SETTINGS = ExtractionSettings(24, 16, binning=1.0)
# "import" is a word of Python itself
VERBS = [command.replace("-", "_") for command in PAGES]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def extracted(project: Path) -> Any:
    return subtomo.extract("tomograms.star", "particles.star", SETTINGS, "out/")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_command_is_a_function_of_the_package(verb: str) -> None:
    function = getattr(subtomo, verb)
    assert inspect.isfunction(function)
    assert function.__name__ == verb
    assert verb in dir(subtomo)


@pytest.mark.parametrize("first", ["subtomo.doctor.examine", "subtomo.report.page", "subtomo.cli.doctor"])
def test_verbs_stay_functions_whatever_is_imported_first(first: str) -> None:
    code = f"import {first}, subtomo; from subtomo.report import page; print(subtomo.doctor, subtomo.report)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert [word for word in found.split() if word in ("doctor", "report")] == ["doctor", "report"]


def test_the_rooms_of_the_same_names_are_found_as_before() -> None:
    import subtomo.doctor.examine as examine
    import subtomo.report.page as page

    assert examine is sys.modules["subtomo.doctor.examine"]
    assert page is subtomo.report.page  # type: ignore[attr-defined]


def test_extraction_from_python_takes_files_and_leaves_an_account(extracted: Any, project: Path) -> None:
    account = read_account(project / "out")
    assert account == extracted
    assert (account.n_extracted, account.inputs.tomograms) == (4, "tomograms.star")
    assert "4 of 4 particles extracted into out/" in repr(extracted)


def test_a_report_is_made_of_what_extract_returns(extracted: Any, project: Path) -> None:
    written = subtomo.report(extracted)
    assert written.page == project / "out" / "report.html"
    assert set(written.plots) == {path.stem for path in written.pictures}
    assert "report.html" in repr(written)
    assert written._repr_html_().count("<figure") == len(written.pictures) > 0


@pytest.mark.parametrize("kind", ["folder", "file", "account", "set"])
def test_an_average_is_made_of_a_folder_a_file_an_account_or_a_set(kind: str, extracted: Any, project: Path) -> None:
    given = {
        "folder": "out",
        "file": Path("out/particles.star"),
        "account": extracted,
        "set": read_particles("out/particles.star"),
    }
    found = subtomo.average(given[kind], "average/", subtomo.AverageSettings(mask_diameter_angstrom=60.0))
    assert (project / "average" / "average.html").is_file()
    assert found.counts == (2, 2)
    assert "4 of 4 particles" in repr(found)
    assert set(found.plots) == {"sections", "fsc", "guinier"}
    shown = found._repr_html_()
    assert ("image/svg+xml" in shown, "image/png" in shown) == (True, True)
    assert found.plots["fsc"]._repr_svg_() is not None
    assert found.plots["sections"]._repr_png_() is not None


def test_an_average_of_some_particles_leaves_the_others_out(extracted: Any) -> None:
    particles = read_particles("out/particles.star")
    found = subtomo.average(particles[[0, 1, 2]], Path("average"), threads=1)
    assert sum(found.counts) == found.n_particles == 3


def test_an_average_from_tilt_images_takes_sets_made_in_memory(project: Path) -> None:
    tomograms = read_tomograms("tomograms.star")
    particles = read_particles("particles.star", tomograms)
    found = subtomo.average(particles, "average", from_tilts=SETTINGS, tomograms=tomograms)
    assert found.maps["merged"].shape == (16, 16, 16)


def test_a_word_of_no_meaning_is_refused_by_verbs_too(extracted: Any) -> None:
    with pytest.raises(SettingsError, match=r'data term \(data_term\) is .exakt., but must be "relion"'):
        subtomo.average("out/", "average/", data_term="exakt")


def test_doctor_gives_findings_that_show_themselves(project: Path) -> None:
    found = subtomo.doctor("particles.star", "tomograms.star", SETTINGS)
    assert [one for one in found.findings if one.severity.value == "error"] == []
    shown = subtomo.doctor("missing.star", read_tomograms("tomograms.star"))
    assert not shown.is_clean
    assert "error 1" in repr(shown)
    assert "missing.star" in shown._repr_html_()


def test_doctor_finds_the_files_of_sets_whatever_the_project_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.parent)
    tomograms = read_tomograms(Path(project.name, "tomograms.star"), project=project)
    particles = read_particles(Path(project.name, "particles.star"), tomograms)
    found = subtomo.doctor(particles, tomograms, SETTINGS, project=project, headers_only=True)
    assert [one.what for one in found.findings if one.severity.value == "error"] == []


def test_sets_that_come_from_no_file_are_refused_where_a_file_is_needed() -> None:
    particles = subtomo.ParticleSet.at("TS_1", np.zeros((2, 3)), pixel_size_angstrom=5.0)
    with pytest.raises(InputError, match="these particles come from no file; write one"):
        subtomo.export(particles, "exported.star")


def test_a_folder_is_compared_with_another(extracted: Any) -> None:
    again = subtomo.extract("tomograms.star", "particles.star", SETTINGS, Path("again"))
    found = subtomo.compare(extracted, again, tolerance=1e-4)
    assert found.ours == "out/"
    assert "out/ and again/" in repr(found)


def test_an_optimisation_set_is_written_from_sets_and_files(project: Path) -> None:
    written = subtomo.optimisation_set(
        "set.star", particles="particles.star", tomograms=read_tomograms("tomograms.star")
    )
    assert (written.particles, written.tomograms) == ("particles.star", "tomograms.star")
    assert (project / "set.star").is_file()


def test_whitened_particles_are_exported(project: Path) -> None:
    settings = ExtractionSettings(24, 16, weighting="whitened")  # type: ignore[arg-type]
    subtomo.extract("tomograms.star", "particles.star", settings, "white/")
    found = subtomo.export("white/", "white/old.star")
    assert found.n_particles == 4
    assert "4 particles for RELION 3.1" in repr(found)


def test_particles_are_sampled_on_surfaces(project: Path) -> None:
    with pytest.raises(InputError, match=r"manifolds file none\.star does not exist"):
        subtomo.sample_manifold("tomograms.star", "none.star", "sampled/", subtomo.SamplingSettings(40.0, 0.0, 90.0))


def test_a_study_of_cost_errors_shows_its_pictures(tmp_path: Path) -> None:
    conditions = subtomo.Conditions(box_size=32, crop_size=24, pixel_size_angstrom=6.0, n_tilts=5)
    found = subtomo.fidelity(conditions, tmp_path / "fidelity", n_particles=1, n_atoms=60, radius_angstrom=30.0)
    assert "RELION" in repr(found)
    assert found._repr_html_().count("<figure") == 3
