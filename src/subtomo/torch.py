"""Particles as a PyTorch dataset: the images of each, with poses, CTFs and doses, straight from the tilt series.

Needs PyTorch (``pip install 'subtomo[torch]'``), which nothing else here does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from subtomo.errors import SettingsError
from subtomo.extraction.sequence import PseudoSubtomograms
from subtomo.extraction.tilt_images import particle_rows, plain_image_settings
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.subtomogram import TiltStack
from subtomo.model.tilt_images import TiltImageRows
from subtomo.model.tilt_series import TomogramSet
from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import half_frequency

__all__ = ["TiltDataset"]

Item = dict[str, Any]


class TiltDataset(Dataset[Item]):
    """The particles of a set, each as a dictionary of tensors that all have the same shapes, so that batches are made.

    With T tilts per item and images of c pixels, the tensors are

    * ``images`` (T, c, c) float32: density positive, centre at ``c // 2``;
    * ``rotation`` (T, 3, 3) float32: from the particle's frame to the image's; point r is seen at
      ``(rotation @ r)[:2]``;
    * ``translation`` (T, 2) float32: pixels in x and y, still to be applied; zero, for images are centred;
    * ``ctf`` (T, 10) float32: defocus U and V at the particle (Å, underfocus positive), angle of astigmatism (degrees),
      voltage (kV), Cs (mm), amplitude contrast, phase shift (degrees), amplitude, B-factor (Å²), pixel size (Å);
    * ``ctf_image`` (T, c, c // 2 + 1) float32, if ``ctf_images`` is set: CTF with dose weights, origin at [0, 0]; an
      image is a projection times this, plus noise;
    * ``dose`` (T,) float32: e/Å² before the image; ``tilt`` (T,) float32: degrees;
    * ``mask`` (T,) bool: False where there is no image, for the particle is visible in fewer tilts; all else is zero
      there;
    * ``half_set`` int64: 1 or 2, 0 if there are none; ``index`` int64: of the particle in the set.

    Nothing is computed before an item is asked for, and nothing is kept: items are made from memory-mapped tilt images.
    The dataset can be pickled, so it works with any number of workers of a ``DataLoader``.

    Args:
        tomograms: With images; or the file of the tomogram set.
        particles: Or the file of the particle set. Names in files are relative to the current folder.
        box_size: Of the squares that are cut out, binned pixels, even.
        crop_size: Of the images, binned pixels, even; by default the box size.
        binning: Against the tilt images.
        n_tilts: So many tilts of each particle, drawn anew in every epoch; by default all, in the tilt table's order.
        seed: Of that draw: an epoch, a particle and a seed always give the same tilts, whichever worker makes them.
        ctf_images: Compute ``ctf_image``.
        max_dose_e_per_a2: Leave out tilts with more dose before them, e/Å².
        min_tilts: Leave out particles that are visible in fewer tilts.
        invert_contrast: Make density positive.

    Raises:
        InputError: Particles and tomograms do not fit together.
        SettingsError: An argument makes no sense.
    """

    def __init__(
        self,
        tomograms: TomogramSet | str | Path,
        particles: ParticleSet | str | Path,
        box_size: int,
        crop_size: int | None = None,
        binning: float = 1.0,
        *,
        n_tilts: int | None = None,
        seed: int = 0,
        ctf_images: bool = False,
        max_dose_e_per_a2: float | None = None,
        min_tilts: int = 1,
        invert_contrast: bool = True,
    ) -> None:
        if n_tilts is not None and n_tilts < 1:
            raise SettingsError(f"number of tilts (n_tilts) is {n_tilts}, but must be at least 1", field="n_tilts")
        settings = plain_image_settings(
            box_size,
            crop_size,
            binning,
            max_dose_e_per_a2=max_dose_e_per_a2,
            min_tilts=min_tilts,
            invert_contrast=invert_contrast,
        )
        self._stacks = PseudoSubtomograms(tomograms, particles, settings)
        self._n_tilts, self._seed, self._ctf_images, self._epoch = n_tilts, seed, ctf_images, 0
        seen = [int(entry.visible.sum(axis=1).max()) for entry in self._stacks.plan.series if len(entry)]
        self.n_tilts: int = n_tilts or max(seen, default=0)
        """T, tilts per item."""

    def __len__(self) -> int:
        return len(self._stacks)

    def __getitem__(self, number: int) -> Item:
        """Make one item, by its number from zero."""
        number = range(len(self))[number]
        entry, index = self._place(number)
        rows, images = particle_rows(entry, index, self._stacks.plan.particles), self._stacks.item(number)
        assert isinstance(images, TiltStack)
        chosen = self._chosen(number, len(rows.tilt))
        item = {name: self._padded(values[chosen]) for name, values in self._of(rows, images, entry).items()}
        item["mask"] = torch.arange(self.n_tilts) < len(chosen)
        item["half_set"] = torch.tensor(int(rows.half_set[0]) if len(rows.half_set) else 0)
        item["index"] = torch.tensor(int(entry.particles[index]))
        return item

    def set_epoch(self, epoch: int) -> None:
        """Draw other tilts from now on; before the workers of an epoch are started, as with samplers of PyTorch."""
        self._epoch = epoch

    @property
    def left_out(self) -> tuple[Any, ...]:
        """Which particles are not in the dataset, and why."""
        return self._stacks.plan.left_out

    def name(self, number: int) -> str:
        """Give the name of an item's particle."""
        return self._stacks.item_names()[number]

    def _place(self, number: int) -> tuple[SeriesPlan, int]:
        for entry in self._stacks.plan.series:
            if number < len(entry):
                return entry, number
            number -= len(entry)
        raise IndexError(number)

    def _chosen(self, number: int, n_visible: int) -> NDArray[np.int64]:
        if self._n_tilts is None or n_visible <= self._n_tilts:
            return np.arange(n_visible)
        drawn = np.random.default_rng([self._seed, self._epoch, number])
        return np.sort(drawn.choice(n_visible, self._n_tilts, replace=False))

    def _of(self, rows: TiltImageRows, stack: TiltStack, entry: SeriesPlan) -> dict[str, NDArray[Any]]:
        n, pixel = len(rows.tilt), float(stack.pixel_size_angstrom)
        single = (rows.phase_shift_deg, rows.scale, rows.b_factor_a2, np.full(n, pixel))
        found: dict[str, NDArray[Any]] = {
            "images": stack.images,
            "rotation": rows.rotation,
            "translation": np.zeros((n, 2)),
            "ctf": np.concatenate([rows.defocus, rows.microscope, np.stack(single, axis=-1)], axis=1),
            "dose": rows.dose_e_per_a2,
            "tilt": rows.tilt_deg,
        }
        if self._ctf_images:
            found["ctf_image"] = _ctf_images(rows, entry, stack.images.shape[-1], pixel)
        return found

    def _padded(self, values: NDArray[Any]) -> torch.Tensor:
        whole = np.zeros((self.n_tilts, *values.shape[1:]), np.float32)
        whole[: len(values)] = values
        return torch.from_numpy(whole)


def _ctf_images(rows: TiltImageRows, entry: SeriesPlan, size: int, pixel: float) -> NDArray[np.float32]:
    """Compute CTF times dose weight of every image, (n, size, size // 2 + 1)."""
    seen = entry.series.microscope
    terms = ctf_terms(
        rows.defocus,
        rows.phase_shift_deg,
        rows.scale,
        rows.b_factor_a2,
        (seen.voltage_kv, seen.spherical_aberration_mm, seen.amplitude_contrast),
    )
    x, y = half_frequency(size, pixel)
    values: NDArray[np.float32] = ctf_values(terms, x, y).astype(np.float32)
    return values * dose_weights(rows.dose_e_per_a2, entry.series.dose_b_factor_a2, size, pixel)
