"""Whitened, corrected and exact terms: against the reference, and against the sums that they stand for."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from subtomo.backends.cpu.gridding import REACH, TAPS, aliasing, grid_size, kernel, tap_polynomials
from subtomo.backends.protocol import BoxGeometry
from subtomo.backends.registry import get_backend
from subtomo.backends.spectra import Scaled
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import CircleCrop, DataTerm, ExtractionSettings, Weighting
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.physics.frequency import wrapped_index
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.window import centre_distance, insertion_envelope, particle_sphere
from tests.backends.agreement import DATA_TOLERANCE, WEIGHT_TOLERANCE, difference
from tests.backends.test_cpu import CHANGES, PARTICLES, others
from tests.backends.test_insertion import filters, modulated, random_axes, random_images
from tests.helpers.builders import SETTINGS, tilt_images, tomogram, tomogram_set

Float = NDArray[np.float64]

BOX = 16
EXACT_TOLERANCE = 2e-3
"""Of the largest voxel, anywhere: at the very edge of the box the grid folds in this much."""
RIM_TOLERANCE = 1e-4
"""The same for whitened inserted data: where a slice just touches a voxel, its share is known to few digits."""
WHITENED_TOLERANCE = 4e-3
"""The same after whitening, which raises what is weakly weighted."""
INNER_TOLERANCE = 4e-4
"""The same, within `REACH` of the centre along every axis."""
POSSIBLE = {name: change for name, change in CHANGES.items() if not change.get("gridding_precorrection")}
WITH_CTF = {name: change for name, change in POSSIBLE.items() if change.get("apply_ctf", True)}


def extract(settings: ExtractionSettings, backend: str = "cpu", **changes: Any) -> PseudoSubtomogram:
    particles = changes.pop("particles", PARTICLES)
    item = PseudoSubtomograms(tomogram_set(tomogram(**changes)), particles, settings, backend=backend)[0]
    assert isinstance(item, PseudoSubtomogram)
    return item


def inner(volume: NDArray[Any]) -> NDArray[Any]:
    size = volume.shape[0]
    margin = int(np.ceil(size * (0.5 - REACH)))
    return volume[(slice(margin, size - margin),) * 3]


@others
@pytest.mark.parametrize("change", WITH_CTF.values(), ids=WITH_CTF.keys())
def test_whitened_volumes_agree(change: dict[str, Any], name: str) -> None:
    settings = replace(SETTINGS, weighting=Weighting.WHITENED, **change)
    ours, expected = (extract(settings, backend) for backend in (name, "reference"))
    assert difference(ours.data, expected.data) <= RIM_TOLERANCE
    assert difference(ours.weights, expected.weights) <= WEIGHT_TOLERANCE
    np.testing.assert_array_equal(ours.ctf2 > 0, expected.ctf2 > 0)


@others
@pytest.mark.parametrize("change", POSSIBLE.values(), ids=POSSIBLE.keys())
def test_corrected_volumes_agree(change: dict[str, Any], name: str) -> None:
    settings = replace(SETTINGS, data_term=DataTerm.CORRECTED, **change)
    ours, expected = (extract(settings, backend) for backend in (name, "reference"))
    assert difference(ours.data, expected.data) <= DATA_TOLERANCE


@pytest.mark.parametrize("change", POSSIBLE.values(), ids=POSSIBLE.keys())
@pytest.mark.parametrize("weighting", Weighting)
@others
def test_exact_volumes_agree(name: str, change: dict[str, Any], weighting: Weighting) -> None:
    if weighting is Weighting.WHITENED and not change.get("apply_ctf", True):
        return
    settings = replace(SETTINGS, data_term=DataTerm.EXACT, weighting=weighting, **change)
    ours, expected = (extract(settings, backend) for backend in (name, "reference"))
    assert difference(ours.data, expected.data) <= (
        WHITENED_TOLERANCE if weighting is Weighting.WHITENED else EXACT_TOLERANCE
    )
    if weighting is Weighting.RELION:
        assert difference(inner(ours.data), inner(expected.data)) <= INNER_TOLERANCE
    assert difference(ours.ctf2, expected.ctf2) <= WEIGHT_TOLERANCE
    assert difference(ours.multiplicity, expected.multiplicity) <= WEIGHT_TOLERANCE


def test_the_stand_in_for_ducc0_gives_the_same_exact_volumes(stand_in: ModuleType) -> None:
    assert stand_in.NAME == "scipy"
    settings = replace(SETTINGS, data_term=DataTerm.EXACT, weighting=Weighting.WHITENED)
    ours, expected = (extract(settings, backend) for backend in ("cpu", "reference"))
    assert difference(ours.data, expected.data) <= WHITENED_TOLERANCE


@pytest.mark.parametrize("name", ["cpu", "reference", "small"])
@pytest.mark.parametrize("crop", [16, 10])
def test_the_exact_term_is_the_sum_over_pixels(name: str, crop: int) -> None:
    images, axes, limits = random_images(1), random_axes(crop), filters().limits
    backend = get_backend(name)(BoxGeometry(BOX, BOX, crop, 1.0))
    sums = backend.exact()
    sums.insert_data(modulated(backend, images), axes, limits, np.array([1.0, 2.0, 0.5]))
    ours = backend.to_volume(backend.apply(sums.spectra(), Scaled(1.5))).data
    expected = direct_sum(np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))) / BOX, axes, limits, crop)
    expected *= particle_sphere(crop)
    tolerance = EXACT_TOLERANCE if name == "cpu" else 1e-6
    assert difference(ours, (1.5 * expected / crop**1.5).astype(np.float32)) <= tolerance


def direct_sum(slices: NDArray[np.complex128], axes: Float, limits: NDArray[np.int32], crop: int) -> Float:
    """Sum 2 Re(d exp(2πi p·r / c)), pixel by pixel (spec/cost.md), with scales 1, 2, 1/2."""
    z, y, x = np.indices((crop,) * 3) - crop // 2
    volume = np.zeros((crop,) * 3)
    for slice_, (u, v), limit, scale in zip(slices, axes, limits, (1.0, 2.0, 0.5), strict=True):
        for row, ky in enumerate(wrapped_index(BOX)):
            for kx in range(0 if row < BOX // 2 else 1, limit[row]):
                p = kx * u + ky * v
                wave = np.exp(2j * np.pi * (p[0] * x + p[1] * y + p[2] * z) / crop)
                volume += 2.0 * scale * (slice_[row, kx] * wave).real
    return volume


@pytest.mark.parametrize("name", ["cpu", "reference", "small"])
def test_exact_backprojection_is_the_adjoint_of_projection(name: str) -> None:
    images, axes, limits = random_images(2), random_axes(), filters().limits
    volume = np.random.default_rng(3).normal(size=(BOX,) * 3) * (centre_distance(BOX, 3) < 0.4 * BOX)
    backend = get_backend(name)(BoxGeometry(BOX, BOX, BOX, 1.0))
    sums = backend.exact()
    sums.insert_data(modulated(backend, images), axes, limits, np.ones(3))
    there = float((backend.to_volume(backend.apply(sums.spectra(), Scaled(BOX**1.5))).data * volume).sum())
    z, y, x = np.indices((BOX,) * 3) - BOX // 2
    slices, back = np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))) / BOX, 0.0
    for slice_, (u, v), limit in zip(slices, axes, limits, strict=True):
        for row, ky in enumerate(wrapped_index(BOX)):
            for kx in range(0 if row < BOX // 2 else 1, limit[row]):
                p = (kx * u + ky * v) / BOX
                projected = (volume * np.exp(-2j * np.pi * (p[0] * x + p[1] * y + p[2] * z))).sum()
                back += 2.0 * (np.conj(projected) * slice_[row, kx]).real
    assert there == pytest.approx(back, rel=1e-4 if name == "cpu" else 1e-6)


@pytest.mark.parametrize("name", ["cpu", "reference", "small"])
@pytest.mark.parametrize("term", ["trilinear", "exact"])
def test_a_failed_particle_leaves_nothing_behind(name: str, term: str) -> None:
    backend = get_backend(name)(BoxGeometry(BOX, BOX, BOX, 1.0))
    sums = getattr(backend, term)()
    for _ in range(2):
        sums.begin()
        sums.insert(modulated(backend, random_images(1)), random_axes(), filters().limits)
    twice = backend.to_volume(sums.spectra())
    sums.begin()
    sums.insert(modulated(backend, random_images(1)), random_axes(), filters().limits)
    once = backend.to_volume(sums.spectra())
    np.testing.assert_array_equal(once.data, twice.data)
    np.testing.assert_array_equal(once.weights, twice.weights)


def test_slices_sampled_at_the_crop_size_give_what_those_of_the_box_give() -> None:
    """The circle-cropped image is black outside the window, so that its slice is known from fewer pixels."""
    settings = replace(SETTINGS, box_size=64, crop_size=32, data_term=DataTerm.EXACT)
    # the two differ in which frequencies just within Nyquist they take, so that there must be little there
    images = gaussian_filter(tilt_images(5), 1.0, axes=(1, 2))
    cropped = extract(settings, "reference", images=images).data
    whole = _with_slices_of_the_box(settings, images)
    within = centre_distance(32, 3) < REACH * 32
    assert difference(within * cropped, within * whole) <= 5e-3


def _with_slices_of_the_box(settings: ExtractionSettings, images: NDArray[np.float32]) -> NDArray[np.float32]:
    from subtomo.extraction import extractor as module

    class Whole(module.TomogramExtractor):
        def _insert_data(self, modulated: Any, axes: Float, tilts: Any, limits: Any, backend: Any) -> None:
            images = backend.circle_crop(backend.to_images(modulated))
            scales = np.linalg.norm(axes, axis=2).prod(axis=1)
            backend.exact().insert_data(backend.to_slices(images, modulated), axes, limits[tilts], scales)

    plan = PseudoSubtomograms(tomogram_set(tomogram(images=images)), PARTICLES, settings).plan
    extractor = Whole(plan.series[0], PARTICLES, settings)
    item = extractor.extract(0, module.new_backend(settings, "reference"))
    assert isinstance(item, PseudoSubtomogram)
    return item.data


@pytest.mark.parametrize("term", DataTerm)
def test_whitened_data_times_their_weights_are_the_plain_data(term: DataTerm) -> None:
    settings = replace(SETTINGS, box_size=48, crop_size=32, data_term=term)
    plain, whitened = extract(settings), extract(replace(settings, weighting=Weighting.WHITENED))
    has_data = whitened.weights > 0
    ours = np.fft.rfftn(whitened.data) * whitened.weights
    expected = np.fft.rfftn(plain.data) * has_data
    assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()
    inside = has_data[:, :, :-1]
    np.testing.assert_allclose(whitened.weights[:, :, :-1][inside] ** 2, plain.ctf2[:, :, :-1][inside], rtol=1e-5)
    if term is not DataTerm.RELION:
        assert has_data.all()


def test_whitening_leaves_out_what_has_no_data() -> None:
    settings = replace(SETTINGS, box_size=48, crop_size=32)
    plain, whitened = extract(settings), extract(replace(settings, weighting=Weighting.WHITENED))
    kept = plain.ctf2 > 1e-8 * plain.ctf2.max()
    assert 0.1 < kept.mean() < 0.9
    np.testing.assert_array_equal(whitened.weights[:, :, :-1] > 0, kept[:, :, :-1])
    spectrum = np.abs(np.fft.rfftn(whitened.data))[:, :, :-1]
    assert spectrum[~kept[:, :, :-1]].max() < 1e-5 * spectrum.max()


def test_the_noise_of_whitened_particles_is_white_within_every_shell() -> None:
    """RELION's data have noise of a variance that is proportional to CTF²; divided by its root, it is one for all."""
    settings = replace(SETTINGS, box_size=48, crop_size=32, circle_crop=CircleCrop.NONE, data_term=DataTerm.EXACT)
    power = dict[Weighting, list[NDArray[Any]]]({weighting: [] for weighting in Weighting})
    for seed in range(30):
        images = np.random.default_rng(seed).normal(size=(5, 90, 110)).astype(np.float32)
        for weighting in Weighting:
            item = extract(replace(settings, weighting=weighting), images=images)
            power[weighting].append(np.abs(np.fft.rfftn(item.data)) ** 2)
    radius = np.sqrt(sum(np.meshgrid(*[wrapped_index(32) ** 2] * 2, np.arange(17) ** 2, indexing="ij")))
    shell = (radius > 8) & (radius < 10) & (item.weights > 0.2 * item.weights.max())
    spread = {weighting: np.mean(runs, axis=0)[shell] for weighting, runs in power.items()}
    relative = {weighting: values.std() / values.mean() for weighting, values in spread.items()}
    assert relative[Weighting.WHITENED] < 0.6 * relative[Weighting.RELION]


