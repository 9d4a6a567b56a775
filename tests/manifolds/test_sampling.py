"""Samples lie where they should: on the surface, as deep, as dense and as far round as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from subtomo.errors import SettingsError
from subtomo.manifolds.sampling import sample_manifold, tilt_space
from subtomo.manifolds.surface import surface_normal, surface_point
from subtomo.model.manifold import Manifold, SamplingSettings, Sphere, Spheroid, Surface
from subtomo.physics.orientation import euler_to_matrix
from tests.helpers.builders import PIXEL_SIZE, tomogram
from tests.helpers.options import on_the_command_line

CENTRE = np.array([50.0, 40.0, 20.0])
SPHERE = Sphere(CENTRE, 18.0)
SPHEROID = Spheroid(CENTRE, np.array([70.0, 1.5, -2.0, 1.0, 2.2, -1.1, 3.0, 0.7, -1.6]))
SURFACES = pytest.mark.parametrize("surface", [SPHERE, SPHEROID], ids=["sphere", "spheroid"])


def sample(
    surface: Surface, spacing: float = 15.0, depth: float = 0.0, max_tilt: float = 80.0, **wedge: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) in pixels and z axes (n, 3) of the particles' frames."""
    settings = SamplingSettings(spacing, depth, max_tilt, **wedge)
    made = sample_manifold(tomogram(), Manifold(1, surface), settings)
    return made.positions_px, euler_to_matrix(made.angles_deg)[:, :, 2]


def angles_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y, z = (points - CENTRE).T
    return np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))


@SURFACES
def test_normals_are_unit_vectors_outward_and_perpendicular_to_the_surface(surface: Surface) -> None:
    rng = np.random.default_rng(1)
    longitude, latitude = rng.uniform(-3, 3, 100), rng.uniform(-1.3, 1.3, 100)
    normals = surface_normal(surface, longitude, latitude, 1e-4)
    np.testing.assert_allclose((normals**2).sum(axis=1), 1.0)
    here, step = surface_point(surface, longitude, latitude), 1e-6
    assert (((here - CENTRE) * normals).sum(axis=1) > 0).all()
    for turn in np.random.default_rng(2).uniform(0, 2 * np.pi, 5):
        beside = surface_point(surface, longitude + step * np.cos(turn), latitude + step * np.sin(turn))
        np.testing.assert_allclose(((beside - here) * normals).sum(axis=1) / step, 0.0, atol=1e-3)


@SURFACES
def test_z_axis_of_the_particle_frame_is_the_normal_and_tilt_is_never_positive(surface: Surface) -> None:
    made = sample_manifold(tomogram(), Manifold(1, surface), SamplingSettings(15.0, 0.0, 80.0))
    normals = surface_normal(surface, *angles_of(made.positions_px), 15.0 / PIXEL_SIZE / surface.radius_px)
    np.testing.assert_allclose(euler_to_matrix(made.angles_deg)[:, :, 2], normals, atol=1e-9)
    assert (made.angles_deg[:, 0] == 0).all()
    assert (made.angles_deg[:, 1] <= 0).all()


@SURFACES
@pytest.mark.parametrize("depth", [20.0, -30.0])
def test_particles_lie_below_the_surface_along_the_normal(surface: Surface, depth: float) -> None:
    on, normals = sample(surface)
    below, same = sample(surface, depth=depth)
    np.testing.assert_allclose(same, normals)
    np.testing.assert_allclose(on - below, depth / PIXEL_SIZE * normals, atol=1e-9)
    np.testing.assert_allclose(on, surface_point(surface, *angles_of(on)), atol=1e-9)


def test_neighbours_are_about_as_far_apart_as_asked() -> None:
    for spacing in (10.0, 15.0, 25.0):
        positions, _ = sample(SPHERE, spacing=spacing, max_tilt=60.0)
        distance = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 1e9 * np.eye(len(positions))
        nearest = distance.min(axis=1) * PIXEL_SIZE
        assert 0.8 * spacing < np.median(nearest) < 1.2 * spacing
        assert nearest.max() < 1.5 * spacing


@pytest.mark.parametrize("max_tilt", [30.0, 60.0, 90.0])
def test_no_direction_is_farther_from_the_equator_than_the_largest_tilt(max_tilt: float) -> None:
    positions, _ = sample(SPHERE, max_tilt=max_tilt, spacing=10.0)
    axis = tilt_space(tomogram().tilts.projection).axes[2]
    latitude = np.degrees(np.arcsin((positions - CENTRE) @ axis / SPHERE.radius_px))
    assert np.abs(latitude).max() <= max_tilt + 1e-9
    assert np.abs(latitude).max() > max_tilt - 10.0


@SURFACES
def test_present_and_missing_wedge_share_the_samples_between_them(surface: Surface) -> None:
    everything, _ = sample(surface)
    present, _ = sample(surface, avoid_missing_wedge=True)
    missing, _ = sample(surface, avoid_present_wedge=True)
    assert min(len(present), len(missing)) > 0
    both = {tuple(row) for row in np.concatenate([present, missing])}
    assert both == {tuple(row) for row in everything}
    assert len(present) + len(missing) == len(everything)


def test_a_spheroid_of_degree_zero_is_a_sphere() -> None:
    round_one = Spheroid(CENTRE, np.array([18.0 * 2.0 * np.sqrt(np.pi)]))
    for ours, theirs in zip(sample(round_one), sample(SPHERE), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_coefficients_beyond_a_full_square_do_not_count() -> None:
    longer = Spheroid(CENTRE, np.append(SPHEROID.coefficients_px, [50.0, 50.0]))
    np.testing.assert_array_equal(sample(longer)[0], sample(SPHEROID)[0])


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((0.0, 0.0, 90.0), "--spacing"),
        ((-5.0, 0.0, 90.0), "--spacing"),
        ((float("nan"), 0.0, 90.0), "--spacing"),
        ((10.0, float("inf"), 90.0), "--depth"),
        ((10.0, 0.0, -1.0), "--max_tilt"),
        ((10.0, 0.0, 91.0), "--max_tilt"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: tuple[float, float, float], word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SamplingSettings(*values)
    assert word in on_the_command_line(caught.value, "sample-manifold")
