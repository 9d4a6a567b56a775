"""`subtomo.torch.TiltDataset`: what its items hold, checked by reconstructing a map from batches."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from subtomo.errors import SettingsError
from subtomo.model.particles import ParticleSet
from subtomo.simulation.picks import SimulatedPicks
from tests.refinement.conftest import truth_map
from tests.torch_data.maps import likeness

torch = pytest.importorskip("torch", reason="PyTorch is not installed (subtomo[torch])")
from torch.utils.data import DataLoader  # noqa: E402

from subtomo.torch import TiltDataset  # noqa: E402

SIZE = 32


def dataset(picks: SimulatedPicks, particles: ParticleSet, **options: Any) -> TiltDataset:
    # density is positive in the simulated images already
    return TiltDataset(picks.tomograms, particles, 48, SIZE, ctf_images=True, invert_contrast=False, **options)


def reconstruct(batches: Any) -> np.ndarray:
    """Put every image's transform, times its CTF, into the nearest voxels, and divide by the sum of CTF²."""
    volume = torch.zeros(SIZE**3, dtype=torch.complex64)
    weight = torch.zeros(SIZE**3)
    y, x = torch.meshgrid(torch.fft.fftfreq(SIZE, 1 / SIZE), torch.fft.rfftfreq(SIZE, 1 / SIZE), indexing="ij")
    plane = torch.stack([x, y, torch.zeros_like(x)], dim=-1)
    for batch in batches:
        mask = batch["mask"]
        images, ctf, rotation = batch["images"][mask], batch["ctf_image"][mask], batch["rotation"][mask]
        slices = torch.fft.rfft2(torch.fft.ifftshift(images, dim=(-2, -1))) * ctf
        # where frequency (x, y, 0) of an image lies in the particle's frame
        points = torch.einsum("hwi,nij->nhwj", plane, rotation).round().long()
        inside = (points.abs() < SIZE // 2).all(dim=-1)
        for sign, values in ((1, slices), (-1, slices.conj())):
            there = (sign * points[inside]) % SIZE
            flat = (there[:, 2] * SIZE + there[:, 1]) * SIZE + there[:, 0]
            volume.index_add_(0, flat, values[inside])
            weight.index_add_(0, flat, (ctf**2)[inside])
    # a Wiener filter: the images are nearly all noise
    quotient = volume / (weight + 3 * weight.mean())
    return np.asarray(torch.fft.fftshift(torch.fft.ifftn(quotient.reshape((SIZE,) * 3)).real))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_map_comes_out_of_batches(picks: SimulatedPicks, true_particles: ParticleSet, workers: int) -> None:
    data = dataset(picks, true_particles)
    batches = DataLoader(data, batch_size=8, num_workers=workers, multiprocessing_context="spawn" if workers else None)
    found = likeness(reconstruct(batches), truth_map())
    assert found > 0.93, found


@pytest.mark.parametrize("wrong", [lambda r: r.transpose(-1, -2), lambda r: r * torch.tensor([1.0, -1, 1])[:, None]])
def test_inverse_or_mirrored_rotations_do_not_give_the_map(
    picks: SimulatedPicks, true_particles: ParticleSet, wrong: Callable[[Any], Any]
) -> None:
    data = dataset(picks, true_particles)
    items = [data[number] for number in range(len(data))]
    items = [{**item, "rotation": wrong(item["rotation"])} for item in items]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    found = likeness(reconstruct([batch]), truth_map())
    assert found < 0.87, found


def test_items_have_equal_shapes_and_masks_tell_which_tilts_are_missing(
    picks: SimulatedPicks, true_particles: ParticleSet
) -> None:
    data = dataset(picks, true_particles, max_dose_e_per_a2=50.0)
    item = data[5]
    n = data.n_tilts
    shapes = {name: tuple(value.shape) for name, value in item.items()}
    assert shapes == {
        "images": (n, SIZE, SIZE), "rotation": (n, 3, 3), "translation": (n, 2), "ctf": (n, 10),
        "ctf_image": (n, SIZE, SIZE // 2 + 1), "dose": (n,), "tilt": (n,), "mask": (n,), "half_set": (), "index": (),
    }  # fmt: skip
    assert item["dose"].max() <= 50
    rotation = item["rotation"][item["mask"]].double()
    eye = torch.eye(3, dtype=torch.float64).expand_as(rotation)
    torch.testing.assert_close(rotation @ rotation.transpose(-1, -2), eye, atol=1e-5, rtol=0)
    assert len(data) == len(true_particles)
    assert int(item["half_set"]) == int(true_particles.half_set[int(item["index"])])  # type: ignore[index]
    # near the rim of the images some tilts are missing
    few = TiltDataset(picks.tomograms, true_particles, 48, SIZE, n_tilts=data.n_tilts + 20)
    padded = few[0]
    assert not padded["mask"].all()
    assert not padded["images"][~padded["mask"]].any()


def test_tilts_are_drawn_by_seed_and_epoch_alone(picks: SimulatedPicks, true_particles: ParticleSet) -> None:
    data = dataset(picks, true_particles, n_tilts=4, seed=3)
    again = pickle.loads(pickle.dumps(data))
    first = [data[number]["tilt"] for number in range(6)]
    assert all(torch.equal(tilts, again[number]["tilt"]) for number, tilts in enumerate(first))
    again.set_epoch(1)
    assert any(not torch.equal(tilts, again[number]["tilt"]) for number, tilts in enumerate(first))
    assert torch.equal(data[-1]["images"], data[len(data) - 1]["images"])
    with pytest.raises(IndexError):
        data[len(data)]
    with pytest.raises(SettingsError, match="n_tilts"):
        dataset(picks, true_particles, n_tilts=0)


def test_images_are_plain(picks: SimulatedPicks, true_particles: ParticleSet) -> None:
    """Without CTF, dose weights or mask: the noise of the tilt images stays as it is."""
    deviations = torch.stack([dataset(picks, true_particles)[number]["images"].std() for number in range(4)])
    assert 0.9 < float(deviations.mean()) < 1.2
