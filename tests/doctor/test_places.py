"""Wrong units, binnings and image axes are found by the density at the picks, whatever the project looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.doctor.conftest import change, change_coordinates, examine, findings, found, images, rewrite
from tests.helpers.scene import PIXEL_SIZE, Scene, write_scene


def scaled(factor: float) -> Callable[[], None]:
    return lambda: change_coordinates(lambda values: values * factor)


MISTAKES: dict[str, tuple[Callable[[], None], str]] = {
    "pixels": (scaled(1 / PIXEL_SIZE), "pixels from the centre"),
    "multiplied by the pixel size twice": (scaled(PIXEL_SIZE), "multiplied by the pixel size twice"),
    "binned by 2": (scaled(1 / 2), "multiply by about 2"),
    "binning applied twice": (scaled(2), "divide by about 2"),
    "swapped axes": (lambda: rewrite(np.swapaxes(images(), 1, 2)), "swapped"),
    "upside down": (lambda: rewrite(images()[:, ::-1]), "upside down"),
    "mirrored": (lambda: rewrite(images()[:, :, ::-1]), "mirrored left to right"),
}
ELSEWHERE = {41: "pixels", 42: "binned by 2", 43: "upside down"}
"""Seeds of other projects, and what is wrong with them."""


def words_about_places(diagnosis: dict) -> str:
    return "".join(found(diagnosis, check) for check in ("placement", "coordinates", "image size"))


def random_scene(seed: int) -> Scene:
    random = np.random.default_rng(seed)
    width, height = random.choice([400, 420, 440], 2).tolist()
    return Scene(
        particles=int(random.integers(30, 45)),
        tilts=int(random.choice([5, 6, 7])),
        image_size=(width, height),
        depth_px=int(random.integers(90, 150)),
        hand=float(random.choice([-1, 1])),
        snr=float(random.choice([0.05, 0.1, 0.2])),
        seed=seed,
    )


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name not in ELSEWHERE.values()])
def test_a_mistake_is_found_and_called_by_its_name(scene: Path, mistake: str) -> None:
    plant, words = MISTAKES[mistake]
    plant()
    code, diagnosis = examine()
    assert code == 1
    assert words in words_about_places(diagnosis)


@pytest.mark.parametrize(("seed", "mistake"), list(ELSEWHERE.items()))
def test_mistakes_are_found_in_other_projects_which_are_clean_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, mistake: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path, random_scene(seed))
    code, diagnosis = examine()
    assert (code, findings(diagnosis)) == (0, [])
    plant, words = MISTAKES[mistake]
    plant()
    code, diagnosis = examine()
    assert code == 1
    assert words in words_about_places(diagnosis)


def test_swapped_axes_of_square_images_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path, Scene(image_size=(400, 400), tilts=5, particles=40, seed=2))
    assert examine()[0] == 0
    rewrite(np.swapaxes(images(), 1, 2))
    code, diagnosis = examine()
    assert code == 1
    assert "x and y axes are swapped" in found(diagnosis, "placement")


def test_particles_all_in_one_place_are_found_without_listing_every_pair(scene: Path) -> None:
    for axis in "XYZ":
        change("particles.star", "particles", f"rlnCenteredCoordinate{axis}Angst", np.zeros_like)
    code, diagnosis = examine("--headers-only")
    assert code == 1
    assert "69 pair(s) of particles are in one place" in found(diagnosis, "same place")


def test_particles_within_half_a_pixel_are_in_one_place(scene: Path) -> None:
    for axis in "XYZ":
        change(
            "particles.star",
            "particles",
            f"rlnCenteredCoordinate{axis}Angst",
            lambda values: np.concatenate([values[:35], values[:35] + 1.0]),
        )
    assert "35 pair(s)" in found(examine("--headers-only")[1], "same place")
