"""Poses that are refined within classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from subtomo.classification.settings import ClassificationSettings
from subtomo.io.relion import OptimisationSet, read_particles
from subtomo.io.star import read_tables
from subtomo.jobs.classify import run_classification
from subtomo.jobs.classify_files import ClassificationFiles, State
from subtomo.jobs.classify_prepare import ClassificationJob
from subtomo.model.settings import ExtractionSettings
from subtomo.physics.orientation import euler_to_matrix
from subtomo.simulation.states import SimulatedStates
from tests.classification.conftest import write_particles
from tests.classification.test_command import classify, same_files, share_right

pytestmark = pytest.mark.usefixtures("project")
ALIGN = ("--align", "--starts", "1", "--sigma_ang", "4", "--sigma_offset", "5")
OFF_DEG, OFF_ANGSTROM = 2.5, 2.5
"""Standard deviations of each component."""


@pytest.fixture
def off(simulated: SimulatedStates) -> SimulatedStates:
    """Particles in poses some degrees off, in off.star."""
    random = np.random.default_rng(2)
    shape = (len(simulated.state), 3)
    turns = Rotation.from_rotvec(np.deg2rad(OFF_DEG) * random.normal(size=shape)).as_matrix()
    places = simulated.coordinates_angstrom + OFF_ANGSTROM * random.normal(size=shape)
    moved = replace(simulated, rotation=simulated.rotation @ turns, coordinates_angstrom=places)
    write_particles(Path("off.star"), moved, simulated.state >= 0)
    return simulated


def rows_of(simulated: SimulatedStates, path: str) -> np.ndarray:
    row = {name: number for number, name in enumerate(simulated.particles.names.tolist())}
    return np.array([row[name] for name in read_particles(path).names.tolist()])


def errors(simulated: SimulatedStates, path: str) -> tuple[float, float]:
    """Mean errors of orientation (degrees) and place (Å), but for the frame that all share."""
    found, rows = read_particles(path), rows_of(simulated, path)
    rotation = Rotation.from_matrix(euler_to_matrix(found.angles_deg))
    apart = Rotation.from_matrix(simulated.rotation[rows]).inv() * rotation
    turns = (apart.mean().inv() * apart).magnitude()
    table = read_tables(path)[-1]
    place = np.stack([table.floats(f"rlnCenteredCoordinate{axis}Angst") for axis in "XYZ"], axis=1)
    gap = rotation.inv().apply(place - found.origin_angstrom - simulated.coordinates_angstrom[rows])
    return float(np.degrees(turns).mean()), float(np.linalg.norm(gap - gap.mean(axis=0), axis=1).mean())


def test_poses_some_degrees_off_get_better_while_states_are_told_apart(
    off: SimulatedStates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify(*ALIGN, "--align-rounds", "3", particles="off.star") == 0
    assert "alignment 3: poses changed by" in capsys.readouterr().out
    written = "out/run_it025_data.star"
    table = read_tables(written)[-1]
    assert share_right(table.ints("rlnClassNumber"), off.state[rows_of(off, written)]) == 1.0
    (turn_before, move_before), (turn, move) = errors(off, "off.star"), errors(off, written)
    assert turn < 0.6 * turn_before
    assert move < 0.3 * move_before
    assert (table.floats("subtomoAngleErrorDeg") > 0).all()
    assert table.text("myOwnColumn").tolist()[0].startswith("note")
    # what the classes hold is what the whole set says
    part = read_tables("out/class1_data.star")[-1]
    same = table.text("rlnTomoParticleName") == part.text("rlnTomoParticleName")[0]
    assert table.text("rlnAngleRot")[same].tolist() == part.text("rlnAngleRot")[:1].tolist()
    assert "refined within the classes" in Path("out/report.html").read_text(encoding="utf-8")


def test_alignment_goes_on_where_it_was_interrupted(off: SimulatedStates, monkeypatch: pytest.MonkeyPatch) -> None:
    assert off.state.size
    run_classification(_job("whole/", threads=1))
    write_state = ClassificationFiles.write_state

    def interrupted(self: ClassificationFiles, state: State) -> None:
        write_state(self, state)
        if len(state.changes) == 1 and state.current.number == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ClassificationFiles, "write_state", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_classification(_job("parts/"))
    run_classification(replace(_job("parts/"), resume=True))
    names = ["run_it025_data.star", "run_it025_class001.mrc", "run_it025_class002.mrc"]
    assert not same_files("whole", "parts", names)


def _job(folder: str, threads: int = 2) -> ClassificationJob:
    settings = ClassificationSettings(
        particle_diameter_angstrom=110.0, ini_high_angstrom=25.0, starts=1, aligns=True, align_rounds=2,
        sigma_ang_deg=4.0,
    )  # fmt: skip
    return ClassificationJob(
        folder,
        settings,
        extraction=ExtractionSettings(box_size=48, crop_size=32, invert_contrast=False),
        files=OptimisationSet(particles="off.star", tomograms="tomograms.star"),
        threads=threads,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--align", "--skip_align"], "not both"),
        (["--sigma_ang", "3"], "--align"),
        (["--align-rounds", "7"], "--align"),
        (["--align", "--sigma_tilt", "-1"], "--sigma_tilt"),
        (["--align", "--focus-mask", "any.mrc"], "--focus-mask"),
    ],
)
def test_what_alignment_cannot_is_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert classify(*words) == 1
    assert message in capsys.readouterr().err


def test_relions_word_for_poses_as_they_are_is_taken() -> None:
    assert classify("--skip_align", "--iter", "1", "--starts", "1") == 0
    assert "rlnOriginXAngst" not in read_tables("out/run_it001_data.star")[-1]
