"""Surfaces of maps: right in size and place, light side out, fast, and said with their contour."""

from __future__ import annotations

import base64
import io
import json
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from subtomo.errors import InputError
from subtomo.physics.window import centre_distance
from subtomo.report.shading import VIEWS, shade, view_matrix
from subtomo.report.surface import automatic_contour, contour_at, contour_of_volume, isosurface, resampled
from subtomo.report.surface_pictures import surface_picture, viewer_payload

PIXEL = 4.0
Float = NDArray[np.float64]


def blob(size: int, radius_px: float) -> Float:
    """A smooth ball whose density is a half at its radius."""
    return 1.0 / (1.0 + np.exp(2.0 * (centre_distance(size, 3) - radius_px)))


@pytest.mark.parametrize("size", [31, 32, 100])
def test_a_ball_has_a_surface_at_its_radius_around_the_centre(size: int) -> None:
    surface = isosurface(blob(size, 9.0), PIXEL, 0.5)
    radius = np.linalg.norm(surface.vertices, axis=1)
    np.testing.assert_allclose(radius, 9.0 * PIXEL, atol=0.1 * PIXEL)
    outwards = surface.vertices / radius[:, None]
    assert (np.sum(outwards * surface.normals, axis=1) > 0.98).all()


def test_triangles_run_counter_clockwise_from_outside() -> None:
    surface = isosurface(blob(32, 9.0), PIXEL, 0.5)
    a, b, c = (surface.vertices[surface.triangles[:, i]] for i in range(3))
    facing = np.sum(np.cross(b - a, c - a) * (a + b + c), axis=1)
    assert (facing >= 0).mean() > 0.999


def test_resampling_keeps_the_voxels_and_adds_what_lies_between() -> None:
    volume = np.exp(-(centre_distance(24, 3) ** 2) / 18.0)
    fine = resampled(volume, 3)
    assert fine.shape == (72, 72, 72)
    np.testing.assert_allclose(fine[::3, ::3, ::3], volume, atol=1e-3)
    assert fine[36 + 10, 36, 36] == pytest.approx(np.exp(-((10 / 3) ** 2) / 18.0), abs=1e-3)


def test_the_contour_is_said_in_sigma_volume_and_mass() -> None:
    volume = blob(48, 12.0)
    contour = automatic_contour(volume, PIXEL)
    assert contour.level == pytest.approx(0.5, abs=0.1)
    assert contour.sigmas == pytest.approx((contour.level - volume.mean()) / volume.std())
    assert contour.enclosed_angstrom3 == pytest.approx(4 / 3 * np.pi * (12 * PIXEL) ** 3, rel=0.05)
    assert "σ above the mean" in contour.words
    half = contour_at(volume, PIXEL, 0.5)
    assert f"{half.enclosed_angstrom3 / 1.21 / 1e3:.3g} kDa of protein" in half.words


def test_a_known_volume_gives_the_contour_that_encloses_it() -> None:
    volume = blob(48, 12.0)
    wanted = 4 / 3 * np.pi * (10 * PIXEL) ** 3
    assert contour_of_volume(volume, PIXEL, wanted).enclosed_angstrom3 == pytest.approx(
        wanted, rel=0.04
    )  # equal voxels share a level
    with pytest.raises(InputError, match="encloses between 1 and"):
        contour_of_volume(volume, PIXEL, 1e12)


def test_a_map_without_a_surface_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="same value everywhere"):
        automatic_contour(np.zeros((16, 16, 16)), PIXEL)
    with pytest.raises(InputError, match="no surface at 2"):
        isosurface(blob(16, 4.0), PIXEL, 2.0)


def test_views_look_along_the_axes_they_name_and_are_rotations() -> None:
    towards = {name: np.abs(view_matrix(*view)[2]) for name, view in VIEWS.items()}
    for axis, name in enumerate(("along x", "along y", "along z")):
        np.testing.assert_allclose(towards[name], np.eye(3)[axis], atol=1e-12)
    for view in VIEWS.values():
        assert np.linalg.det(view_matrix(*view)) == pytest.approx(1.0)


def test_a_ball_is_a_disc_on_nothing_lit_from_the_upper_left() -> None:
    picture = shade(isosurface(blob(32, 9.0), 1.0, 0.5), VIEWS["along z"], 12.0, 120)
    assert picture.shape == (120, 120, 4)
    seen = picture[..., 3] > 127
    assert seen.sum() == pytest.approx(np.pi * (9.0 * 120 / 24) ** 2, rel=0.03)
    assert not picture[0, 0].any()
    light = picture[..., :3].sum(axis=2).astype(float)
    assert light[45, 45] > light[75, 75] + 50
    assert np.abs(np.diff(light[60, 30:90])).max() < 60  # smooth, no facets


def test_what_is_in_front_hides_what_is_behind() -> None:
    z, y, x = np.meshgrid(*[np.arange(32) - 16.0] * 3, indexing="ij")
    near = np.exp(-((z - 8) ** 2 + y**2 + x**2) / 8)  # high z: nearer along z
    far = np.exp(-((z + 8) ** 2 / 8 + ((y - 3) / 6) ** 2 + ((x - 3) / 6) ** 2))
    alone, both = (
        shade(isosurface(volume, 1.0, 0.5), VIEWS["along z"], 16.0, 96).astype(int) for volume in (near, near + far)
    )
    middle = np.s_[44:52, 44:52]
    assert np.abs(both[middle] - alone[middle]).max() < 25
    assert both[38, 58, 3] == 255
    assert alone[38, 58, 3] == 0


def test_64_voxels_cubed_take_less_than_a_second() -> None:
    volume = blob(64, 20.0) * (1 + 0.3 * np.cos(np.arange(64) / 3))
    isosurface(volume, PIXEL, 0.5)
    start = time.process_time()
    isosurface(volume, PIXEL, 0.5)
    assert time.process_time() - start < 1.0


def test_the_picture_says_its_contour_and_has_no_background() -> None:
    volume = blob(32, 9.0)
    picture = surface_picture("surface", volume, PIXEL, automatic_contour(volume, PIXEL))
    pixels = np.asarray(Image.open(io.BytesIO(picture.png)))
    assert pixels.shape[1] == 3 * pixels.shape[0]
    assert pixels[..., 3].min() == 0
    assert "σ above the mean" in picture.caption


@pytest.mark.parametrize("size", [32, 130])
def test_the_map_of_the_interactive_surface_is_the_map(size: int) -> None:
    volume = np.exp(-((centre_distance(size, 3) / (size / 6)) ** 2))
    facts = json.loads(viewer_payload(volume, PIXEL, automatic_contour(volume, PIXEL)))
    shape = tuple(reversed(facts["size"]))
    assert max(shape) <= 96
    raw = np.frombuffer(base64.b64decode(facts["voxels"]), "<u2").reshape(shape)
    values = facts["lowest"] + raw / 65535 * (facts["highest"] - facts["lowest"])
    place = [facts["origin_angstrom"][i] + np.arange(facts["size"][i]) * facts["voxel_angstrom"] for i in range(3)]
    z, y, x = np.meshgrid(*reversed(place), indexing="ij")
    truth = np.exp(-(x**2 + y**2 + z**2) / (PIXEL * size / 6) ** 2)
    np.testing.assert_allclose(values, truth, atol=1e-3)
