"""Resolution curves: plain definitions, closed cases, and what is written of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.averaging.resolution import compare_halves, guinier_curves
from subtomo.io.relion import OptimisationSet
from subtomo.io.relion.fsc import MapFiles, write_fsc
from subtomo.io.star import find_table, read_tables
from subtomo.jobs.average import AverageJob, run_average
from subtomo.jobs.progress import Silent
from subtomo.model.resolution import ResolutionCurves
from subtomo.physics.fsc import (
    filter_shells,
    first_shell_below,
    merged_weight,
    randomise_phases,
    shell_correlation,
    shells,
    true_correlation,
)
from subtomo.physics.guinier import fit_line, log_amplitude
from subtomo.physics.window import centre_distance, soft_disc

SIZE = 32
RANDOM = np.random.default_rng(7)


def plain_fsc(first: NDArray[np.floating], second: NDArray[np.floating]) -> list[float]:
    """Compute the textbook formula on whole transforms."""
    size = len(first)
    one, two = (np.fft.fftshift(np.fft.fftn(volume)) for volume in (first, second))
    radius = np.rint(centre_distance(size, 3)).astype(int)
    curve = []
    for shell in range(size // 2 + 1):
        a, b = one[radius == shell], two[radius == shell]
        curve.append(float((a * b.conj()).sum().real / np.sqrt((abs(a) ** 2).sum() * (abs(b) ** 2).sum())))
    return curve


def halves(signal: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make two noisy copies of a map whose signal fades with frequency."""
    fading = np.exp(-0.3 * np.arange(SIZE // 2 + 1))
    common = filter_shells(RANDOM.normal(size=(SIZE,) * 3), fading) * soft_disc(centre_distance(SIZE, 3), 8.0, 4.0)
    noise = 0.02 * RANDOM.normal(size=(2, SIZE, SIZE, SIZE))
    return signal * common + noise[0], signal * common + noise[1]


def test_the_curve_is_the_textbook_formula() -> None:
    first, second = halves()
    np.testing.assert_allclose(shell_correlation(first, second), plain_fsc(first, second), rtol=1e-9, atol=1e-12)


def test_a_map_agrees_with_itself_and_not_with_its_negative() -> None:
    volume = RANDOM.normal(size=(SIZE,) * 3)
    np.testing.assert_allclose(shell_correlation(volume, volume), 1.0)
    np.testing.assert_allclose(shell_correlation(volume, -volume), -1.0)
    np.testing.assert_array_equal(shell_correlation(volume, np.zeros_like(volume)), 0.0)


def test_independent_noise_does_not_correlate() -> None:
    first, second = RANDOM.normal(size=(2, SIZE, SIZE, SIZE))
    assert np.abs(shell_correlation(first, second)[4:]).max() < 0.15


def test_random_phases_keep_amplitudes_and_low_shells() -> None:
    volume = RANDOM.normal(size=(SIZE,) * 3)
    changed = randomise_phases(volume, 6, np.random.default_rng(1))
    before, after = np.fft.rfftn(volume), np.fft.rfftn(changed)
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-6, atol=1e-9)
    low = shells(SIZE) < 6
    np.testing.assert_allclose(after[low], before[low], atol=1e-9)
    assert np.abs(shell_correlation(volume, changed)[8:]).max() < 0.15


def test_the_correction_removes_what_a_tight_mask_makes() -> None:
    # common signal in the lowest shells only; beyond, a sharp mask alone makes the masked maps agree
    common = filter_shells(RANDOM.normal(size=(SIZE,) * 3), np.r_[1.0, np.ones(4), np.zeros(12)])
    first, second = (common * 3 + RANDOM.normal(size=common.shape) for _ in range(2))
    offset = 5.0  # of the density inside the mask, which its edge turns into every frequency
    mask = (centre_distance(SIZE, 3) < 6).astype(np.float64)
    curves = compare_halves(first + offset, second + offset, mask, 2.0, seed=1)
    beyond = slice(curves.randomised_from + 2, SIZE // 2)
    assert curves.masked[beyond].mean() > 0.3
    assert np.abs(curves.corrected[beyond]).mean() < 0.5 * curves.masked[beyond].mean()
    assert abs(curves.corrected[beyond].mean()) < 0.15


def test_the_correction_leaves_the_curve_alone_up_to_two_shells_beyond() -> None:
    masked, randomised = np.linspace(1, 0.2, 9), np.full(9, 0.1)
    corrected = true_correlation(masked, randomised, 3)
    np.testing.assert_array_equal(corrected[:5], masked[:5])
    np.testing.assert_allclose(corrected[5:], (masked[5:] - 0.1) / 0.9)


def test_resolution_is_that_of_the_last_shell_before_the_curve_falls_below() -> None:
    curve = np.array([1.0, 0.9, 0.6, 0.4, 0.1, 0.3, 0.0])
    frequency = np.arange(7) / 60.0
    curves = ResolutionCurves(5.0, frequency, curve, curve, curve, curve, 2)
    assert curves.resolution_angstrom(0.5) == pytest.approx(30.0)
    assert curves.resolution_angstrom(0.143) == pytest.approx(20.0)
    assert curves.resolution_angstrom(0.95) == float("inf")
    assert curves.resolution_angstrom(0.05) == pytest.approx(12.0)
    assert curves.reaches_nyquist(0.05)
    assert not curves.reaches_nyquist(0.143)
    assert first_shell_below(curve, 0.5) == 3


def test_the_weight_of_the_merged_map_is_rosenthal_and_hendersons() -> None:
    weight = merged_weight(np.array([1.0, 0.8, 0.5, 0.1, 0.7]))
    np.testing.assert_allclose(weight, [1.0, np.sqrt(1.6 / 1.8), np.sqrt(1.0 / 1.5), 0.0, 0.0])


def test_a_guinier_plot_of_a_gaussian_is_a_line_of_its_b_factor() -> None:
    size, pixel, b_factor = 48, 2.0, 60.0
    k = np.stack(np.meshgrid(*[np.fft.fftfreq(size, pixel)] * 2, np.fft.rfftfreq(size, pixel), indexing="ij"))
    volume = np.fft.irfftn(np.exp(-b_factor / 4 * (k**2).sum(axis=0)), s=(size,) * 3, axes=(0, 1, 2))
    frequency = np.arange(size // 2 + 1) / (size * pixel)
    fit = fit_line(frequency, log_amplitude(volume), 0.1, 0.23)
    assert fit is not None
    assert 4 * fit.slope_a2 == pytest.approx(-b_factor, rel=0.02)
    assert fit.correlation == pytest.approx(-1.0, abs=1e-3)
    assert fit_line(frequency, log_amplitude(volume), 0.1, 0.11) is None


def test_the_star_file_holds_the_curves_under_labels_that_relion_knows(tmp_path: Path, repository: Path) -> None:
    first, second = halves()
    mask = soft_disc(centre_distance(SIZE, 3), 12.0, 4.0)
    curves = compare_halves(first, second, mask, 2.0, seed=0)
    files = MapFiles("half 1.mrc", "half2.mrc", "mask.mrc", "C3")
    write_fsc(tmp_path / "fsc.star", curves, guinier_curves(first, mask, curves), files)
    tables = read_tables(tmp_path / "fsc.star")
    assert [table.name for table in tables] == ["general", "fsc", "guinier"]
    with open(repository / "docs" / "spec" / "relion-labels.csv", newline="") as stream:
        known = {row[0] for row in csv.reader(stream)}
    assert {label for table in tables for label in table.labels} <= known
    table = find_table(tables, "fsc")
    assert table is not None
    np.testing.assert_array_equal(table.ints("rlnSpectralIndex"), np.arange(SIZE // 2 + 1))
    prefix = "rlnFourierShellCorrelation"
    np.testing.assert_allclose(table.floats(prefix + "UnmaskedMaps"), plain_fsc(first, second), atol=1e-5)
    np.testing.assert_allclose(table.floats(prefix + "MaskedMaps"), plain_fsc(first * mask, second * mask), atol=1e-5)
    np.testing.assert_allclose(table.floats(prefix + "Corrected"), curves.corrected, atol=1e-5)
    np.testing.assert_allclose(table.floats("rlnAngstromResolution")[1:], 64.0 / np.arange(1, 17), rtol=1e-5)


def test_the_command_writes_the_curves_of_its_maps(project: Path, tmp_path: Path) -> None:
    files = OptimisationSet(particles="moved/particles.star")
    result = run_average(AverageJob(f"{tmp_path}/out", files=files), Silent())
    table = find_table(read_tables(tmp_path / "out" / "fsc.star"), "fsc")
    assert table is not None
    found = table.floats("rlnFourierShellCorrelationUnmaskedMaps")
    expected = np.nan_to_num(plain_fsc(result.maps["half1"], result.maps["half2"]))
    np.testing.assert_allclose(found[:-1], expected[:-1], atol=1e-5)
