"""The loop that turns raw transforms into CTF-weighted slices (relion-conventions.md §6.2 to §6.6)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from subtomo.conventions import CTF_FLOOR
from subtomo.physics.ctf import CtfTerms

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]

_TURN = 1.0 / (2.0 * math.pi)
_SINE = (
    6.283185307179586,
    -41.34170224039976,
    81.60524927607504,
    -76.70585975306136,
    42.05869394489765,
    -15.09464257682298,
    3.8199525848482817,
)
"""Taylor coefficients of sin(2 pi t) in t, t³, …, t¹³: enough for single precision on a quarter turn."""


@njit(nogil=True, cache=True)
def _sine_of_turns(turns: float) -> float:
    """Give sin(2 pi t) to about 1e-9, without branches so that loops over it can be vectorised."""
    t = turns - math.floor(turns + 0.5)
    # fold the outer quarters inwards: sin(pi - a) = sin(a)
    t = math.copysign(0.25 - abs(0.25 - abs(t)), t)
    s = t * t
    return t * (
        _SINE[0] + s * (_SINE[1] + s * (_SINE[2] + s * (_SINE[3] + s * (_SINE[4] + s * (_SINE[5] + s * _SINE[6])))))
    )


@njit(nogil=True, cache=True)
def _ctf_row(
    terms: tuple[float, ...], y: float, step: float, even_phase: Float | None, row: int, ctf_out: Float
) -> None:
    """Evaluate one row of a CTF; see `subtomo.physics.ctf.ctf_values`."""
    xx, xy, yy, offset, scale, b_factor, quartic = terms
    for i in range(ctf_out.shape[0]):
        x = i * step
        k2 = x * x + y * y
        gamma = xx * (x * x) + xy * (x * y) + yy * (y * y) + quartic * (k2 * k2) + offset
        if even_phase is not None:
            gamma += even_phase[row, i]
        ctf_out[i] = -_sine_of_turns(gamma * _TURN) * scale
    if b_factor != 0.0:
        for i in range(ctf_out.shape[0]):
            x = i * step
            ctf_out[i] *= math.exp(-b_factor * (x * x + y * y) / 4.0)
    for i in range(ctf_out.shape[0]):
        if abs(ctf_out[i]) < CTF_FLOOR:
            ctf_out[i] = CTF_FLOOR if ctf_out[i] >= 0.0 else -CTF_FLOOR


@njit(nogil=True, cache=True)
def _ramp(position: float, length: int, n_negative: int, ramp_out: Complex64) -> None:
    """Fill ``exp(2 pi i position k / length)``; the last ``n_negative`` entries have negative k."""
    n = ramp_out.shape[0]
    for i in range(n):
        k = i if i < n - n_negative else i - n
        angle = 2.0 * math.pi * (position * k / length)
        ramp_out[i] = complex(math.cos(angle), math.sin(angle))


@njit(nogil=True, cache=True)
def modulate_slices(
    spectra: Complex64,
    shifts: Float,
    shape: tuple[int, int, float, float],
    tilts: NDArray[np.int64],
    dose_weights: Float32,
    whitening: Float32 | None,
    even_phase: Float | None,
    odd_factor: Complex64 | None,
    ctf: CtfTerms | None,
    slices_out: Complex64,
    weights_out: Float32,
) -> None:
    """Crop, shift and weight: ``slice = (-1)^(x+y) sign ctf dose whitening odd · exp(2 pi i t·k) spectrum``.

    ``weight = (ctf dose)² whitening``; ctf and dose are one without CTF. The signs place the particle at b // 2.
    ``shape`` holds rows and columns kept of the spectra, the frequency step in 1/Å, and the sign over the binning.
    """
    n_rows, n_columns, step, sign = shape
    n, box, half = slices_out.shape
    spectrum_rows = spectra.shape[1]
    width = 2 * (n_columns - 1)
    ramp_x, ramp_y = np.empty(n_columns, np.complex64), np.empty(n_rows, np.complex64)
    amplitude = np.ones(half, np.float64)
    for i in range(n):
        tilt = tilts[i]
        _ramp(shifts[i, 0] - width // 2, width, 0, ramp_x)
        _ramp(shifts[i, 1] - n_rows // 2, n_rows, n_rows - n_rows // 2, ramp_y)
        for row in range(box):
            source = row if row < n_rows // 2 else row - n_rows + spectrum_rows
            if ctf is not None:
                terms = (ctf.xx[i], ctf.xy[i], ctf.yy[i], ctf.offset[i], ctf.scale[i], ctf.b_factor[i], ctf.quartic)
                y = (row if row < box // 2 else row - box) * step
                _ctf_row(terms, y, step, even_phase, row, amplitude)
                for x in range(half):
                    amplitude[x] *= dose_weights[tilt, row, x]
            phase_y = ramp_y[row] * np.float32(sign * (1 - 2 * (row & 1)))
            for x in range(n_columns):
                factor = np.float32(amplitude[x])
                checker = np.float32(1 - 2 * (x & 1))
                slices_out[i, row, x] = spectra[i, source, x] * (ramp_x[x] * phase_y) * (factor * checker)
                weights_out[i, row, x] = factor * factor
            for x in range(n_columns, half):
                slices_out[i, row, x] = 0.0
                weights_out[i, row, x] = np.float32(amplitude[x]) ** 2
            if odd_factor is not None:
                for x in range(half):
                    slices_out[i, row, x] *= odd_factor[row, x]
            if whitening is not None:
                for x in range(half):
                    slices_out[i, row, x] *= whitening[tilt, row, x]
                    weights_out[i, row, x] *= whitening[tilt, row, x]
