"""The diameter of a particle, found from half maps, and the mask that follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from subtomo.averaging.extent import particle_diameter_angstrom
from subtomo.cli import main
from subtomo.io.mrc_read import read_volume
from subtomo.physics.window import centre_distance, soft_disc
from tests.average.project import ATOMS_PX, PIXEL_ANGSTROM, SIGMA_PX

PIXEL = 5.0
Volumes = tuple[NDArray[np.float64], NDArray[np.float64]]


def half_maps(size: int, diameter_px: float, noise: float, seed: int = 1) -> Volumes:
    """Lumps within a sphere, and noise that each half map has for itself."""
    random = np.random.default_rng(seed)
    lumps = ndimage.gaussian_filter(random.standard_normal((size,) * 3), 2.0)
    signal = (1 + lumps / lumps.std()) * soft_disc(centre_distance(size, 3), diameter_px / 2, 2.0)
    one, two = (signal + noise * random.standard_normal(signal.shape) for _ in range(2))
    return one, two


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
@pytest.mark.parametrize(("size", "diameter_px"), [(48, 24), (64, 40), (65, 30)])
def test_the_diameter_of_what_both_half_maps_show_is_found(size: int, diameter_px: float, noise: float) -> None:
    found = particle_diameter_angstrom(*half_maps(size, diameter_px, noise), PIXEL)
    assert found is not None
    assert diameter_px - 4 <= found / PIXEL <= diameter_px + 6


@pytest.mark.parametrize("size", [16, 32, 48])
def test_noise_alone_has_no_diameter(size: int) -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        assert particle_diameter_angstrom(*random.standard_normal((2, size, size, size)), PIXEL) is None


def test_a_particle_that_fills_the_box_has_no_end() -> None:
    assert particle_diameter_angstrom(*half_maps(48, 80.0, 0.3), PIXEL) is None


def test_a_map_of_nothing_and_a_tiny_one_have_no_diameter() -> None:
    assert particle_diameter_angstrom(np.zeros((32,) * 3), np.zeros((32,) * 3), PIXEL) is None
    assert particle_diameter_angstrom(*np.ones((2, 6, 6, 6)), PIXEL) is None


def test_an_average_without_a_diameter_says_and_uses_what_it_found(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("average", "--p", "moved/particles.star", "--j", "1", "--o", f"{tmp_path}/out/")) == 0
    told = capsys.readouterr().out
    mask, _ = read_volume(tmp_path / "out" / "mask.mrc")
    reach_px = float(np.linalg.norm(ATOMS_PX, axis=1).max()) + 2 * SIGMA_PX
    widest_px = 2 * float(centre_distance(len(mask), 3)[mask > 0].max())
    assert 1.5 * reach_px < widest_px < len(mask)
    if "estimated from the half maps" in told:
        diameter = float(told.split("soft sphere of ")[1].split(" Å")[0])
        assert widest_px <= diameter / PIXEL_ANGSTROM
    else:
        assert "nine tenths of the box" in told
    assert (tmp_path / "out" / "average.html").stat().st_size > 500_000


def test_a_page_that_fails_is_a_warning_and_the_maps_are_kept(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("subtomo.report.average.write_average_page", fail)
    assert main(("average", "--p", "moved/particles.star", "--j", "1", "--o", f"{tmp_path}/out/")) == 0
    assert "warning: the pictures could not be drawn (RuntimeError: no fonts)" in capsys.readouterr().err
    assert (tmp_path / "out" / "merged.mrc").exists()
