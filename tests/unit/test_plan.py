"""What is decided before any image is read: particles, tilts, positions, defocus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from subtomo.errors import InputError
from subtomo.extraction.plan import plan_extraction
from subtomo.model.optics import OpticsGroup
from subtomo.model.settings import ExtractionSettings, Output
from subtomo.physics.orientation import euler_to_matrix
from tests.helpers.builders import (
    IMAGE_SIZE,
    PIXEL_SIZE,
    SETTINGS,
    particle_set,
    renamed,
    tilt_series,
    tomogram,
    tomogram_set,
)

PAIR = tomogram_set(tomogram("TS_1"), tomogram("TS_2"))


def test_particles_come_by_tomogram_in_the_order_of_the_set_then_of_the_file() -> None:
    particles = particle_set(["TS_2", "TS_1", "TS_2", "TS_1"])
    plan = plan_extraction(PAIR, particles, SETTINGS)
    assert plan.indices.tolist() == [1, 3, 0, 2]
    assert len(plan) == 4
    assert plan.left_out == ()


def test_particles_of_unknown_tomograms_are_left_out_with_a_reason() -> None:
    plan = plan_extraction(PAIR, particle_set(["TS_1", "TS_9"]), SETTINGS)
    (entry,) = plan.left_out
    assert (entry.particle, entry.name, entry.tomogram) == (1, "TS_9/2", "TS_9")
    assert entry.reason == "its tomogram is not in tomograms.star"


def test_a_set_without_a_single_known_tomogram_is_refused_with_both_lists_of_names() -> None:
    with pytest.raises(InputError, match=r"particles\.star: no particles found.*TS_8, TS_9.*defines TS_1, TS_2"):
        plan_extraction(PAIR, particle_set(["TS_8", "TS_9"]), SETTINGS)


def test_a_particle_too_near_the_edge_is_left_out_with_the_count() -> None:
    particles = particle_set(["TS_1", "TS_1"], [[0, 0, 0], [0, 5000, 0]])
    plan = plan_extraction(PAIR, particles, SETTINGS)
    assert plan.indices.tolist() == [0]
    (entry,) = plan.left_out
    assert entry.visible_tilts == 0
    assert entry.reason == "visible in 0 of 5 tilts, 1 needed; too near the edge of the image in 5"


def test_a_dose_limit_hides_tilts_and_is_named_as_the_reason() -> None:
    dose = tomogram().tilts.dose_e_per_a2
    plan = plan_extraction(PAIR, particle_set(["TS_1"], [[0, 0, 0]]), replace(SETTINGS, max_dose_e_per_a2=5.0))
    np.testing.assert_array_equal(plan.series[0].visible[0], dose <= 5.0)
    settings = replace(SETTINGS, max_dose_e_per_a2=5.0, min_tilts=4)
    (entry,) = plan_extraction(PAIR, particle_set(["TS_1"], [[0, 0, 0]]), settings).left_out
    assert f"visible in {(dose <= 5).sum()} of 5 tilts, 4 needed" in entry.reason
    assert f"{(dose > 5).sum()} beyond the dose limit of 5 e/Å²" in entry.reason


def test_with_no_tilts_needed_volumes_may_be_empty_but_stacks_may_not() -> None:
    particles = particle_set(["TS_1"], [[0, 5000, 0]])
    none_needed = replace(SETTINGS, min_tilts=0)
    assert len(plan_extraction(PAIR, particles, none_needed)) == 1
    assert len(plan_extraction(PAIR, particles, replace(none_needed, output=Output.STACK_2D))) == 0


def test_the_cropped_box_must_lie_strictly_inside_the_image() -> None:
    single = tomogram_set(tomogram(n_tilts=1, tilts=replace(tilt_series(1), projection=np.eye(4)[None])))
    x = np.array([12.0, 12.001, IMAGE_SIZE[0] - 12.001, IMAGE_SIZE[0] - 12.0])
    pixels = np.stack([x, np.full(4, 40.0), np.zeros(4)], axis=1)
    zero = np.zeros((4, 3))
    particles = particle_set(["TS_1"] * 4, pixels.tolist(), centred=False, origin_angstrom=zero)
    plan = plan_extraction(single, particles, ExtractionSettings(24, 16, binning=1.5))
    assert plan.indices.tolist() == [1, 2]


def test_offsets_are_turned_by_the_subtomogram_angles_only_and_subtracted() -> None:
    particles = particle_set(["TS_1"], [[10.0, 20.0, 30.0]])
    frame = euler_to_matrix(particles.subtomogram_angles_deg[0])
    expected = np.array([10.0, 20.0, 30.0]) - frame @ particles.origin_angstrom[0]
    moved = plan_extraction(PAIR, particles, SETTINGS).series[0]
    np.testing.assert_allclose(moved.positions_px[0], expected / PIXEL_SIZE + moved.series.centre_px)
    resting = plan_extraction(PAIR, particles, replace(SETTINGS, apply_offsets=False)).series[0]
    np.testing.assert_allclose(resting.positions_px[0], [57.0, 49.0, 26.0])


def test_the_volume_is_turned_by_both_angles_only_on_request() -> None:
    particles = particle_set(["TS_1"])
    outer, inner = (euler_to_matrix(a[0]) for a in (particles.subtomogram_angles_deg, particles.angles_deg))
    plain = plan_extraction(PAIR, particles, SETTINGS).series[0]
    turned = plan_extraction(PAIR, particles, replace(SETTINGS, apply_orientations=True)).series[0]
    np.testing.assert_allclose(plain.orientations[0], outer)
    np.testing.assert_allclose(turned.orientations[0], outer @ inner, atol=1e-14)
    np.testing.assert_allclose(plain.particle_frames[0], outer @ inner, atol=1e-14)


@pytest.mark.parametrize("hand", [1.0, -1.0])
def test_defocus_grows_with_depth_by_hand_and_slope(hand: float) -> None:
    series = tilt_series(1)
    single = tomogram(n_tilts=1, tilts=replace(series, projection=np.eye(4)[None]), hand=hand, defocus_slope=0.5)
    particles = particle_set(["TS_1"], [[0.0, 0.0, 40.0]])
    plan = plan_extraction(tomogram_set(single), particles, replace(SETTINGS, apply_offsets=False)).series[0]
    np.testing.assert_allclose(plan.defocus_offset_angstrom, [[hand * 0.5 * 40.0]])


def test_motion_moves_the_patch_but_not_the_defocus() -> None:
    resting = particle_set(["TS_1"])
    shift = np.zeros((5, 3))
    shift[3] = [0.0, 0.0, 2.5]
    moving = replace(resting, trajectories=[shift])
    still, moved = (plan_extraction(PAIR, p, SETTINGS).series[0] for p in (resting, moving))
    difference = moved.image_positions_px[0] - still.image_positions_px[0]
    expected = np.zeros((5, 2))
    expected[3] = still.series.tilts.projection[3, :2, 2] * 2.5 / PIXEL_SIZE
    np.testing.assert_allclose(difference, expected, atol=1e-12)
    np.testing.assert_array_equal(moved.defocus_offset_angstrom, still.defocus_offset_angstrom)


def test_a_trajectory_of_another_length_is_refused_by_particle_and_tilt_table() -> None:
    particles = particle_set(["TS_1"], trajectories=[np.zeros((4, 3))])
    with pytest.raises(InputError, match=r"particle TS_1/1.*expected 5 tilts as in TS_1\.star.*found 4"):
        plan_extraction(PAIR, particles, SETTINGS)


@pytest.mark.parametrize(
    ("group", "quantity"),
    [
        (OpticsGroup("g", PIXEL_SIZE + 0.01), "pixel size"),
        (OpticsGroup("g", PIXEL_SIZE, voltage_kv=200.0), "voltage"),
        (OpticsGroup("g", PIXEL_SIZE, spherical_aberration_mm=2.0), "spherical aberration"),
        (OpticsGroup("g", PIXEL_SIZE, amplitude_contrast=0.1), "amplitude contrast"),
    ],
)
def test_optics_that_contradict_the_tomogram_are_refused_by_quantity(group: OpticsGroup, quantity: str) -> None:
    particles = particle_set(["TS_1"], optics_groups=(group,))
    with pytest.raises(InputError, match=rf"particles\.star: inconsistent.*{quantity}.*group 1 \(g\).*tomogram TS_1"):
        plan_extraction(PAIR, particles, SETTINGS)


def test_an_unused_group_may_contradict() -> None:
    groups = (particle_set(["TS_1"]).optics_groups[0], OpticsGroup("other", 99.0))
    assert len(plan_extraction(PAIR, particle_set(["TS_1"], optics_groups=groups), SETTINGS)) == 1


def test_two_particles_of_one_name_are_refused_with_name_and_row() -> None:
    particles = particle_set(["TS_1", "TS_1", "TS_2"])
    with pytest.raises(InputError, match=r"2 particles are called 'same' \(first in row 2\)"):
        renamed(particles, ["a", "same", "same"])


def test_two_tomograms_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="'TS_1' is listed twice"):
        tomogram_set(tomogram("TS_1"), tomogram("TS_1"))
