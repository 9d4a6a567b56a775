"""RELION's own answers for a real project: visible tilts and re-centred coordinates of 9 442 particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subtomo.extraction.plan import plan_extraction
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.relion.output import ParticleFiles, write_particles
from subtomo.io.star import find_table, read_tables
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.physics.projection import projection_from_angles

CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]


@pytest.fixture
def hiv(shared_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shared_dir / "data" / "relion5-hiv"
    monkeypatch.chdir(folder)
    return folder


def test_visible_tilts_and_coordinates_come_out_as_relion_wrote_them(hiv: Path, tmp_path: Path) -> None:
    tomograms = read_tomograms("Tomograms/job006/tomograms.star", image_size=(3710, 3838))
    particles = read_particles("Select/job018/particles.star", tomograms)
    settings = ExtractionSettings(512, 192, output=Output.STACK_2D, max_dose_e_per_a2=50.0, min_tilts=1)
    plan = plan_extraction(tomograms, particles, settings)
    names = [str(particles.names[i]) for i in plan.indices]
    write_particles(tmp_path / "particles.star", plan, ParticleFiles(names, None, 192, 1.0))
    ours = find_table(read_tables(tmp_path / "particles.star"), "particles")
    theirs = find_table(read_tables(hiv / "Extract" / "job020" / "particles.star"), "particles")
    assert ours is not None
    assert theirs is not None
    assert len(ours) == len(theirs) == 9442
    row_of = {name: row for row, name in enumerate(theirs.text("rlnTomoParticleName").tolist())}
    theirs = theirs.take([row_of[name] for name in ours.text("rlnTomoParticleName").tolist()])
    assert ours.text("rlnTomoVisibleFrames").tolist() == theirs.text("rlnTomoVisibleFrames").tolist()
    for label in CENTRED:
        assert ours.text(label).tolist() == theirs.text(label).tolist()


@pytest.mark.parametrize("name", ["220728_TS_01", "220728_TS_54"])
def test_angles_give_the_matrices_of_a_real_alignment(shared_dir: Path, name: str) -> None:
    table = read_tables(shared_dir / "data" / "relion5-matrices" / f"{name}.star")[0]
    rows = [np.array(table.vectors(f"rlnTomoProj{row}")) for row in "XYZW"]
    angles = np.stack([table.floats(label) for label in ("rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot")], axis=1)
    shifts = np.stack([table.floats(f"rlnTomo{axis}ShiftAngst") for axis in "XY"], axis=1) / 1.35
    ours = projection_from_angles(angles, shifts, (3710, 3838), (4000, 4000, 3000))
    assert np.abs(ours - np.stack(rows, axis=1)).max() < 4e-4
