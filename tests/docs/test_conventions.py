"""The numbered statements of docs/conventions.md, held against the code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.extraction.plan import plan_extraction
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings
from subtomo.model.tilt_series import TiltSeries
from subtomo.physics.ctf import ctf_terms, ctf_values, wavelength_angstrom
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import wrapped_index
from subtomo.physics.orientation import compose, euler_to_matrix, matrix_to_euler
from subtomo.physics.projection import project, projection_from_angles
from tests.helpers.builders import particle_set, tomogram, tomogram_set

Float = NDArray[np.float64]
SIZE = (100, 100, 100)
CENTRE = np.full(3, 50.0)
ALL = ExtractionSettings(box_size=4, min_tilts=0)


def plan_of(scene: TiltSeries, centred_angstrom: Float, settings: ExtractionSettings = ALL) -> SeriesPlan:
    """Plan particles without offsets at centred coordinates (n, 3)."""
    none = np.zeros_like(centred_angstrom)
    particles = particle_set([scene.name] * len(none), centred_angstrom.tolist(), origin_angstrom=none)
    return plan_extraction(tomogram_set(scene), particles, settings).series[0]


def about(axis: str, degrees: float) -> Float:
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def turned(*angles: tuple[float, float, float]) -> Float:
    return projection_from_angles(np.array(angles), np.zeros((len(angles), 2)), SIZE[:2], SIZE)


def test_2_the_projection_turns_by_x_then_y_then_z_and_shifts_the_image_forward() -> None:
    matrix = projection_from_angles([[3.0, 40.0, 85.0]], [[2.0, -1.0]], SIZE[:2], SIZE)[0]
    np.testing.assert_allclose(matrix[:3, :3], about("z", 85.0) @ about("y", 40.0) @ about("x", 3.0), atol=1e-12)
    np.testing.assert_allclose(project(matrix[None], CENTRE[None])[0, :2], [52.0, 49.0], atol=1e-12)


def test_3_the_tilt_axis_is_y_and_stands_still_in_the_images() -> None:
    matrices = turned((0.0, -50.0, 85.0), (0.0, 0.0, 85.0), (0.0, 50.0, 85.0))
    moved = project(matrices, (CENTRE + np.eye(3)[1])[None]) - project(matrices, CENTRE[None])
    anticlockwise = [-np.sin(np.deg2rad(85.0)), np.cos(np.deg2rad(85.0)), 0.0]
    np.testing.assert_allclose(moved, np.broadcast_to(anticlockwise, (3, 3)), atol=1e-12)


def test_4_at_a_positive_tilt_x_goes_up_the_beam_and_z_goes_where_x_goes() -> None:
    flat, tilted = turned((0.0, 0.0, 85.0), (0.0, 50.0, 85.0))[:, :3, :3]
    np.testing.assert_allclose(flat[2], [0.0, 0.0, 1.0], atol=1e-12)
    assert tilted[2, 0] < 0
    assert tilted[:2, 2] @ tilted[:2, 0] > 0


@pytest.mark.parametrize("size", [100, 101])
def test_8_and_9_coordinates_use_the_exact_half_and_matrices_the_integer_half(size: int) -> None:
    series = replace(
        tomogram(n_tilts=1).tilts,
        projection=projection_from_angles([[0.0, 0.0, 0.0]], np.zeros((1, 2)), (size, size), (size,) * 3),
    )
    scene = tomogram(n_tilts=1, tilts=series, size_px=(size,) * 3, image_size=(size, size))
    plan = plan_of(scene, np.zeros((1, 3)))
    np.testing.assert_allclose(plan.positions_px[0], size / 2)
    np.testing.assert_allclose(plan.image_positions_px[0, 0], size // 2 + (size % 2) / 2)


def test_7_index_half_of_an_even_side_counts_as_negative() -> None:
    assert wrapped_index(8)[4] == -4


@pytest.mark.parametrize(("x", "is_visible"), [(8.0, False), (8.01, True), (101.99, True), (102.0, False)])
def test_11_a_particle_is_visible_where_its_crop_lies_inside_the_image(x: float, is_visible: bool) -> None:
    width, height = 110, 90
    series = replace(
        tomogram(n_tilts=1).tilts,
        projection=projection_from_angles([[0.0, 0.0, 0.0]], np.zeros((1, 2)), (width, height), (width, height, 40)),
    )
    scene = tomogram(n_tilts=1, tilts=series)
    at = (np.array([[x, 45.0, 20.0]]) - scene.centre_px) * scene.pixel_size_angstrom
    settings = ExtractionSettings(box_size=16, crop_size=8, binning=2.0, min_tilts=0)
    assert bool(plan_of(scene, at, settings).visible[0, 0]) is is_visible


def test_12_and_13_euler_angles_are_zyz_and_their_matrix_goes_from_particle_to_tomogram() -> None:
    rot, tilt, psi = 30.0, 50.0, 70.0
    matrix = euler_to_matrix(np.array([rot, tilt, psi]))
    np.testing.assert_allclose(matrix, about("z", -psi) @ about("y", -tilt) @ about("z", -rot), atol=1e-12)
    scipy = Rotation.from_euler("ZYZ", [rot, tilt, psi], degrees=True).inv().as_matrix()
    np.testing.assert_allclose(matrix, scipy, atol=1e-12)
    t, p = np.deg2rad([tilt, psi])
    np.testing.assert_allclose(matrix[:, 2], [-np.cos(p) * np.sin(t), np.sin(p) * np.sin(t), np.cos(t)], atol=1e-12)


def test_the_drawing_turns_by_psi_then_tilt_about_the_new_y_then_rot_about_the_new_z() -> None:
    by_psi, by_tilt, by_rot = (
        euler_to_matrix(np.array(a)) for a in ((0, 0, 30.0), (0, 50.0, 30.0), (40.0, 50.0, 30.0))
    )
    np.testing.assert_allclose(by_tilt[:, 1], by_psi[:, 1], atol=1e-12)
    np.testing.assert_allclose(by_rot[:, 2], by_tilt[:, 2], atol=1e-12)
    # clockwise, seen from the tip: a negative rotation about each axis
    np.testing.assert_allclose(Rotation.from_matrix(by_psi).as_rotvec(degrees=True), [0, 0, -30], atol=1e-9)
    step = Rotation.from_matrix(by_tilt @ by_psi.T).as_rotvec(degrees=True)
    np.testing.assert_allclose(step, -50 * by_psi[:, 1], atol=1e-9)


def test_14_and_15_frames_follow_one_another_and_offsets_are_in_the_subtomograms_frame() -> None:
    scene = tomogram(n_tilts=1)
    frame, angles, origin = (
        np.array([[10.0, 20.0, 30.0]]),
        np.array([[40.0, 50.0, 60.0]]),
        np.array([[5.0, -10.0, 7.0]]),
    )
    particles = particle_set(
        ["TS_1"], np.zeros((1, 3)), subtomogram_angles_deg=frame, angles_deg=angles, origin_angstrom=origin
    )
    plan = plan_extraction(tomogram_set(scene), particles, ALL).series[0]
    np.testing.assert_allclose(plan.orientations, euler_to_matrix(frame))
    moved = plan.positions_px[0] - scene.centre_px
    np.testing.assert_allclose(moved, -euler_to_matrix(frame)[0] @ origin[0] / scene.pixel_size_angstrom, atol=1e-12)
    applied = plan_extraction(tomogram_set(scene), particles, replace(ALL, apply_orientations=True)).series[0]
    np.testing.assert_allclose(applied.orientations, compose(euler_to_matrix(frame), euler_to_matrix(angles)))


@pytest.mark.parametrize("tilt", [0.0, 180.0])
def test_16_where_tilt_is_0_or_180_rot_is_written_as_zero(tilt: float) -> None:
    matrix = np.diag([1.0, 1.0, 1.0] if tilt == 0 else [-1.0, 1.0, -1.0])
    rot, found, _ = matrix_to_euler(matrix)
    assert (rot, found) == (0.0, tilt)


@pytest.mark.parametrize("hand", [1.0, -1.0])
def test_18_and_19_depth_adds_to_the_defocus_by_hand_slope_and_pixel_size(hand: float) -> None:
    matrix = projection_from_angles([[0, 0, 85.0], [0, 40.0, 85.0]], np.zeros((2, 2)), (110, 90), (110, 90, 40))
    series = replace(tomogram(n_tilts=2).tilts, projection=matrix)
    scene = tomogram(n_tilts=2, tilts=series, hand=hand, defocus_slope=0.9)
    along_z, along_y = plan_of(scene, np.array([[0.0, 0.0, 80.0], [0.0, 80.0, 0.0]])).defocus_offset_angstrom
    np.testing.assert_allclose(along_z, hand * 0.9 * 80.0 * np.cos(np.deg2rad([0.0, 40.0])), atol=1e-9)
    np.testing.assert_allclose(along_y, 0.0, atol=1e-9)


def test_21_the_ctf_is_minus_the_sine_of_its_phase() -> None:
    voltage, cs_mm, contrast, defocus, shift, k = 300.0, 2.7, 0.1, 20_000.0, 30.0, 0.08
    terms = ctf_terms([[defocus, defocus, 0.0]], np.array([shift]), np.ones(1), np.zeros(1), (voltage, cs_mm, contrast))
    value = ctf_values(terms, np.full((1, 1), k), np.zeros((1, 1)))[0, 0, 0]
    wave = wavelength_angstrom(voltage)
    gamma = -np.pi * wave * defocus * k**2 + np.pi / 2 * cs_mm * 1e7 * wave**3 * k**4
    assert value == pytest.approx(-np.sin(gamma - np.deg2rad(shift) - np.arcsin(contrast)))


def test_22_the_dose_weight_is_that_of_the_critical_dose_or_of_a_b_factor() -> None:
    dose, size, pixel = np.array([30.0]), 8, 2.0
    k = 3 / (size * pixel)
    critical = dose_weights(dose, 0.0, size, pixel)[0, 0, 3]
    assert critical == pytest.approx(np.exp(-30.0 / (2 * (0.245 * k**-1.665 + 2.81))), rel=1e-6)
    assert dose_weights(dose, 4.0, size, pixel)[0, 0, 3] == pytest.approx(np.exp(-4.0 * 30.0 * k**2 / 4), rel=1e-6)