def test_exact_volumes_in_an_orientation_frame_are_the_rotated_volumes() -> None:
    """A quarter turn about z exchanges voxels, so that nothing has to be interpolated."""
    settings = replace(SETTINGS, box_size=48, crop_size=32, data_term=DataTerm.EXACT)
    plain, turned = (extract(settings, particles=oriented(angle)).data for angle in (0.0, 90.0))
    # voxel r of the turned volume is voxel A r of the tomogram's
    matrix = euler_to_matrix(np.array([[90.0, 0.0, 0.0]]))[0].round().astype(int)
    grid = np.indices((31,) * 3).reshape(3, -1)[::-1] - 15
    x, y, z = matrix @ grid
    gx, gy, gz = grid
    np.testing.assert_allclose(
        turned[gz + 16, gy + 16, gx + 16], plain[z + 16, y + 16, x + 16], atol=2e-3 * np.abs(plain).max()
    )


def oriented(rot_deg: float) -> ParticleSet:
    angles = np.zeros((2, 3))
    angles[:, 0] = rot_deg
    # offsets turn with the frame, so that there must be none
    none = np.zeros((2, 3))
    return replace(PARTICLES, subtomogram_angles_deg=angles, angles_deg=none, origin_angstrom=none)


@pytest.mark.parametrize("term", [DataTerm.CORRECTED, DataTerm.EXACT])
def test_sharpened_weights_are_positive_and_no_more_than_insertion_has_in_all(term: DataTerm) -> None:
    settings = replace(SETTINGS, box_size=48, crop_size=32)
    plain, sharp = extract(settings).ctf2, extract(replace(settings, data_term=term)).ctf2
    assert sharp.min() >= 2.9e-4 * plain.max() > 0
    # where slices are, their ridges become steeper: more on top, less beside
    assert sharp.max() > plain.max()
    whole = np.full(17, 2.0)
    whole[[0, -1]] = 1.0
    assert (whole * sharp).sum() == pytest.approx((whole * plain).sum(), rel=0.1)


