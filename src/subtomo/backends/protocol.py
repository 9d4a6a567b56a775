"""The seam between pipeline and array loops: what a backend must be able to do, and how to get one.

A backend works on the tilts of one particle at a time and owns its memory: what a verb returns may be overwritten by
the next call of the same verb, and only `Backend.finish` gives arrays away. One instance belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import round_half_up
from subtomo.physics.ctf import CtfTerms

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class BoxGeometry:
    """Sizes in pixels; names and formulas as in spec/conventions.md §5 and §6.2."""

    patch_size: int
    """s0, of the square cut from the tilt image."""
    box_size: int
    """b, after binning; even."""
    crop_size: int
    """c, of the result; even."""
    binning: float

    @property
    def boundary(self) -> int:
        """Margin between box and crop."""
        return (self.box_size - self.crop_size) // 2

    @property
    def origin_share(self) -> float:
        """Factor for the origin of slices sampled at the crop size; see `Backend.to_crop_slices`."""
        return 0.5 + 0.5 * (self.crop_size / self.box_size) ** 2

    @property
    def half_box(self) -> int:
        """Columns of a half transform of the box."""
        return self.box_size // 2 + 1

    @property
    def n_rows(self) -> int:
        """Rows kept of the patch's transform."""
        return round_half_up(self.patch_size / self.binning)

    @property
    def n_columns(self) -> int:
        """Columns kept of the patch's transform; for odd patches one less than `half_box` (quirk 7)."""
        if self.binning == 1.0:
            return self.patch_size // 2 + 1
        return round_half_up(2 * (self.patch_size // 2) / self.binning) // 2 + 1


class TiltFilters(NamedTuple):
    """What multiplies the slices of a tilt series, whichever particle they belong to."""

    pixel_size_angstrom: float
    """Of the binned box."""
    dose_weights: Float32
    """(n_tilts, b, b // 2 + 1)"""
    limits: NDArray[np.int32]
    """(n_tilts, b): columns to insert per row."""
    sign: float
    """-1 inverts the contrast."""
    whitening: Float32 | None = None
    """(n_tilts, b, b // 2 + 1)"""
    even_phase: Float | None = None
    """(b, b // 2 + 1) radians, added to the phase of the CTF."""
    odd_factor: NDArray[np.complex64] | None = None
    """(b, b // 2 + 1), multiplies every slice."""


class Completion(NamedTuple):
    """How one particle is completed; per shell (c // 2 + 1,)."""

    thresholds: Float
    """Of CTF² against its shell's mean: what is not above it is completed."""
    fill: Float
    """Noise power, of orthonormal transforms."""
    seed: int
    """Of the particle, 64 bits."""


class FourierVolume(NamedTuple):
    """A finished particle: see `subtomo.model.subtomogram.PseudoSubtomogram`."""

    data: Float32
    """(c, c, c) real space."""
    weights: Float32
    """(2 c, c, c // 2 + 1): CTF², then multiplicity, as in RELION's files."""


class Backend(Protocol):
    """Array verbs in the order of their use."""

    def __init__(self, geometry: BoxGeometry) -> None: ...

    @property
    def tilts_at_once(self) -> int:
        """How many tilts the verbs should be given together."""

    def begin(self) -> None:
        """Start a particle; whatever a particle that failed has left behind is forgotten."""

    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Any:
        """Cut (n, s0, s0) patches at corners (n, 2: x, y), repeating edge pixels; rolled so that the centre is 0."""

    def circle_crop_patches(self, patches: Any) -> Any:
        """Mask the corners of patches with the largest soft circle, their mean subtracted (§6.8, boundary 0)."""

    def transform(self, patches: Any, shifts: Float) -> Any:
        """Turn patches into binned Fourier slices, with the particle moved to the origin (§6.1, §6.2).

        ``shifts`` (n, 2: x, y) is the particle's position in its patch, binned pixels.
        """

    def modulate(self, slices: Any, tilts: NDArray[np.int64], filters: TiltFilters, ctf: CtfTerms | None) -> Any:
        """Multiply slices by CTF, dose weights, aberrations and whitening, and compute their weights (§6.6).

        Without ``ctf`` (terms of these n tilts) neither CTF nor dose weights multiply, and weights are one.
        """

    def to_images(self, modulated: Any) -> Any:
        """Transform slices to (n, b, b) images with the particle at ``b // 2`` (§6.8)."""

    def circle_crop(self, images: Any) -> Any:
        """Mask images outside the circle that fits the crop, their mean subtracted (§6.8)."""

    def multiply(self, images: Any, factor: Float) -> Any:
        """Multiply images by (b, b) factors."""

    def to_slices(self, images: Any, modulated: Any) -> Any:
        """Transform images back to slices, keeping the weights of ``modulated``."""

    def to_crop_slices(self, images: Any) -> Any:
        """Transform the central (n, c, c) window of images to slices that are sampled at the crop size.

        The origin counts twice in half transforms (quirk 6). It is scaled so that it counts for no more than in a slice
        of the box's size.
        """

    def window(self, images: Any) -> Float32:
        """Copy the central (n, c, c) window of images."""

    def insert(self, modulated: Any, axes: Float, limits: NDArray[np.int32]) -> None:
        """Add slices and weights to the volume at x u + y v (§7.1, §7.2); ``axes`` is (n, 2, 3), ``limits`` (n, b)."""

    def insert_weights(self, modulated: Any, axes: Float, limits: NDArray[np.int32]) -> None:
        """Add the weights of slices to the volume as `insert` does; the data are left to `backproject`."""

    def backproject(self, slices: Any, axes: Float, limits: NDArray[np.int32], scales: Float) -> None:
        """Add slices to the exact data term: the sum over pixels of 2 Re(d exp(2πi (x u + y v)·r / c)) at each voxel r.

        Beyond the largest sphere it fades to zero. Takes the slices of `modulate` or of `to_crop_slices`, of any side
        s, with ``axes`` (n, 2, 3), ``limits`` (n, s) and a factor (n,) per slice. Frequencies beyond c / 2 along any
        axis are left out. Source: spec/cost.md.
        """

    def finish(
        self, data_scale: float, *, term: str = "inserted", whiten: bool = False, completion: Completion | None = None
    ) -> FourierVolume:
        """Transform the volume to real space (§7.3), give it away and start a new one; data are scaled.

        Args:
            data_scale: Factor of the data.
            term: ``inserted``; ``corrected`` for inserted data divided by `physics.window.insertion_envelope`; or
                ``exact`` for what `backproject` added up. With the latter two CTF² is sharpened, and nowhere less than
                a small share of its largest value; see `subtomo.conventions.WEIGHT_FLOOR`.
            whiten: Divide the data's transform by √CTF², and leave voxels without data zero in both; see
                `subtomo.conventions.WHITENING_FLOOR`.
            completion: Noise for voxels of whitened data that hold too little; see `physics.completion`. CTF² of
                inserted slices is then raised only as far as `physics.weights.raised` does.
        """

    def finish_plain(self, data_scale: float, *, term: str = "inserted") -> FourierVolume:
        """Do what `finish` does, but leave CTF² as it was inserted."""
