"""The loop that turns raw transforms into CTF-weighted slices (spec/conventions.md §6.2 to §6.6)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.conventions import CTF_FLOOR
from subtomo.physics.ctf import CtfTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_TURN = 1.0 / (2.0 * math.pi)
_C1, _C3, _C5, _C7, _C9, _C11, _C13 = (
    np.float32((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1)) for k in range(7)
)
"""Taylor coefficients of sin(2 pi t): up to t^13 they give single precision on a quarter turn."""


@njit(nogil=True, cache=True, fastmath={"contract"})
def ctf_row(terms: tuple[float, ...], y: float, step: float, scale: float, even_phase: Float, ctf_out: Float32) -> None:
    """Evaluate one row of a CTF without B factor; see `subtomo.physics.ctf.ctf_values`.

    The phase is reduced to a turn in double precision, its sine is a polynomial in single precision: no branch and no
    call, so that the loop becomes vector instructions. ``even_phase`` is empty if there is none.
    """
    # the phase xx x² + xy x y + yy y² + offset + quartic k⁴, in turns and by powers of x
    xx, xy, yy, offset, quartic = terms
    linear, constant, y2 = xy * y * step * _TURN, (yy * y * y + offset) * _TURN, y * y
    square, fourth, aberrated = xx * step * step * _TURN, quartic * _TURN, even_phase.size > 0
    step2, negative_scale = step * step, np.float32(-scale)
    for i in range(ctf_out.shape[0]):
        # 32-bit counters become vectors of doubles; 64-bit ones do not
        x = float(np.int32(i))
        k2 = step2 * (x * x) + y2
        turns = (square * x + linear) * x + constant + fourth * (k2 * k2)
        if aberrated:
            turns += even_phase[i] * _TURN
        # whole turns go away in double precision: at high defocus there are hundreds
        t = np.float32(turns - np.floor(turns + 0.5))
        # fold the outer quarters inwards: sin(pi - a) = sin(a)
        size = np.float32(0.25) - abs(np.float32(0.25) - abs(t))
        s = size * size
        sine = size * (_C1 + s * (_C3 + s * (_C5 + s * (_C7 + s * (_C9 + s * (_C11 + s * _C13))))))
        ctf_out[i] = negative_scale * (sine if t >= 0 else -sine)


@njit(nogil=True, cache=True)
def _weigh_row(decay: Float32, dose_weight: Float32, amplitude_out: Float32, weight_out: Float32) -> None:
    """Apply B factor, floor and dose to a row of CTF, and square it."""
    floor = np.float32(CTF_FLOOR)
    for x in range(amplitude_out.shape[0]):
        value = amplitude_out[x] * decay[x]
        # RELION keeps the CTF away from zero, before the dose weight
        if abs(value) < floor:
            value = floor if value >= 0 else -floor
        value *= dose_weight[x]
        amplitude_out[x] = value
        weight_out[x] = value * value


@njit(nogil=True, cache=True)
def _ramp(position: float, length: int, n_negative: int, ramp_out: Float32) -> None:
    """Fill ``exp(2 pi i position k / length)`` as real and imaginary parts; the last ``n_negative`` k are negative."""
    n = ramp_out.shape[1]
    for i in range(n):
        k = i if i < n - n_negative else i - n
        angle = 2.0 * math.pi * (position * k / length)
        ramp_out[0, i] = math.cos(angle)
        ramp_out[1, i] = math.sin(angle)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _shift_row(
    spectrum: Float32, ramp: Float32, phase: tuple[np.float32, np.float32], amplitude: Float32, alternates: int,
    row_out: Float32,
) -> None:  # fmt: skip
    """Multiply a row, as long as the ramp, by a phase ramp, an amplitude, and -1 at every second pixel, or by 1."""
    # exp(2πi(t_x x + t_y y)) is a product: one ramp per slice and one number per row
    phase_re, phase_im = phase
    n = ramp.shape[1]
    for x in range(n):
        ramp_re = ramp[0, x] * phase_re - ramp[1, x] * phase_im
        ramp_im = ramp[0, x] * phase_im + ramp[1, x] * phase_re
        factor = amplitude[x] * np.float32(1 - 2 * (x & alternates))
        re, im = spectrum[2 * x], spectrum[2 * x + 1]
        row_out[2 * x] = factor * (re * ramp_re - im * ramp_im)
        row_out[2 * x + 1] = factor * (re * ramp_im + im * ramp_re)
    # with odd patches the last column is missing (quirk 7)
    row_out[2 * n :] = 0.0


@njit(nogil=True, cache=True)
def _whiten_row(factor: Float32, row_out: Float32, weight_out: Float32) -> None:
    for x in range(factor.shape[0]):
        row_out[2 * x] *= factor[x]
        row_out[2 * x + 1] *= factor[x]
        weight_out[x] *= factor[x]


@njit(nogil=True, cache=True)
def _rotate_row(factor: NDArray[np.complex64], row_out: Float32) -> None:
    for x in range(factor.shape[0]):
        re, im = row_out[2 * x], row_out[2 * x + 1]
        row_out[2 * x] = re * factor[x].real - im * factor[x].imag
        row_out[2 * x + 1] = re * factor[x].imag + im * factor[x].real


@njit(nogil=True, cache=True)
def modulate_slices(
    spectra: Float32,
    shifts: Float,
    shape: tuple[int, int, float, float],
    alternates: int,
    tilts: NDArray[np.int64],
    filters: tuple[Float32, Float32, Float, NDArray[np.complex64]],
    ctf: CtfTerms,
    slices_out: Float32,
    weights_out: Float32,
) -> None:
    """Crop, shift and weight: ``slice = (-1)^(x+y) sign ctf dose whitening odd · exp(2 pi i t·k) spectrum``.

    ``weight = (ctf dose)² whitening``; ctf and dose are one without CTF. The signs place the particle at b // 2; those
    of patches that were not rolled are the same, and the two are one.

    Args:
        spectra: (n, rows, 2 columns) raw transforms, real and imaginary parts side by side; there may be more columns.
        shifts: (n, 2) position of the particle in its patch, binned pixels.
        shape: Rows and columns kept of the patch's transform, the frequency step in 1/Å, and the sign over the binning.
        alternates: One where signs alternate from pixel to pixel, which is where the patch was rolled; else zero.
        tilts: (n,) rows of the filters.
        filters: Dose weights, whitening, even phase, odd factor; see `TiltFilters`. What is absent has length zero.
        ctf: Of the n tilts, or of none, and then neither CTF nor dose weights count.
        slices_out: (n, b, 2 (b // 2 + 1)), in the same way.
        weights_out: (n, b, b // 2 + 1).
    """
    # what is the same for all slices
    n_rows, n_columns, step, sign = shape
    dose_weights, whitening, even_phase, odd_factor = filters
    n, box, half = weights_out.shape
    width, apply_ctf = 2 * (n_columns - 1), len(ctf.xx) > 0
    ramp_x, ramp_y = np.empty((2, n_columns), np.float32), np.empty((2, n_rows), np.float32)
    amplitude, decay, no_phase = np.ones(half, np.float32), np.ones(half, np.float32), np.empty(0, np.float64)
    for i in range(n):
        # the particle goes from its place in the patch to the centre of the box
        _ramp(shifts[i, 0] - width // 2, width, 0, ramp_x)
        _ramp(shifts[i, 1] - n_rows // 2, n_rows, n_rows - n_rows // 2, ramp_y)
        if apply_ctf:
            for x in range(half):
                # the B factor is a product of a part by x and a part by y, which goes into the scale
                decay[x] = math.exp(-ctf.b_factor[i] * (x * step) ** 2 / 4.0)
        else:
            weights_out[i] = 1.0
        for row in range(box):
            if apply_ctf:
                y = (row if row < box // 2 else row - box) * step
                terms = (ctf.xx[i], ctf.xy[i], ctf.yy[i], ctf.offset[i], ctf.quartic)
                scale = ctf.scale[i] * math.exp(-ctf.b_factor[i] * y * y / 4.0)
                ctf_row(terms, y, step, scale, even_phase[row] if len(even_phase) else no_phase, amplitude)
                _weigh_row(decay, dose_weights[tilts[i], row], amplitude, weights_out[i, row])
            signed = np.float32(sign * (1 - 2 * (row & alternates)))
            phase = (signed * ramp_y[0, row], signed * ramp_y[1, row])
            _shift_row(spectra[i, row], ramp_x, phase, amplitude, alternates, slices_out[i, row])
            # aberrations and whitening are rare: passes of their own cost nothing when they are absent
            if len(odd_factor):
                _rotate_row(odd_factor[row], slices_out[i, row])
            if len(whitening):
                _whiten_row(whitening[tilts[i], row], slices_out[i, row], weights_out[i, row])
