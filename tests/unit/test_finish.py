"""Extra files of a particle: divided, normalised, laid out for people."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from subtomo.averaging.division import centred_full, divide
from subtomo.backends.spectra import FourierVolume, Spectra
from subtomo.errors import SettingsError
from subtomo.extraction.steps import cone_step
from subtomo.model.settings import Cone, ExtractionSettings, ExtraFile, OutputSettings
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.output.extra_volumes import taper
from subtomo.output.particle_files import Role, Spacing, file_parts, files_written

C = 12
SIZES = ExtractionSettings(box_size=C)


def extra_volumes(given: PseudoSubtomogram, output: OutputSettings) -> dict[str, tuple[NDArray[np.float32], bool]]:
    """Compute the extra files of a particle: suffix to volume and whether that is in Fourier space."""
    return {
        file.suffix.removesuffix(".mrc"): (file_parts(file, given, SIZES, output)[0], file.spacing is Spacing.FOURIER)
        for file in files_written(SIZES, output)
        if file.role is Role.EXTRA
    }


def volume(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(C, C, C))


def hermitian_half(seed: int) -> NDArray[np.float64]:
    """Make a half transform like a weight volume: positive and symmetric."""
    return np.abs(np.fft.rfftn(volume(seed))) + 1.0


def particle(ctf2: NDArray[np.float64], multiplicity: NDArray[np.float64]) -> PseudoSubtomogram:
    data, ctf2, multiplicity = (a.astype(np.float32) for a in (volume(1), ctf2, multiplicity))
    return PseudoSubtomogram("p", 0, data, ctf2, multiplicity, 5.0, np.ones(3, bool), np.eye(3))


def test_the_full_layout_is_the_shifted_transform() -> None:
    half = hermitian_half(2)
    full = np.fft.fftshift(np.abs(np.fft.fftn(volume(2))) + 1.0)
    np.testing.assert_allclose(centred_full(half), full, rtol=1e-5)


def test_wiener_division_undoes_a_filter_when_there_is_little_noise() -> None:
    ctf2, original = hermitian_half(3), volume(4)
    filtered = np.fft.irfftn(np.fft.rfftn(original) * ctf2, s=original.shape, axes=(0, 1, 2))
    np.testing.assert_allclose(divide(filtered, ctf2, 1e12), original, atol=1e-8)


def test_division_without_a_ratio_undoes_a_filter_inside_the_sphere_and_clears_what_is_beyond() -> None:
    ctf2, original = hermitian_half(5), volume(6)
    filtered = np.fft.irfftn(np.fft.rfftn(original) * ctf2, s=original.shape, axes=(0, 1, 2))
    found, wanted = np.fft.rfftn(divide(filtered, ctf2, None)), np.fft.rfftn(original)
    np.testing.assert_allclose(found[1, 2, 3], wanted[1, 2, 3])
    assert abs(found[5, 5, 5]) < 1e-9


def test_weights_below_a_thousandth_of_their_shell_are_clamped() -> None:
    ctf2 = np.ones((C, C, C // 2 + 1))
    ctf2[0, 0, 3] = 1e-9
    found = np.fft.rfftn(divide(volume(7), ctf2, None))[0, 0, 3] / np.fft.rfftn(volume(7))[0, 0, 3]
    assert found.real == pytest.approx(1000.0, rel=0.02)


def test_tapering_subtracts_the_mean_under_the_mask_unless_unwanted() -> None:
    flat = np.full((C, C, C), 3.0)
    np.testing.assert_allclose(taper(flat, OutputSettings()), 0.0, atol=1e-14)
    kept = taper(flat, OutputSettings(subtract_mean=False))
    assert kept[6, 6, 6] == 3.0
    assert kept[0, 0, 0] == 0.0


def test_normalised_data_are_divided_by_the_multiplicity_where_there_is_any() -> None:
    multiplicity = np.full((C, C, C // 2 + 1), 4.0)
    multiplicity[:, :, 5:] = 0.0
    found = extra_volumes(particle(hermitian_half(8), multiplicity), OutputSettings(extra_files=ExtraFile.NORMALISED))
    spectrum, original = np.fft.rfftn(found["_data_nrm"][0]), np.fft.rfftn(volume(1))
    np.testing.assert_allclose(spectrum[:, :, 1:5], original[:, :, 1:5] / 4, atol=1e-4)
    np.testing.assert_allclose(spectrum[:, :, 5], 0.0, atol=1e-4)
    assert found["_CTF2_nrm"][1]


def test_only_the_wanted_files_are_made() -> None:
    wanted = OutputSettings(extra_files=ExtraFile.CTF2 | ExtraFile.MULTIPLICITY)
    assert set(extra_volumes(particle(hermitian_half(1), hermitian_half(2)), wanted)) == {"_CTF2", "_multi"}
    assert extra_volumes(particle(hermitian_half(1), hermitian_half(2)), OutputSettings()) == {}


def test_a_cone_damps_data_and_weights_alike() -> None:
    weights = np.concatenate([hermitian_half(1), hermitian_half(2)]).astype(np.float32)
    given = FourierVolume(volume(3).astype(np.float32), weights)
    damped = cone_step(C, np.eye(3), Cone(10.0, 2.0), is_whitened=False)(Spectra.of(given)).volume()
    share = damped.weights[:C] / given.weights[:C]
    np.testing.assert_allclose(damped.weights[C:] / given.weights[C:], share, atol=1e-6)
    np.testing.assert_allclose(np.fft.rfftn(damped.data), np.fft.rfftn(given.data) * share, atol=1e-3)


@pytest.mark.parametrize(("angle", "sigma"), [(10.0, 0.0), (10.0, -1.0), (float("nan"), 2.0), (10.0, float("nan"))])
def test_a_cone_that_makes_no_sense_is_refused(angle: float, sigma: float) -> None:
    with pytest.raises(SettingsError, match="cone"):
        Cone(angle, sigma)


@pytest.mark.parametrize("wrong", [{"snr": 0.0}, {"snr": -1.0}, {"snr": float("nan")}, {"taper_px": float("nan")}])
def test_output_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        OutputSettings(**wrong)  # type: ignore[arg-type]


def test_a_taper_of_no_width_is_a_hard_sphere() -> None:
    mask = taper(np.ones((C, C, C)), OutputSettings(taper_px=0.0, subtract_mean=False))
    assert set(np.unique(mask)) == {0.0, 1.0}