def test_the_envelope_is_what_insertion_damps_and_stays_mild_in_the_corners() -> None:
    envelope = insertion_envelope(32)
    assert envelope[16, 16, 16] == 1.0
    assert envelope[16, 16, 24] == pytest.approx(np.sinc(0.25) ** 2)
    assert envelope[16, 20, 24] == pytest.approx((np.sinc(0.25) * np.sinc(0.125)) ** 2)
    # beyond the sphere it is what it is on the sphere in the same direction
    assert envelope[0, 0, 0] == pytest.approx(np.sinc(0.5 / np.sqrt(3)) ** 6)
    assert envelope.min() > 0.4


def test_the_kernel_is_known_to_single_precision_and_folds_little_in() -> None:
    t = np.linspace(0.0, 1.0, 200, endpoint=False)
    for tap, polynomial in enumerate(tap_polynomials().astype(np.float64)):
        np.testing.assert_allclose(np.polyval(polynomial, t), kernel(t + tap - TAPS / 2), atol=3e-6)
    assert aliasing(np.linspace(0, REACH / 1.25, 30)).max() < 5e-4


@pytest.mark.parametrize(("crop", "expected"), [(4, 12), (48, 60), (64, 80), (96, 120), (128, 160), (26, 36)])
def test_grids_are_a_quarter_larger_and_quick_to_transform(crop: int, expected: int) -> None:
    assert grid_size(crop) == expected
