"""What a sampling reads, writes and refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subtomo.errors import InputError, SettingsError
from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion import OptimisationSet, read_particles, read_tomograms, write_optimisation_set
from subtomo.io.star import find_table, read_tables, write_tables
from subtomo.jobs.sample_manifold import ManifoldJob, sample_manifold
from subtomo.manifolds.surface import surface_normal
from subtomo.model.manifold import Sphere
from subtomo.model.table import Table
from tests.helpers.builders import SETTINGS
from tests.helpers.options import on_the_command_line
from tests.helpers.project import edit

JOB = ManifoldJob("out", 40.0, 10.0, 90.0, tomograms_file="tomograms.star", manifolds_file="manifolds.star")
CENTRED = replace(JOB, output_dir="centred", centred=True)


def optics_of(folder: str) -> Any:
    table = find_table(read_tables(f"{folder}/particles.star"), "optics")
    assert table is not None
    return table


def test_summary_counts_particles_and_lists_files_with_star_files_last(project: Path) -> None:
    summary = sample_manifold(JOB)
    assert set(summary.n_particles) == {"TS_1", "TS_2"}
    assert summary.n_total == len(read_particles("out/particles.star")) > 20
    assert summary.files[-2:] == ("out/particles.star", "out/optimisation_set.star")
    assert {*project.glob("out/*")} == {project / name for name in summary.files}
    assert summary.warnings == ()


def test_centred_particles_feed_straight_into_an_extraction_at_the_same_places(project: Path) -> None:
    sample_manifold(JOB)
    sample_manifold(CENTRED)
    tomograms = read_tomograms("tomograms.star")
    uncentred = read_particles("out/particles.star", tomograms)
    particles = read_particles("centred/particles.star", tomograms)
    assert particles.centred
    assert not uncentred.centred
    plans = [plan_extraction(tomograms, chosen, SETTINGS) for chosen in (particles, uncentred)]
    assert sum(len(entry) for entry in plans[0].series) > 20
    for ours, theirs in zip(*(plan.series for plan in plans), strict=True):
        np.testing.assert_allclose(ours.positions_px, theirs.positions_px, atol=2e-5)
        np.testing.assert_allclose(ours.orientations, theirs.orientations)


def test_centred_optics_have_one_complete_row_per_group_that_particles_point_to(project: Path) -> None:
    edit(project / "tomograms.star", "global", rlnOpticsGroupName=["first", "second"])
    edit(project / "tomograms.star", "global", rlnAmplitudeContrast=["0.07", "0.1"])
    sample_manifold(CENTRED)
    optics = optics_of("centred")
    assert optics.labels == (
        "rlnOpticsGroup",
        "rlnOpticsGroupName",
        "rlnSphericalAberration",
        "rlnVoltage",
        "rlnAmplitudeContrast",
        "rlnTomoTiltSeriesPixelSize",
    )
    assert optics.text("rlnOpticsGroupName").tolist() == ["first", "second"]
    np.testing.assert_allclose(optics.floats("rlnAmplitudeContrast"), [0.07, 0.1])
    table = read_particles("centred/particles.star").table
    in_second = table.text("rlnTomoName") == "TS_2"
    np.testing.assert_array_equal(table.ints("rlnOpticsGroup"), np.where(in_second, 2, 1))
    np.testing.assert_array_equal(table.ints("rlnGroupNumber"), np.where(in_second, 2, 1))


def test_tomograms_of_one_optics_group_share_a_row_and_those_without_particles_add_none(project: Path) -> None:
    edit(project / "tomograms.star", "global", rlnOpticsGroupName=["same", "same"])
    sample_manifold(CENTRED)
    assert optics_of("centred").text("rlnOpticsGroupName").tolist() == ["same"]
    edit(project / "tomograms.star", "global", rlnOpticsGroupName=["unused", "used"])
    edit(project / "manifolds.star", "TS_1", rlnTomoManifoldParams=["[55,45,20,0.01]"])
    summary = sample_manifold(CENTRED)
    assert summary.n_particles["TS_1"] == {3: 0}
    assert any("manifold 3 of tomogram TS_1 gives no particles" in warning for warning in summary.warnings)
    assert optics_of("centred").text("rlnOpticsGroupName").tolist() == ["used"]


def test_centred_output_refuses_one_optics_group_with_two_voltages(project: Path) -> None:
    edit(project / "tomograms.star", "global", rlnOpticsGroupName=["same", "same"], rlnVoltage=["300", "200"])
    with pytest.raises(InputError, match=r"rlnVoltage of tomogram TS_2 is 200, but 300 in TS_1.*rlnOpticsGroupName"):
        sample_manifold(CENTRED)
    assert not Path("centred/particles.star").exists()
    assert any("those of TS_2 differ" in warning for warning in sample_manifold(JOB).warnings)


def test_centred_output_refuses_tomograms_of_unknown_size(project: Path) -> None:
    edit(project / "tomograms.star", "global", without="rlnTomoSizeX")
    with pytest.raises(InputError, match=r"size of tomogram TS_1 is unknown.*rlnTomoSizeX"):
        sample_manifold(CENTRED)
    assert sample_manifold(JOB).n_total > 20


def test_trajectories_of_other_particles_are_named_as_by_relion_but_not_in_centred_output(project: Path) -> None:
    files = OptimisationSet("particles.star", "tomograms.star", "motion.star", "manifolds.star")
    write_optimisation_set("set.star", files)
    from_set = {"tomograms_file": None, "manifolds_file": None, "optimisation_set_file": "set.star"}
    sample_manifold(replace(JOB, **from_set))
    assert "motion.star" in Path("out/optimisation_set.star").read_text()
    summary = sample_manifold(replace(CENTRED, **from_set))
    assert "motion.star" not in Path("centred/optimisation_set.star").read_text()
    assert any("motion.star" in warning for warning in summary.warnings)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("rlnTomoManifoldType", "torus", ("unknown manifold type 'torus'", "sphere or spheroid")),
        ("rlnTomoManifoldParams", "[1,2,3]", ("3 value(s)", "a radius")),
        ("rlnTomoManifoldParams", "[1,2,3,4,5]", ("5 value(s)", "a radius")),
        ("rlnTomoManifoldParams", "[1,2,3,0]", ("radius of this sphere is 0", "above zero")),
        ("rlnTomoManifoldParams", "[1,2,x,4]", ("'[1,2,x,4]'", "vector")),
        ("rlnTomoManifoldIndex", "one", ("'one'", "whole number", "number")),
    ],
)
def test_bad_manifolds_are_refused_with_file_table_row_and_value(
    project: Path, column: str, value: str, words: tuple[str, ...]
) -> None:
    edit(project / "manifolds.star", "TS_1", **{column: [value]})
    with pytest.raises(InputError) as caught:
        sample_manifold(JOB)
    message = str(caught.value)
    assert message.startswith("manifolds.star: table data_TS_1, row 1")
    assert words[0] in message
    assert words[-1] in message
    assert not Path("out").exists()


def test_a_missing_column_is_named(project: Path) -> None:
    edit(project / "manifolds.star", "TS_2", without="rlnTomoManifoldParams")
    with pytest.raises(InputError, match=r"manifolds.star: table data_TS_2: no column rlnTomoManifoldParams"):
        sample_manifold(JOB)


def test_manifolds_of_unknown_tomograms_are_left_out_with_a_warning(project: Path) -> None:
    text = Path("manifolds.star").read_text().replace("data_TS_2", "data_TS_9").replace("spheroid", "torus")
    Path("manifolds.star").write_text(text)
    summary = sample_manifold(JOB)
    assert summary.n_particles["TS_2"] == {}
    assert any("TS_9" in warning for warning in summary.warnings)
    assert Path("out/TS_2.obj").read_text() == "# 0 vertices.\n\n# 0 faces.\n\n"


def test_manifolds_are_taken_in_the_order_of_their_index_and_the_last_of_equal_ones_counts(project: Path) -> None:
    columns = {
        "rlnTomoManifoldIndex": ["7", "2", "7"],
        "rlnTomoManifoldType": ["sphere"] * 3,
        "rlnTomoManifoldParams": ["[55,45,20,12]", "[20,20,20,8]", "[70,45,20,9]"],
    }
    write_tables("manifolds.star", [Table("TS_1", columns)])
    summary = sample_manifold(JOB)
    assert list(summary.n_particles["TS_1"]) == [2, 7]
    particles = read_particles("out/particles.star")
    assert particles.table.ints("rlnTomoManifoldIndex").tolist() == sorted(
        particles.table.ints("rlnTomoManifoldIndex").tolist()
    )
    distance = np.linalg.norm(particles.coordinates[-1] - [70, 45, 20])
    assert distance == pytest.approx(9 - 2, abs=1e-4)


def test_without_any_particle_there_is_a_warning_and_no_particle_table(project: Path) -> None:
    Path("manifolds.star").write_text(Path("manifolds.star").read_text().replace("data_TS_", "data_other_"))
    summary = sample_manifold(JOB)
    assert summary.n_total == 0
    assert any("none of the tomograms has a manifold" in warning for warning in summary.warnings)
    assert [table.name for table in read_tables("out/particles.star")] == ["optics"]


@pytest.mark.usefixtures("project")
def test_absurdly_many_particles_are_refused_before_memory_is_taken() -> None:
    with pytest.raises(InputError) as caught:
        sample_manifold(replace(JOB, spacing_angstrom=1e-300))
    told = on_the_command_line(caught.value, "sample-manifold")
    assert re.search(r"manifolds.star: table data_TS_1, row 1: .*--spacing.*units", told)


def test_a_particle_on_the_pole_of_a_sphere_has_its_normal_along_z(project: Path) -> None:
    pole, latitude = np.array([0.0]), np.array([np.pi / 2])
    normal = surface_normal(Sphere(np.array([131.0, 122.0, 78.0]), 50.0), pole, latitude, 0.1)
    np.testing.assert_allclose(normal, [[0.0, 0.0, 1.0]], atol=1e-12)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a//b"])
def test_tomogram_names_that_lead_out_of_the_folder_are_refused(project: Path, name: str) -> None:
    edit(project / "tomograms.star", "global", rlnTomoName=[name, "TS_2"])
    text = Path("TS_1.star").read_text().replace("data_TS_1", f"data_{name}")
    Path("TS_1.star").write_text(text)
    with pytest.raises(InputError, match="rename it"):
        sample_manifold(JOB)
    assert not Path("out").exists()


def test_inputs_are_never_overwritten(project: Path) -> None:
    before = Path("particles.star").read_bytes()
    write_optimisation_set("optimisation_set.star", OptimisationSet("particles.star", "tomograms.star"))
    with pytest.raises(SettingsError, match="is an input and would be overwritten"):
        sample_manifold(replace(JOB, output_dir=".", optimisation_set_file="optimisation_set.star"))
    assert Path("particles.star").read_bytes() == before
