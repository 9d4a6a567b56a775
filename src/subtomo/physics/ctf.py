"""The contrast transfer function (spec/conventions.md §6.3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.conventions import CTF_FLOOR

Float = NDArray[np.float64]


class CtfTerms(NamedTuple):
    """The CTFs of some tilts as polynomials in the frequency (x, y), 1/Å: all that a kernel needs.

    ``gamma = xx x² + xy x y + yy y² + quartic (x² + y²)² + offset``; ``ctf = -sin(gamma) scale exp(-b_factor k² / 4)``.
    """

    xx: Float
    """(n,) Å²."""
    xy: Float
    """(n,) Å², both off-diagonal elements together."""
    yy: Float
    """(n,) Å²."""
    offset: Float
    """(n,) radians."""
    scale: Float
    """(n,) amplitude."""
    b_factor: Float
    """(n,) Å²."""
    quartic: float
    """Å⁴, spherical aberration."""

    def of_tilts(self, tilts: slice) -> CtfTerms:
        """Take the terms of some tilts."""
        xx, xy, yy, offset, scale, b_factor = (term[tilts] for term in self[:6])
        return CtfTerms(xx, xy, yy, offset, scale, b_factor, self.quartic)


def wavelength_angstrom(voltage_kv: float) -> float:
    """Compute the relativistic wavelength of the electrons in Å."""
    volt = 1000.0 * voltage_kv
    return 12.2643247 / math.sqrt(volt * (1.0 + volt * 0.978466e-6))


def ctf_terms(
    defocus: ArrayLike,
    phase_shift_deg: Float,
    scale: Float,
    b_factor: Float,
    microscope: tuple[float, float, float],
) -> CtfTerms:
    """Convert defocus and microscope to the coefficients of `CtfTerms`.

    Args:
        defocus: (n, 3) defocus U and V in Å (positive is underfocus) and angle of astigmatism in degrees.
        phase_shift_deg: (n,) phase plate shift, degrees.
        scale: (n,) amplitude.
        b_factor: (n,) Å².
        microscope: voltage in kV, spherical aberration in mm, amplitude contrast (0 to 1).
    """
    voltage_kv, cs_mm, amplitude_contrast = microscope
    u, v, angle = np.moveaxis(np.asarray(defocus, dtype=np.float64), -1, 0)
    cosine, sine = np.cos(angle * np.pi / 180.0), np.sin(angle * np.pi / 180.0)
    wavelength = wavelength_angstrom(voltage_kv)
    turn = math.pi * wavelength
    contrast_phase = math.atan2(amplitude_contrast, math.sqrt(1.0 - amplitude_contrast**2))
    return CtfTerms(
        xx=-turn * (u * cosine**2 + v * sine**2),
        xy=-turn * 2.0 * (u - v) * sine * cosine,
        yy=-turn * (u * sine**2 + v * cosine**2),
        offset=-np.asarray(phase_shift_deg) * np.pi / 180.0 - contrast_phase,
        scale=np.asarray(scale, dtype=np.float64),
        b_factor=np.asarray(b_factor, dtype=np.float64),
        quartic=math.pi / 2.0 * (1e7 * cs_mm) * wavelength**3,
    )


def ctf_values(
    terms: CtfTerms, frequency_x: Float, frequency_y: Float, even_phase: NDArray[np.floating] | None = None
) -> Float:
    """Evaluate CTFs on a grid.

    Args:
        terms: of n tilts.
        frequency_x: 1/Å, broadcastable against ``frequency_y``.
        frequency_y: 1/Å.
        even_phase: phase of the even aberrations on the grid, radians, added to gamma.

    Returns:
        (n, height, width), never nearer to zero than `CTF_FLOOR`.
    """
    x, y = np.broadcast_arrays(frequency_x, frequency_y)
    k2 = x * x + y * y
    xx, xy, yy, offset, scale, b_factor = (np.asarray(term)[:, None, None] for term in terms[:6])
    gamma = xx * (x * x) + xy * (x * y) + yy * (y * y) + terms.quartic * (k2 * k2) + offset
    if even_phase is not None:
        gamma = gamma + even_phase
    ctf = -np.sin(gamma) * np.exp(-b_factor * k2 / 4.0) * scale
    floor = np.where(ctf >= 0, CTF_FLOOR, -CTF_FLOOR)
    return np.where(np.abs(ctf) < CTF_FLOOR, floor, ctf)
