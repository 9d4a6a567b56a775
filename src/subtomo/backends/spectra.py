"""Spectra of a particle, and the steps that are done to them before they become a volume.

A step is a function of spectra, so that steps compose. Here each says what it computes, in double precision. A backend
applies it as it stands, or does the same to its own arrays in a faster way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import WHITENING_FLOOR
from subtomo.physics.completion import Levels, completed, is_empty
from subtomo.physics.folding import folded
from subtomo.physics.weights import even_last_plane, raised, sharpened
from subtomo.physics.window import insertion_envelope

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex128]


class FourierVolume(NamedTuple):
    """A finished particle: see `subtomo.model.subtomogram.PseudoSubtomogram`."""

    data: Float32
    """(c, c, c) real space."""
    weights: Float32
    """(2 c, c, c // 2 + 1): CTF², then multiplicity, as in RELION's files."""


class Spectra(NamedTuple):
    """The sums of a particle in Fourier space; half transforms (c, c, c // 2 + 1) with their origin at [0, 0, 0]."""

    data: Complex
    """Orthonormal transform of a real volume whose centre is at ``c // 2``."""
    ctf2: Float
    multiplicity: Float

    @classmethod
    def of(cls, volume: FourierVolume) -> Spectra:
        """Transform a volume."""
        ctf2, multiplicity = np.split(volume.weights.astype(np.float64), 2)
        return cls.of_real(volume.data.astype(np.float64), ctf2, multiplicity)

    @classmethod
    def of_real(cls, data: Float, ctf2: Float, multiplicity: Float) -> Spectra:
        """Transform data (c, c, c) in real space."""
        return cls(np.fft.rfftn(data, norm="ortho"), ctf2, multiplicity)

    def real(self) -> Float:
        """Transform the data to real space, (c, c, c)."""
        return np.fft.irfftn(self.data, s=(len(self.data),) * 3, axes=(0, 1, 2), norm="ortho")

    def volume(self) -> FourierVolume:
        """Transform the data to real space, and put the weights together."""
        weights = np.concatenate([self.ctf2, self.multiplicity])
        return FourierVolume(self.real().astype(np.float32), weights.astype(np.float32))


class Step(Protocol):
    """A function of spectra."""

    def __call__(self, spectra: Spectra) -> Spectra:
        """Compute new spectra; those given stay as they are."""


@dataclass(frozen=True)
class Scaled:
    """Multiplies the data by a factor."""

    factor: float

    def __call__(self, spectra: Spectra) -> Spectra:
        """Scale."""
        return spectra._replace(data=self.factor * spectra.data)


@dataclass(frozen=True)
class Undamped:
    """Divides the data by what trilinear insertion multiplies the density by; see `physics.window`."""

    def __call__(self, spectra: Spectra) -> Spectra:
        """Divide in real space."""
        data = spectra.real() / insertion_envelope(len(spectra.data))
        return spectra._replace(data=np.fft.rfftn(data, norm="ortho"))


@dataclass(frozen=True)
class Sharpened:
    """Undoes the blur that insertion gives CTF²; see `physics.weights.sharpened`."""

    least: float = 0.0
    """CTF² is raised to this share of its largest inserted value, at least; see `conventions.WEIGHT_FLOOR`."""

    def __call__(self, spectra: Spectra) -> Spectra:
        """Sharpen, then raise."""
        least = self.least * spectra.ctf2.max()
        return spectra._replace(ctf2=np.maximum(sharpened(spectra.ctf2), least))


@dataclass(frozen=True)
class Raised:
    """Sharpens CTF², and raises it beside the slices as far as exact data leak; see `physics.weights.raised`."""

    def __call__(self, spectra: Spectra) -> Spectra:
        """Sharpen and raise."""
        return spectra._replace(ctf2=raised(spectra.ctf2))


@dataclass(frozen=True)
class Whitened:
    """Divides data by √CTF², and leaves voxels without data zero in both; see `conventions.WHITENING_FLOOR`."""

    def __call__(self, spectra: Spectra) -> Spectra:
        """Divide."""
        ctf2, multiplicity = even_last_plane(spectra.ctf2), even_last_plane(spectra.multiplicity)
        ctf2[ctf2 <= WHITENING_FLOOR * ctf2.max()] = 0.0
        factor = np.divide(1.0, np.sqrt(ctf2), out=np.zeros(ctf2.shape), where=ctf2 > 0)
        return Spectra(spectra.data * factor, ctf2, multiplicity)


@dataclass(frozen=True, eq=False)
class Completed:
    """Whitens data, and puts noise where they hold too little; see `physics.completion`. Per shell (c // 2 + 1,).

    What voxels of low shells hold before they get noise, their neighbours take over; see `physics.folding`.
    """

    thresholds: Float
    """Of CTF² against its shell's mean: what is not above it is completed."""
    fill: Float
    """Noise power, of orthonormal transforms."""
    seed: int
    """Of the particle, 64 bits."""

    def __call__(self, spectra: Spectra) -> Spectra:
        """Fold, whiten, complete."""
        whiten = Whitened()
        empty = is_empty(whiten(spectra).ctf2, self.thresholds)
        whitened = whiten(spectra._replace(data=folded(spectra.data, empty)))
        levels = Levels(self.fill, self.fill, self.thresholds)
        data, ctf2 = completed(whitened.data, whitened.ctf2, levels, self.seed)
        return whitened._replace(data=data, ctf2=ctf2)


@dataclass(frozen=True, eq=False)
class Weighted:
    """Multiplies CTF² and multiplicity by weights, for instance of a cone, and data by them or by their root."""

    weights: Float
    """(c, c, c // 2 + 1)"""
    is_whitened: bool = False
    """Whitened data are multiplied by the root, as data and the root of CTF² both are then."""

    @property
    def data_factor(self) -> Float:
        """What multiplies the data."""
        return np.sqrt(self.weights) if self.is_whitened else self.weights

    def __call__(self, spectra: Spectra) -> Spectra:
        """Multiply."""
        w = self.weights
        return Spectra(self.data_factor * spectra.data, w * spectra.ctf2, w * spectra.multiplicity)
