"""The program itself: relion_postprocess, unmodified, on the half maps of `subtomo refine`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from subtomo.cli import main
from subtomo.io.star import find_table, read_tables
from tests.refinement.conftest import picks, project  # noqa: F401

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("project")]


def test_relion_postprocess_reads_the_half_maps_and_finds_the_same_curve() -> None:
    if shutil.which("relion_postprocess") is None:
        pytest.skip("relion_postprocess is not installed (Debian: apt-get install relion)")
    sizes = ["--b", "48", "--crop", "32", "--no_ic", "--particle_diameter", "110", "--rounds", "2", "--j", "1"]
    assert main(["refine", "--t", "tomograms.star", "--p", "particles.star", *sizes, "--o", "out/"]) == 0
    # the second half map is found by its name
    words = ["--i", "out/run_half1_class001_unfil.mrc", "--mask", "out/mask.mrc", "--angpix", "5", "--o", "out/post"]
    subprocess.run(["relion_postprocess", *words], check=True, capture_output=True)
    assert Path("out/post.mrc").exists()
    theirs, ours = (find_table(read_tables(name), "fsc") for name in ("out/post.star", "out/fsc.star"))
    assert theirs is not None
    assert ours is not None
    n = min(len(theirs), len(ours))
    plain, masked = "rlnFourierShellCorrelationUnmaskedMaps", "rlnFourierShellCorrelationMaskedMaps"
    for label in (plain, masked):
        np.testing.assert_allclose(ours.floats(label)[1:n], theirs.floats(label)[1:n], atol=0.02, err_msg=label)
    # phases are random beyond a shell, and not the same ones
    corrected = "rlnFourierShellCorrelationCorrected"
    assert np.abs(ours.floats(corrected)[1:n] - theirs.floats(corrected)[1:n]).mean() < 0.03
    general = find_table(read_tables("out/post.star"), "general")
    summary = find_table(read_tables("out/fsc.star"), "general")
    assert general is not None
    assert summary is not None
    resolutions = [float(table.floats("rlnFinalResolution")[0]) for table in (general, summary)]
    # within a shell
    assert abs(160.0 / resolutions[0] - 160.0 / resolutions[1]) <= 1.001
