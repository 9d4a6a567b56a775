"""How well two half maps agree: the curves behind a resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ResolutionCurves:
    """Fourier shell correlations of two half maps, all (c // 2 + 1,): one value per shell."""

    pixel_size_angstrom: float
    frequency: Float
    """1/Å; zero for the first shell."""
    unmasked: Float
    masked: Float
    randomised: Float
    """Of the masked maps whose phases were randomised from `randomised_from` on."""
    corrected: Float
    """The masked curve without what the mask makes."""
    randomised_from: int
    """Shell; the number of shells if the maps agree too well everywhere to need it."""

    def resolution_angstrom(self, threshold: float, *, masked: bool = True) -> float:
        """Give the resolution of the last shell before the curve first falls below a threshold (the corrected curve).

        Infinite if it does so at once; that of the last shell but one if it never does, as the last one, at c / 2,
        holds no data.
        """
        curve = self.corrected if masked else self.unmasked
        below = np.flatnonzero(curve[1:-1] < threshold)
        shell = int(below[0]) if below.size else len(curve) - 2
        return float(1.0 / self.frequency[shell]) if shell else float("inf")

    def reaches_nyquist(self, threshold: float) -> bool:
        """Tell whether the corrected curve never falls below a threshold, up to the last shell that holds data."""
        return bool((self.corrected[1:-1] >= threshold).all())


@dataclass(frozen=True, eq=False)
class GuinierCurves:
    """Logarithms of a merged map's amplitudes, all (c // 2 + 1,), against the square of the frequency."""

    frequency_squared: Float
    """1/Å²."""
    original: Float
    weighted: Float
    """Times √(2 FSC / (1 + FSC)); `EMPTY` of `physics.guinier` where that is zero."""
    slope_a2: float | None = None
    """Of the line through the weighted values beyond 1/10 Å; None if too few shells lie there."""
    intercept: float | None = None
    correlation: float | None = None

    @property
    def b_factor_a2(self) -> float | None:
        """Four times the slope; None if nothing was fitted."""
        return None if self.slope_a2 is None else 4.0 * self.slope_a2
