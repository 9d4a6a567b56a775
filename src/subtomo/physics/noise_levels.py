"""How strong the noise of a tilt series is in its whitened particles, and which voxels of them are to be completed.

Measured on a few particles; what is done with it is in `subtomo.physics.completion` (spec/cost.md, last section).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from subtomo.conventions import (
    COMPLETED_BELOW,
    COMPLETED_BELOW_LOW,
    COMPLETED_LOW_SHELLS,
    FILLED_ABOVE,
)
from subtomo.physics.completion import Levels, is_empty, voxel_shells
from subtomo.physics.folding import folded, last_shell
from subtomo.physics.frequency import wrapped_index
from subtomo.physics.window import particle_sphere

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

_POOLED_SHELLS = 1
"""Shells on either side that help to tell the noise of one."""
_FITS = 10
_STEEPEST = 1.3
"""Times the rise of 1 / k² from shell to shell: what seems to rise more steeply is signal."""
_LEAK_POOL = 7
"""Shells that together tell how much leaks: in each it is a few voxels that depend on one another."""
_LEAK, _LEAK_OF_SIGNAL = (0.5, 3.0), (0.8, 1.0)


class ShellVoxels(NamedTuple):
    """The voxels of one shell of some sampled particles, (n,) each."""

    counts: Float
    """One, or a half in the planes whose voxels a half transform holds twice."""
    weight: Float
    """CTF² as whitening divides by it."""
    share: Float
    """The same, in parts of the shell's mean."""
    expected: Float
    """Noise power of whitened data if that of the images is one."""
    power: Float
    """Of whitened data."""


class SampledTerms(NamedTuple):
    """The terms of a sampled particle, half transforms (c, c, c // 2 + 1)."""

    data: Complex
    """Orthonormal transform of the data, before anything is done to them; the centre at c // 2."""
    weights: Float
    """CTF² as whitening divides by it: of exact data `subtomo.physics.weights.raised`."""
    noise: Float
    """Power of the noise in the data where that of the images is one: of exact data `reach_of_noise` changes CTF² as
    inserted to it, of others it is the same."""


@cache
def reach_of_noise(size: int) -> Float:
    """Give what turns inserted weights into the power of the noise in exact data, in real space: (c, c, c).

    Exact data are confined to a sphere, so every pixel reaches as far as the transform of the sphere does, and its
    noise as far as the square of that. In real space this multiplies the weights, with the origin first, by the
    sphere's correlation with itself, after their own damping by insertion is undone.
    """
    # half as much again keeps lags up to c / 2 apart, which are all that is needed; column by column, for it is large
    padded, lags = 3 * size // 2, wrapped_index(size).astype(np.int64)
    columns = np.fft.rfft(particle_sphere(size), padded, axis=2)
    found = np.empty((size, size, columns.shape[2]), np.complex128)
    for x in range(columns.shape[2]):
        power = np.abs(np.fft.fft2(columns[:, :, x], (padded, padded))) ** 2
        found[:, :, x] = np.fft.ifft(np.fft.ifft(power, axis=0)[lags], axis=1)[:, lags]
    correlation = np.fft.irfft(found, padded, axis=2)[:, :, lags] / size**3
    damping = np.sinc(lags / size) ** 2
    reach: Float = correlation / (damping[:, None, None] * damping[:, None] * damping)
    return reach


def measure_levels(samples: Sequence[SampledTerms], *, exact: bool) -> Levels:
    """Measure the noise of a tilt series on some of its particles, and decide how to complete them.

    Args:
        samples: Of one size.
        exact: Whether data are the exact adjoint, whose noise leaks beyond the slices, or were inserted with their
            weights, so that they end where these do.

    Returns:
        Values per shell; ``spectrum`` is zero or not finite where data have no noise at all.
    """
    voxels = _by_shell(samples)
    level, is_noise = _image_noise(voxels)
    size = len(voxels)
    gain, fill, thresholds = np.ones(size), np.ones(size), np.full(size, COMPLETED_BELOW[0])
    thresholds[0] = -1.0
    # what leaks into the voxels that are left depends on which are left
    for _ in range(2):
        leak = _leak(voxels, level, is_noise, thresholds) if exact else np.ones(size)
        for number in range(1, size):
            _, relative = _relative(voxels[number], leak[number])
            thresholds[number] = _threshold(voxels[number], relative, number, exact=exact)
    for number, after in enumerate(_by_shell(samples, thresholds)):
        if is_noise[number]:
            own = after.share > thresholds[number]
            level[number] *= _growth(_good(voxels[number], own), _good(after, own))
            voxels[number] = after
    leak = _leak(voxels, level, is_noise, thresholds) if exact else np.ones(size)
    for number in range(1, size):
        shell = voxels[number]
        gain[number], relative = _relative(shell, leak[number])
        kept = shell.share > thresholds[number]
        missing = _mean(~kept, shell.counts)
        # inserted data lose their noise gradually, so that there the plain level is nearest to the right sum
        if exact and missing > 0:
            fill[number] = max(0.0, (1.0 - _mean(relative * kept, shell.counts)) / missing)
    return Levels(level * gain, level * gain * fill, thresholds)


