"""Classification among the other commands, and from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import subtomo
from subtomo.cli import main
from subtomo.errors import InputWarning
from subtomo.io.star import read_tables
from subtomo.simulation.states import SimulatedStates

pytestmark = pytest.mark.usefixtures("project")

SETTINGS = subtomo.ClassificationSettings(particle_diameter_angstrom=110.0, ini_high_angstrom=25.0)
EXTRACTION = subtomo.ExtractionSettings(box_size=48, crop_size=32, invert_contrast=False)
SIZES = ("--b", "48", "--crop", "32", "--no_ic", "--particle_diameter", "110", "--j", "2")


def test_a_refinement_is_classified_by_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "--t", "tomograms.star", "--p", "true.star", *SIZES, "--rounds", "1", "--o", "Refine/"]) == 0
    assert main(["classify", "Refine/", *SIZES, "--ini_high", "25", "--o", "one/"]) == 0
    assert main(["classify", "Refine/", "--t", "tomograms.star", *SIZES, "--ini_high", "25", "--o", "two/"]) == 0
    found = [read_tables(f"{folder}/run_it025_data.star")[-1] for folder in ("one", "two")]
    assert np.array_equal(*(table.ints("rlnClassNumber") for table in found))
    assert "rlnAngleRot" in found[0]
    assert "classes follow" not in capsys.readouterr().err
    assert main(["select", "two/", "--class", "1", "--o", "Select/"]) == 0
    assert main(["refine", "--i", "Select/optimisation_set.star", *SIZES, "--rounds", "1", "--o", "Refine2/"]) == 0


def test_an_extraction_is_classified_without_its_images(simulated: SimulatedStates) -> None:
    assert main(["extract", "--t", "tomograms.star", "--p", "true.star", "--b", "48", "--crop", "32", "--no_ic",
                 "--for-refine3d", "--o", "Extract/"]) == 0  # fmt: skip
    assert main(["classify", "Extract/", "--particle_diameter", "110", "--ini_high", "25", "--o", "out/"]) == 0
    table = read_tables("out/run_it025_data.star")[-1]
    state = dict(zip(simulated.particles.names.tolist(), simulated.state.tolist(), strict=True))
    true = np.array([state[name] for name in table.text("rlnTomoParticleName").tolist()])
    right = float(np.mean((table.ints("rlnClassNumber") == 2) == (true == 1)))
    assert max(right, 1.0 - right) == 1.0


def test_python_gives_classes_and_selects_them(simulated: SimulatedStates) -> None:
    result = subtomo.classify(
        "true.star", "out", SETTINGS, extraction=EXTRACTION, tomograms="tomograms.star", threads=2
    )
    assert result.maps.shape == (2, 32, 32, 32)
    assert result.last.probability.shape == (int((simulated.state >= 0).sum()), 2)
    assert (result.noise > 0).all()
    assert {one.name for one in result.confounded} >= {"the direction of view", "the tilt series"}
    kept = subtomo.select("out", "Select", [1], min_probability=0.5)
    assert kept.n_kept == int((result.last.assigned == 0).sum())
    assert Path(kept.particles_file).exists()
    with pytest.raises(subtomo.SettingsError, match="nothing to tell apart"):
        subtomo.classify("true.star", "none", subtomo.ClassificationSettings(classes=1))


def test_classes_that_lose_their_particles_begin_anew_once_and_are_then_left_out_and_named() -> None:
    settings = subtomo.ClassificationSettings(
        classes=7, particle_diameter_angstrom=110.0, ini_high_angstrom=25.0, starts=1
    )
    with pytest.warns(InputWarning) as told:
        result = subtomo.classify("true.star", "out", settings, extraction=EXTRACTION, tomograms="tomograms.star")
    gone = list(result.last.dropped)
    assert gone
    assert set(gone) <= set(result.last.reseeded)
    assert (result.last.shares[gone] == 0).all()
    assert not np.isin(result.last.assigned, gone).any()
    assert np.isfinite(result.last.log_likelihood).all()
    words, page = [str(one.message) for one in told], Path("out/report.html").read_text(encoding="utf-8")
    for number in gone:
        again, at = result.last.reseeded[number], result.last.dropped[number]
        assert again < at
        for text in (
            f"class {number + 1} lost its particles in iteration {again} and began anew",
            f"class {number + 1} lost its particles in iteration {at} and was left out",
        ):
            assert any(text in word for word in words)
            assert text in page
