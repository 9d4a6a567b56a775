"""The particles that were left out, as a STAR file beside the set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion import read_particles, write_left_out
from subtomo.io.star import find_table, read_tables
from subtomo.model.plan import ExtractionPlan
from subtomo.model.settings import ExtractionSettings
from tests.helpers.project import edit, read_project, write_project

FAR = ["10.0", "-30.0", "0.0", "9000.0"]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExtractionPlan:
    """Of four particles, the last of which lies outside of all images."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    edit(tmp_path / "particles.star", "particles", rlnCenteredCoordinateXAngst=FAR)
    return plan_extraction(*read_project(tmp_path), ExtractionSettings(box_size=24, crop_size=16))


def test_it_names_particle_tomogram_reason_and_place(plan: ExtractionPlan, tmp_path: Path) -> None:
    assert write_left_out(tmp_path / "left_out.star", plan)
    table = find_table(read_tables(tmp_path / "left_out.star"), "particles")
    assert table is not None
    assert table.text("rlnTomoName").tolist() == ["TS_2"]
    assert table.text("rlnTomoParticleName").tolist() == ["TS_2/4"]
    assert table.text("subtomoReason").tolist() == [plan.left_out[0].reason]
    assert table.ints("subtomoVisibleTilts").tolist() == [0]
    assert table.floats("rlnCenteredCoordinateXAngst").tolist() == [9000.0]


def test_it_is_a_particle_set_that_can_be_read(plan: ExtractionPlan, tmp_path: Path) -> None:
    write_left_out(tmp_path / "left_out.star", plan)
    particles = read_particles(tmp_path / "left_out.star")
    assert particles.names.tolist() == ["TS_2/4"]
    np.testing.assert_array_equal(particles.coordinates, plan.particles.coordinates[3:])


def test_nothing_left_out_leaves_no_file_not_even_an_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    (tmp_path / "left_out.star").write_text("older")
    whole = plan_extraction(*read_project(tmp_path), ExtractionSettings(box_size=24, crop_size=16))
    assert not write_left_out(tmp_path / "left_out.star", whole)
    assert not (tmp_path / "left_out.star").exists()