@cache
def _by_radius(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Float]:
    """List the voxels within c / 2 shell by shell: where they are, where shells begin, and how often each counts."""
    shell, inside = voxel_shells(size)
    count = np.ones(shell.shape)
    count[:, :, [0, -1]] = 0.5
    places = np.flatnonzero(inside)
    order = places[np.argsort(shell.ravel()[places], kind="stable")]
    return order, np.searchsorted(shell.ravel()[order], np.arange(size // 2 + 2)), count.ravel()[order]


def _by_shell(samples: Sequence[SampledTerms], thresholds: Float | None = None) -> list[ShellVoxels]:
    """Sort the voxels of all samples by their shell, as they are or once others took over what is completed.

    Shells that are not folded are left out then.
    """
    size = len(samples[0].data)
    order, begins, count = _by_radius(size)
    last = size // 2 if thresholds is None else last_shell(size)
    order, begins, count = order[: begins[last + 1]], begins[: last + 2], count[: begins[last + 1]]
    values = np.empty((4, len(samples), len(order)))
    for number, sample in enumerate(samples):
        data = sample.data
        if thresholds is not None:
            data = folded(data, is_empty(sample.weights, thresholds))
        chosen, weight, noise = (array.ravel()[order] for array in (data, sample.weights, sample.noise))
        means = np.add.reduceat(weight, begins[:-1]) / np.diff(begins)
        values[0, number] = weight
        values[1, number] = weight / np.repeat(np.maximum(means, np.finfo(np.float64).tiny), np.diff(begins))
        with np.errstate(divide="ignore"):
            inverse = np.where(weight > 0, 1.0 / weight, 0.0)
        values[2, number] = noise * inverse
        values[3, number] = (chosen.real**2 + chosen.imag**2) * inverse
    counts = np.broadcast_to(count, values.shape[1:])
    return [
        ShellVoxels(counts[:, first:end].ravel(), *(field[:, first:end].ravel() for field in values))
        for first, end in pairwise(begins.tolist())
    ]


def _image_noise(voxels: Sequence[ShellVoxels]) -> tuple[Float, NDArray[np.bool_]]:
    """Tell the noise of the images per shell, apart from the signal, and where it is the stronger of the two.

    Whitened data have the power N p + S w: noise N times what it is expected to be, and signal in proportion to CTF².
    Where signal is stronger, or noise would rise towards low frequency more steeply than 1 / k² does, the noise is that
    of the next shell outward.
    """
    last = len(voxels) - 1
    good = [_good(shell) for shell in voxels]
    level, is_noise = np.zeros(last + 1), np.zeros(last + 1, np.bool_)
    for number in range(1, last + 1):
        # slices end within the last shell, so that it is like no other
        near = good[max(1, number - _POOLED_SHELLS) : min(number + _POOLED_SHELLS + 1, last)]
        near = good[last:] if number == last else near
        level[number] = _fitted(ShellVoxels(*np.concatenate([np.stack(shell) for shell in near], axis=1)))
        own = good[number]
        total = float((own.counts * own.power).sum())
        is_noise[number] = level[number] * float((own.counts * own.expected).sum()) > 0.5 * total
    # the last shell, which slices do not fill, is no measure for the others
    for number in range(last - 2, -1, -1):
        steepest = _STEEPEST * level[number + 1] * ((number + 1) / max(number, 0.5)) ** 2
        is_noise[number] &= level[number] <= steepest
        if not is_noise[number]:
            level[number] = level[number + 1]
    return level, is_noise


def _leak(voxels: Sequence[ShellVoxels], level: Float, is_noise: NDArray[np.bool_], thresholds: Float) -> Float:
    """Compare the power of poor voxels that are left with the noise that is expected there, (c // 2 + 1,).

    Circle crop takes the mean away from images, which leaves less to leak at low frequency, and coloured noise leaks
    more from where it is stronger. Where noise prevails, good voxels of the shell itself say what is expected. Where
    signal prevails, more than is expected is signal and does not count, and shells are taken together.
    """
    size = len(voxels)
    power, expected, ratio = np.zeros(size), np.zeros(size), np.ones(size)
    for number in range(1, size):
        shell = voxels[number]
        left = shell.share > thresholds[number]
        poor, good = _only(shell, ~_holds(shell) & left), _good(shell, left)
        power[number], expected[number] = _sum(poor, poor.power), level[number] * _sum(poor, poor.expected)
        own = _sum(good, good.power) * _sum(poor, poor.expected)
        if own > 0:
            ratio[number] = power[number] * _sum(good, good.expected) / own
    window = np.ones(_LEAK_POOL)
    for values in (power, expected):
        values[:-1] = np.convolve(values[:-1], window, "same")
    pooled = np.divide(power, expected, out=np.ones(size), where=expected > 0)
    # the few voxels of low shells say little, and are believed by half
    pooled[: _LEAK_POOL + 2] = 0.5 + 0.5 * pooled[: _LEAK_POOL + 2]
    return np.where(is_noise, np.clip(ratio, *_LEAK), np.clip(pooled, *_LEAK_OF_SIGNAL))


def _relative(shell: ShellVoxels, leak: float) -> tuple[float, Float]:
    """Give the noise power of good voxels, where that of the images is one, and that of all voxels against it."""
    good = _holds(shell)
    gain = _mean(shell.expected, shell.counts * good)
    return gain, np.where(good, 1.0, leak) * shell.expected / gain


def _growth(before: ShellVoxels, after: ShellVoxels) -> float:
    power = _sum(before, before.power)
    return _sum(after, after.power) / power if power > 0 else 1.0


def _fitted(voxels: ShellVoxels) -> float:
    """Fit the noise of the images, by weighted least squares with the variance that the fit predicts."""
    counts, weight, _, expected, power = voxels
    base = float((counts * expected).sum())
    scale = float((counts * power).sum()) / base if base > 0 else 0.0
    if not scale > 0:
        return 0.0
    # in units of the first estimate, so that squares of very small or large images stay within range
    power, noise, signal = power / scale, 1.0, 0.0
    for _ in range(_FITS):
        predicted = noise * expected + signal * weight
        trust = counts / np.maximum(predicted, 1e-3 * predicted.mean()) ** 2
        nn, ns, ss = ((trust * a * b).sum() for a, b in ((expected, expected), (expected, weight), (weight, weight)))
        n, s = (trust * expected * power).sum(), (trust * weight * power).sum()
        determinant = nn * ss - ns * ns
        signal = (nn * s - ns * n) / determinant if determinant > 1e-9 * nn * ss else 0.0
        noise = n / nn if signal <= 0 else (n - ns * signal) / nn
        signal, noise = max(signal, 0.0), max(noise, 1e-3)
    return float(noise) * scale


def _holds(shell: ShellVoxels) -> NDArray[np.bool_]:
    good: NDArray[np.bool_] = shell.weight > FILLED_ABOVE * shell.weight.max(initial=0.0)
    return good


def _good(shell: ShellVoxels, left: NDArray[np.bool_] | None = None) -> ShellVoxels:
    return _only(shell, _holds(shell) if left is None else _holds(shell) & left)


def _only(shell: ShellVoxels, chosen: NDArray[np.bool_]) -> ShellVoxels:
    return ShellVoxels(*(values[chosen] for values in shell))


def _sum(shell: ShellVoxels, values: Float) -> float:
    return float((shell.counts * values).sum())


def _threshold(shell: ShellVoxels, relative: Float, number: int, *, exact: bool) -> float:
    """Choose the share of its shell's mean at and below which a voxel is completed."""
    if number <= COMPLETED_LOW_SHELLS:
        return COMPLETED_BELOW_LOW
    least, most = COMPLETED_BELOW
    if not exact:
        return least
    # what is kept in any case, and then one voxel after another
    power, above_most = shell.counts * relative, shell.share > most
    enough, certain = float(shell.counts.sum()), float(power[above_most].sum())
    if certain > enough:
        return most
    candidates = np.flatnonzero((shell.share > least) & ~above_most)
    order = candidates[np.argsort(-shell.share[candidates], kind="stable")]
    reached = certain + np.cumsum(power[order]) > enough
    if not reached.any():
        return least
    # between two voxels, so that rounding decides nothing; mirror images have the same share
    own = float(shell.share[order][reached.argmax()])
    above = shell.share[shell.share > 1.0001 * own]
    return float(np.clip((own + above.min(initial=2.0 * own)) / 2.0, least, most))


def _mean(values: Float | NDArray[np.bool_], count: Float) -> float:
    total = float(count.sum())
    return float((count * values).sum()) / total if total > 0 else 1.0
