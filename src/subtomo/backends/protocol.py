"""The seam between pipeline and array loops: what a backend must be able to do.

A backend works on the tilts of one particle at a time and owns its memory: what a verb returns may be overwritten by
the next call of the same verb, and only `Backend.to_volume` gives arrays away. Which arguments a verb may overwrite is
said by their types: those that are `Consumed`. One instance belongs to one thread.

Its type parameters are what its verbs hand to one another. Nobody else looks inside, so that a backend may defer or
fuse work, or keep arrays on a device.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from subtomo.backends.alignment import AlignmentBackend
from subtomo.backends.spectra import FourierVolume, Step
from subtomo.backends.volumes import AnyVolumeBackend
from subtomo.conventions import round_half_up
from subtomo.physics.ctf import CtfTerms

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]
Tilts = NDArray[np.int64]
Limits = NDArray[np.int32]

T = TypeVar("T")
Consumed = Annotated[T, "consumed"]
"""An argument that the verb may overwrite: whoever calls it must not use it afterwards."""

Patches = TypeVar("Patches")
Transforms = TypeVar("Transforms")
Slices = TypeVar("Slices")
Images = TypeVar("Images")
CropSlices = TypeVar("CropSlices")
Sums = TypeVar("Sums")
AddedSlices = TypeVar("AddedSlices", contravariant=True)
AddedCropSlices = TypeVar("AddedCropSlices", contravariant=True)
GivenSums = TypeVar("GivenSums", covariant=True)


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


class Accumulator(Protocol[AddedSlices, GivenSums]):
    """Adds the slices of a particle up: their data, CTF² and multiplicity. There is one per data term."""

    @abstractmethod
    def begin(self) -> None:
        """Start a particle; whatever a particle that failed has left behind is forgotten."""

    @abstractmethod
    def insert(self, slices: AddedSlices, axes: Float, limits: Limits) -> None:
        """Add slices and their weights at x u + y v (§7.1); ``axes`` is (n, 2, 3), ``limits`` (n, b)."""

    @abstractmethod
    def spectra(self) -> GivenSums:
        """Give the sums away and start anew; they must be on their way to a volume before the next `insert`."""


class ExactAccumulator(Accumulator[AddedSlices, GivenSums], Protocol[AddedSlices, AddedCropSlices, GivenSums]):
    """Adds data up as the adjoint of projection does, exactly; weights are inserted trilinearly.

    The data are the sum over pixels of 2 Re(d exp(2πi (x u + y v)·r / c)) at each voxel r. Beyond the largest sphere
    they fade to zero. Source: spec/cost.md.
    """

    def insert(self, slices: AddedSlices, axes: Float, limits: Limits) -> None:
        """Add slices and their weights at x u + y v; ``axes`` is (n, 2, 3), ``limits`` (n, b)."""
        self.insert_weights(slices, axes, limits)
        self.insert_data(slices, axes, limits, np.linalg.norm(axes, axis=2).prod(axis=1))

    @abstractmethod
    def insert_weights(self, slices: AddedSlices, axes: Float, limits: Limits) -> None:
        """Add weights alone, as trilinear insertion does."""

    @abstractmethod
    def insert_data(self, slices: AddedSlices | AddedCropSlices, axes: Float, limits: Limits, scales: Float) -> None:
        """Add data alone, of slices of any side s: ``axes`` (n, 2, 3), ``limits`` (n, s), a factor (n,) per slice.

        Frequencies beyond c / 2 along any axis are left out.
        """


class Backend(Protocol[Patches, Transforms, Slices, Images, CropSlices, Sums]):
    """Array verbs in the order of their use, and beside them those of volumes and of alignment."""

    tilts_at_once: int
    """How many tilts the verbs should be given together."""

    def __init__(self, geometry: BoxGeometry) -> None: ...

    @abstractmethod
    def crop(self, images: Sequence[NDArray[Any]], corners: NDArray[np.int64]) -> Patches:
        """Cut (n, s0, s0) patches at corners (n, 2: x, y), repeating edge pixels; rolled so that the centre is 0."""

    @abstractmethod
    def circle_crop_patches(self, patches: Consumed[Patches]) -> Patches:
        """Mask the corners of patches with the largest soft circle, their mean subtracted (§6.8, boundary 0)."""

    @abstractmethod
    def transform(self, patches: Consumed[Patches], shifts: Float) -> Transforms:
        """Turn patches into binned Fourier slices, with the particle moved to the origin (§6.1, §6.2).

        ``shifts`` (n, 2: x, y) is the particle's position in its patch, binned pixels.
        """

    @abstractmethod
    def modulate(self, slices: Transforms, tilts: Tilts, filters: TiltFilters, ctf: CtfTerms | None) -> Slices:
        """Multiply slices by CTF, dose weights, aberrations and whitening, and compute their weights (§6.6).

        Without ``ctf`` (terms of these n tilts) neither CTF nor dose weights multiply, and weights are one.
        """

    @abstractmethod
    def to_images(self, modulated: Consumed[Slices]) -> Images:
        """Transform slices to (n, b, b) images with the particle at ``b // 2`` (§6.8).

        Only the weights of the slices may be used afterwards, by `to_slices`.
        """

    @abstractmethod
    def circle_crop(self, images: Consumed[Images]) -> Images:
        """Mask images outside the circle that fits the crop, their mean subtracted (§6.8)."""

    @abstractmethod
    def multiply(self, images: Consumed[Images], factor: Float) -> Images:
        """Multiply images by (b, b) factors."""

    @abstractmethod
    def to_slices(self, images: Consumed[Images], modulated: Consumed[Slices]) -> Slices:
        """Transform images back to slices, with the weights of ``modulated``."""

    @abstractmethod
    def to_crop_slices(self, images: Images) -> CropSlices:
        """Transform the central (n, c, c) window of images to slices that are sampled at the crop size.

        The origin counts twice in half transforms (quirk 6). It is scaled so that it counts for no more than in a slice
        of the box's size.
        """

    @abstractmethod
    def window(self, images: Images) -> Float32:
        """Copy the central (n, c, c) window of images."""

    @abstractmethod
    def trilinear(self) -> Accumulator[Slices, Sums]:
        """Give the accumulator that spreads every pixel over its eight neighbours in Fourier space (§7.1, §7.2)."""

    @abstractmethod
    def exact(self) -> ExactAccumulator[Slices, CropSlices, Sums]:
        """Give the accumulator of the exact data term."""

    @abstractmethod
    def apply(self, sums: Consumed[Sums], step: Step) -> Sums:
        """Do to the sums what a step does to their spectra; a backend may know a faster way for those it knows."""

    @abstractmethod
    def to_volume(self, sums: Consumed[Sums]) -> FourierVolume:
        """Transform the data to real space (§7.3), and give them away with their weights."""

    @classmethod
    @abstractmethod
    def volumes(cls) -> AnyVolumeBackend:
        """Give the verbs of volumes; threads may share them."""

    @classmethod
    @abstractmethod
    def alignment(cls) -> AlignmentBackend:
        """Give the verbs of alignment for one thread."""


AnyBackend: TypeAlias = Backend[Any, Any, Any, Any, Any, Any]
"""A backend, for code that does not care what its verbs hand to one another."""
