"""The program itself: relion_postprocess, unmodified, on the half maps of `subtomo refine`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.cli import main
from subtomo.io.mrc_read import read_volume
from subtomo.io.star import find_table, read_tables
from tests.refinement.conftest import picks, project  # noqa: F401

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("project")]


def curve(
    first: NDArray[np.float32], second: NDArray[np.float32], *, counts_plane_twice: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the correlation of two maps and their power by shells, by the plainest sums there are."""
    spectra = [np.fft.rfftn(volume.astype(np.float64)) for volume in (first, second)]
    size = len(first)
    wrapped, half = np.fft.fftfreq(size, 1 / size), np.arange(size // 2 + 1)
    shell = np.rint(np.sqrt(wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + half**2)).astype(int)
    counts = np.ones(shell.shape)
    if not counts_plane_twice:
        counts[:, :, 1 : size // 2] = 2.0

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(shell.ravel(), (counts * values).ravel())[: size // 2 + 1]

    power = [summed(np.abs(spectrum) ** 2) for spectrum in spectra]
    correlation = summed((spectra[0] * spectra[1].conj()).real) / np.sqrt(power[0] * power[1])
    return correlation, np.minimum(*power)


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
    halves = [read_volume(f"out/run_half{half}_class001_unfil.mrc")[0] for half in (1, 2)]
    mask, _ = read_volume("out/mask.mrc")
    for label, maps in (
        ("rlnFourierShellCorrelationUnmaskedMaps", halves),
        ("rlnFourierShellCorrelationMaskedMaps", [half * mask for half in halves]),
    ):
        # both are the curve of these maps, but RELION counts both halves of the plane x = 0
        by_relion, _ = curve(*maps, counts_plane_twice=True)
        np.testing.assert_allclose(theirs.floats(label)[1:n], by_relion[1:n], atol=1e-4, err_msg=label)
        by_us, power = curve(*maps, counts_plane_twice=False)
        # the last shell of maps without a mask holds rounding only
        holds_something = power[1:n] > 1e-10 * power[1:n].max()
        assert holds_something.sum() >= n - 2
        difference = (ours.floats(label)[1:n] - by_us[1:n])[holds_something]
        assert np.abs(difference).max() < 1e-4, label
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
