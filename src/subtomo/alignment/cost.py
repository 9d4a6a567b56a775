"""The cost of a pose: from the tilt images, and from what files hold of them (spec/cost.md).

All are up to a constant and a factor. ``V`` is the posed reference, evaluated exactly: only the terms are judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subtomo.model.subtomogram import PseudoSubtomogram, TiltStack
from subtomo.physics.frequency import half_index, shell_average, shell_values, wrapped_index

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Reference(Protocol):
    """A density in some pose, whose transform is known everywhere."""

    def moved(self, rotation: Float, shift_px: Float) -> Reference:
        """Rotate the density by (3, 3) about its centre, then shift it by (3,) pixels."""

    def slice_values(self, axes: Float, size: int) -> Complex:
        """Compute the orthonormal transform of the projection along axes (2, 3): (size, size // 2 + 1), centre at 0."""

    def volume_values(self, size: int) -> Complex:
        """Compute the transform of the density, (size, size, size // 2 + 1), centre at 0, divided by ``size``."""


class Cost(Protocol):
    """Compares posed references with one particle."""

    def __call__(self, reference: Reference) -> float:
        """Compute the cost of a reference in some pose."""


class LeastSquares(Cost, Protocol):
    """A cost that is a sum of squares, as relion_refine's is."""

    def residuals(self, reference: Reference) -> Float:
        """Compute the numbers whose squares add up to the cost, (n,)."""


@dataclass(frozen=True, eq=False)
class ImageCost:
    """L2: the exact cost by the tilt images, Σ |X − C V|² over all frequencies below Nyquist, without its constant."""

    images: Complex
    amplitude: Float
    axes: Float
    inside: Float
    """(b, b // 2 + 1) one below Nyquist, half in the columns that a half transform holds twice, else zero."""

    @classmethod
    def of(cls, images: Complex, amplitude: Float, axes: Float) -> ImageCost:
        """Take images (n, b, b // 2 + 1), their CTF and dose weight (same shape), and their axes (n, 2, 3)."""
        return cls(images, amplitude, axes, half_plane(images.shape[1]))

    def __call__(self, reference: Reference) -> float:
        """Compute L2."""
        cost = 0.0
        for image, amplitude, axes in zip(self.images, self.amplitude, self.axes, strict=True):
            model = amplitude * reference.slice_values(axes, len(image))
            cost += float((self.inside * (np.abs(model) ** 2 - 2.0 * (model.conj() * image).real)).sum())
        return cost


@dataclass(frozen=True, eq=False)
class VolumeCost:
    """LR, Σ |D − W V|² / σ² over voxels, with one noise level per shell; L3 of whitened files where σ² is known."""

    data: Complex
    """(c, c, c // 2 + 1), the particle's centre at the origin."""
    weights: Float
    variance: Float
    """Of the noise, same shape."""
    inside: Float

    @classmethod
    def of(cls, particle: PseudoSubtomogram, truth: Reference) -> VolumeCost:
        """Take a particle as relion_refine does: σ² is the mean over all voxels of a shell, here at the right pose."""
        size = len(particle.data)
        data = np.fft.rfftn(np.fft.ifftshift(particle.data.astype(np.float64))) / size**1.5
        weights = particle.weights.astype(np.float64)
        inside = half_space(size)
        residual = np.abs(data - weights * truth.volume_values(size)) ** 2
        return cls(data, weights, _per_shell(residual), inside)

    def knowing_noise(self) -> VolumeCost:
        """Give L3: the cost of whitened data with σ² = 1, which the noise of white images truly has."""
        return replace(self, variance=np.ones(self.variance.shape))

    def __call__(self, reference: Reference) -> float:
        """Compute the cost."""
        return self.of_transform(reference.volume_values(len(self.data)))

    def of_transform(self, values: Complex) -> float:
        """Compute the cost of a reference whose `Reference.volume_values` are known."""
        return float((self.inside * np.abs(self.data - self.weights * values) ** 2 / self.variance).sum())

    def residuals(self, reference: Reference) -> Float:
        """Return real and imaginary parts of all voxels."""
        factor = np.sqrt(self.inside / self.variance)
        chosen = self.inside > 0
        return _parts((factor * (self.data - self.weights * reference.volume_values(len(self.data))))[chosen])


@dataclass(frozen=True, eq=False)
class StackCost:
    """LR of 2-D stacks, Σ |C X − C² V|² / σ², one noise level per shell for all images."""

    images: Complex
    weights: Float
    variance: Float
    axes: Float
    inside: Float

    @classmethod
    def of(cls, stack: TiltStack, weights: Float, axes: Float, truth: Reference) -> StackCost:
        """Take a stack, CTF² of its images (n, c, c // 2 + 1) and their axes (n, 2, 3)."""
        size = stack.images.shape[1]
        images = np.fft.rfft2(np.fft.ifftshift(stack.images.astype(np.float64), axes=(1, 2))) / size
        models = np.stack([truth.slice_values(frame, size) for frame in axes])
        residual = (np.abs(images - weights * models) ** 2).mean(axis=0)
        return cls(images, weights, _per_shell(residual), axes, half_plane(size))

    def __call__(self, reference: Reference) -> float:
        """Compute the cost."""
        return float((self.residuals(reference) ** 2).sum())

    def residuals(self, reference: Reference) -> Float:
        """Return real and imaginary parts of all pixels."""
        size = self.images.shape[1]
        models = np.stack([reference.slice_values(axes, size) for axes in self.axes])
        factor = np.sqrt(self.inside / self.variance)
        return _parts((factor * (self.images - self.weights * models))[:, self.inside > 0])


def _parts(values: Complex) -> Float:
    return np.ascontiguousarray(values).view(np.float64).reshape(-1)


def half_plane(size: int) -> Float:
    """Weigh the pixels of a half transform: one below Nyquist, a half where their mirror images are in it, too."""
    return _weigh(np.sqrt(wrapped_index(size)[:, None] ** 2 + half_index(size) ** 2), size)


def half_space(size: int) -> Float:
    """Weigh the voxels of a half transform as `half_plane` does the pixels."""
    wrapped = wrapped_index(size) ** 2
    return _weigh(np.sqrt(wrapped[:, None, None] + wrapped[:, None] + half_index(size) ** 2), size)


def _weigh(radius: Float, size: int) -> Float:
    weights = (radius <= size / 2).astype(np.float64)
    weights[..., 0] *= 0.5
    weights[..., -1] *= 0.5
    return weights


def _per_shell(power: Float) -> Float:
    """Replace every value by the mean over its shell."""
    size = power.shape[0]
    axes = [wrapped_index(size) ** 2.0] * (power.ndim - 1) + [half_index(size) ** 2.0]
    radius = np.sqrt(sum(np.meshgrid(*axes, indexing="ij", sparse=True), np.zeros(1)))
    values = shell_values(shell_average(power, radius, size), radius)
    return np.maximum(values, 1e-30)
