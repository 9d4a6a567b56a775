"""`subtomo classify` and `subtomo select`: what they find, write, resume and refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.classification.settings import ClassificationSettings
from subtomo.cli import main
from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import OptimisationSet, read_optimisation_set, read_particles
from subtomo.io.star import read_tables
from subtomo.jobs.classify import run_classification
from subtomo.jobs.classify_files import ClassificationFiles, State
from subtomo.jobs.classify_prepare import ClassificationJob
from subtomo.model.settings import ExtractionSettings
from subtomo.model.table import Table
from subtomo.simulation.states import SimulatedStates
from tests.classification.conftest import BUILD, LACKING, WHOLE, structures, truth_map

pytestmark = pytest.mark.usefixtures("project")


def classify(*words: str, particles: str = "true.star", output: str = "out/") -> int:
    return main(["classify", "--p", particles, *BUILD, "--j", "2", "--o", output, *words])


def _table(path: str, name: str) -> Table:
    return next(table for table in read_tables(path) if table.name == name)


def classes(simulated: SimulatedStates, path: str = "out/run_it025_data.star") -> tuple[np.ndarray, np.ndarray]:
    """Classes from 1 that were found, and the true states."""
    table = _table(path, "particles")
    state = dict(zip(simulated.particles.names.tolist(), simulated.state.tolist(), strict=True))
    return table.ints("rlnClassNumber"), np.array([state[name] for name in table.text("rlnTomoParticleName").tolist()])


def share_right(found: np.ndarray, state: np.ndarray) -> float:
    """Of two classes and two states, whatever their order."""
    same = float(np.mean((found == 2) == (state == 1)))
    return max(same, 1.0 - same)


def same_files(one: str, other: str, names: list[str]) -> list[str]:
    """Names of files that differ; pytest would look for the differences of long ones for minutes."""
    return [name for name in names if Path(one, name).read_bytes() != Path(other, name).read_bytes()]


def test_two_states_are_told_apart_from_random_starts(
    simulated: SimulatedStates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify("--starts", "2") == 0
    printed = capsys.readouterr().out
    assert f"{WHOLE + LACKING} particles classified" in printed
    assert "next: subtomo select out/ --class 1 --o Select/" in printed
    found, state = classes(simulated)
    assert share_right(found, state) == 1.0
    for number in (1, 2):
        with mrcfile.open(f"out/run_it025_class00{number}.mrc") as file:
            assert file.data.shape == (32, 32, 32)
            assert float(file.voxel_size.x) == pytest.approx(5.0)
            assert file.data.std() > 0
        of_class = read_optimisation_set(f"out/class{number}_optimisation_set.star")
        assert of_class.tomograms == "tomograms.star"
        assert of_class.particles == f"out/class{number}_data.star"
        assert len(read_particles(of_class.particles)) == int((found == number).sum())
    model = _table("out/run_it025_model.star", "model_classes")
    assert model.floats("rlnClassDistribution").sum() == pytest.approx(1.0, abs=1e-3)
    table = _table("out/run_it025_data.star", "particles")
    assert (table.floats("rlnMaxValueProbDistribution") > 0.5).all()
    assert np.isfinite(table.floats("rlnLogLikeliContribution")).all()
    assert table.text("myOwnColumn").tolist()[0].startswith("note")
    page = Path("out/report.html").read_text(encoding="utf-8")
    for words in ("What the classes might follow", "the direction of view", "the tilt series", "Where the classes sit"):
        assert words in page
    for name in ("surfaces.png", "sections.png", "differences.png"):
        assert Path("out", name).stat().st_size > 1000


def test_selected_classes_go_on(simulated: SimulatedStates, capsys: pytest.CaptureFixture[str]) -> None:
    assert classify() == 0
    found, _ = classes(simulated)
    assert main(["select", "out/", "--class", "2", "--min-probability", "0.9", "--o", "Select/"]) == 0
    written = read_optimisation_set("Select/optimisation_set.star")
    assert written.tomograms == "tomograms.star"
    assert written.particles == "Select/particles.star"
    assert len(read_particles("Select/particles.star")) == int((found == 2).sum())
    assert main(["select", "out/", "--class", "7", "--o", "Select7/"]) == 1
    assert "no particles of class 7" in capsys.readouterr().err
    assert main(["select", "--p", "true.star", "--class", "1", "--o", "Select8/"]) == 1
    assert "were not classified" in capsys.readouterr().err
    assert main(["select", "out/", "--class", "one", "--o", "Select9/"]) == 1
    assert "--class" in capsys.readouterr().err


def test_false_picks_are_found(simulated: SimulatedStates) -> None:
    assert classify("--K", "1", "--false-picks", particles="all.star") == 0
    found, state = classes(simulated)
    assert np.array_equal(found == 1, state >= 0)
    assert main(["select", "out/", "--class", "1", "--o", "Select/"]) == 0
    assert len(read_particles("Select/particles.star")) == WHOLE + LACKING


def test_references_decide_which_class_is_which(simulated: SimulatedStates) -> None:
    for name, particle in zip(("whole.mrc", "lacking.mrc"), structures(), strict=True):
        write_mrc(name, truth_map(particle), pixel_size_angstrom=5.0)
    assert classify("--ref", "whole.mrc,lacking.mrc", "--iter", "4") == 0
    found, state = classes(simulated, "out/run_it004_data.star")
    assert np.array_equal(found - 1, state)
    # names with blanks and commas, and several words
    Path("the whole one.mrc").symlink_to("whole.mrc")
    Path("a part, not all.mrc").symlink_to("lacking.mrc")
    assert classify("--ref", "a part, not all.mrc", "the whole one.mrc", "--iter", "4", output="again/") == 0
    found, state = classes(simulated, "again/run_it004_data.star")
    assert np.array_equal(2 - found, state)


def test_the_number_of_classes_follows_from_held_out_particles(
    simulated: SimulatedStates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify("--K", "1-3") == 0
    printed = capsys.readouterr().out
    likelihood = [float(line.split()[-1]) for line in printed.splitlines() if "held-out particle" in line]
    assert len(likelihood) == 3
    assert likelihood[1] > likelihood[0]
    assert share_right(*classes(simulated)) == 1.0
    assert "Held-out likelihood" in Path("out/report.html").read_text(encoding="utf-8")


def test_a_focus_mask_compares_one_part_only(simulated: SimulatedStates) -> None:
    whole, lacking = (truth_map(particle) for particle in structures())
    missing = whole - lacking
    write_mrc("focus.mrc", (missing > 0.1 * missing.max()).astype(np.float32), pixel_size_angstrom=5.0)
    assert classify("--focus-mask", "focus.mrc") == 0
    assert share_right(*classes(simulated)) == 1.0
    # the other way round, nothing is left to tell states by
    write_mrc("rest.mrc", ((whole > 0.3 * whole.max()) & (missing < 0.01 * missing.max())).astype(np.float32),
              pixel_size_angstrom=5.0)  # fmt: skip
    assert classify("--focus-mask", "rest.mrc", output="rest/") == 0
    assert share_right(*classes(simulated, "rest/run_it025_data.star")) < 0.9


def test_a_classification_goes_on_where_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert classify("--iter", "6", output="whole/") == 0
    assert classify("--iter", "2", output="parts/") == 0
    assert classify("--iter", "6", "--resume", output="parts/") == 0
    assert not Path("parts/run_it002_data.star").exists()
    names = [f"run_it006_class00{number}.mrc" for number in (1, 2)]
    assert not same_files("whole", "parts", names)
    found = [read_tables(f"{folder}/run_it006_data.star")[-1].ints("rlnClassNumber") for folder in ("whole", "parts")]
    assert np.array_equal(*found)
    assert classify("--K", "3", "--resume", output="parts/") == 1
    assert "other particles or settings" in capsys.readouterr().err
    Path("parts/classification_state.npz").write_bytes(b"not this")
    assert classify("--iter", "6", "--resume", output="parts/") == 1
    assert "cannot be read" in capsys.readouterr().err


def test_an_interrupted_classification_goes_on_in_the_start_that_it_was_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert classify("--iter", "4", output="whole/") == 0
    written = []

    def interrupted(self: ClassificationFiles, state: State) -> None:
        write_state(self, state)
        written.append(state.start)
        if state.start == 1 and state.current.number == 2:
            raise KeyboardInterrupt

    write_state = ClassificationFiles.write_state
    with monkeypatch.context() as patch:
        patch.setattr(ClassificationFiles, "write_state", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_classification(_job("parts/"))
    assert written[-1] == 1
    run_classification(replace(_job("parts/"), resume=True))
    names = [f"run_it004_class00{number}.mrc" for number in (1, 2)] + ["run_it004_data.star"]
    assert not same_files("whole", "parts", names)


def _job(folder: str) -> ClassificationJob:
    return ClassificationJob(
        folder,
        ClassificationSettings(iterations=4, particle_diameter_angstrom=110.0, ini_high_angstrom=25.0),
        extraction=ExtractionSettings(box_size=48, crop_size=32, invert_contrast=False),
        files=OptimisationSet(particles="true.star", tomograms="tomograms.star"),
    )


def test_threads_change_nothing() -> None:
    assert classify("--iter", "3", output="one/") == 0
    assert classify("--iter", "3", "--j", "1", output="two/") == 0
    names = ["run_it003_class001.mrc", "run_it003_class002.mrc"]
    assert not same_files("one", "two", names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--K", "1"], "nothing to tell apart"),
        (["--K", "0"], "--K"),
        (["--K", "two"], "--K"),
        (["--K", "3-2"], "smaller one first"),
        (["--K", "40"], "too few for 40 classes"),
        (["--iter", "0"], "--iter"),
        (["--tau2_fudge", "-1"], "--tau2_fudge"),
        (["--strict_highres_exp", "60"], "--strict_highres_exp"),
        (["--memory", "0.000001"], "--memory"),
        (["--ref", "a.mrc"], "give one for each"),
        (["--ref", "a.mrc,a.mrc"], "a.mrc and a.mrc: are the same map"),
        (["--ref", "a.mrc", "same.mrc"], "a.mrc and same.mrc: are the same map"),
        (["--ref", "a.mrc,small.mrc"], "small.mrc: is 16 x 16 x 16 voxels"),
        (["--ref", "a.mrc,coarse.mrc"], "coarse.mrc: has 6 Å per voxel"),
        (["--ref", "a.mrc,bright.mrc"], "a.mrc and bright.mrc: their grey scales differ"),
        (["--ref", "a.mrc,flat.mrc"], "all its voxels"),
        (["--K", "2-3", "--ref", "a.mrc,b.mrc"], "leave references out"),
        (["--focus-mask", "corner.mrc"], "outside the mask"),
        (["--focus-mask", "a.mrc"], "a mask is 0 outside and 1 inside"),
        (["--p", "unposed.star"], "subtomo refine"),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    density = truth_map(structures()[0])
    other = truth_map(structures()[1])
    corner = np.zeros_like(density)
    corner[:3, :3, :3] = 1.0
    for name, values, pixel in (
        ("a", density, 5.0), ("same", density, 5.0),
        ("b", other, 5.0), ("small", density[:16, :16, :16], 5.0), ("coarse", other, 6.0),
        ("bright", 30.0 * other, 5.0), ("flat", np.ones_like(density), 5.0), ("corner", corner, 5.0),
    ):  # fmt: skip
        write_mrc(f"{name}.mrc", values, pixel_size_angstrom=pixel)
    assert classify(*words) == 1
    assert message in capsys.readouterr().err
