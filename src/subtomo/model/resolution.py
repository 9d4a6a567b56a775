"""How well two half maps agree: the curves behind a resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.model.notebook import Shown

Float = NDArray[np.float64]


DIP_SHELLS = 2
"""A curve that is below a threshold for no more shells than this, and then above it for longer, has a dip."""


@dataclass(frozen=True)
class Dip:
    """A few shells where a curve lies below a threshold, and beyond which it is above it again."""

    at_angstrom: float
    """Resolution of the lowest shell in it."""
    beyond_angstrom: float
    """Resolution of the last shell before the curve falls below the threshold and is not soon above it again."""


@dataclass(frozen=True, eq=False, repr=False)
class ResolutionCurves(Shown):
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

    def dip(self, threshold: float, *, masked: bool = True) -> Dip | None:
        """Find a dip at the place where `resolution_angstrom` stops; None if the curve really ends there.

        One shell with few voxels, or one where the CTF leaves nothing, says little about those beyond it.
        """
        curve = (self.corrected if masked else self.unmasked)[1:-1]
        above = curve >= threshold
        below = np.flatnonzero(~above)
        if not below.size:
            return None
        first = end = int(below[0])
        while (found := _end_of_dip(above, end)) is not None:
            end = found
        if end == first:
            return None
        lowest = first + int(np.argmin(curve[first:end]))
        return Dip(float(1.0 / self.frequency[lowest + 1]), float(1.0 / self.frequency[end]))

    def reaches_nyquist(self, threshold: float) -> bool:
        """Tell whether the corrected curve never falls below a threshold, up to the last shell that holds data."""
        return bool((self.corrected[1:-1] >= threshold).all())

    def _facts(self) -> list[tuple[str, Any]]:
        return [
            ("", f"{len(self.frequency)} shells, {self.pixel_size_angstrom:g} Å per voxel"),
            ("FSC 0.143 at", f"{self.resolution_angstrom(0.143):.4g} Å"),
            ("FSC 0.5 at", f"{self.resolution_angstrom(0.5):.4g} Å"),
        ]


def _end_of_dip(above: NDArray[np.bool_], start: int) -> int | None:
    """Find where a curve that is below a threshold at a shell ends for the next time; None if it is no dip."""
    if start >= len(above):
        return None
    length = int(np.argmax(above[start:])) if above[start:].any() else len(above)
    if length > DIP_SHELLS:
        return None
    rest = above[start + length :]
    again = len(rest) if rest.all() else int(np.argmin(rest))
    return start + length + again if again > length else None


@dataclass(frozen=True, eq=False, repr=False)
class GuinierCurves(Shown):
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

    def _facts(self) -> list[tuple[str, Any]]:
        b_factor = self.b_factor_a2
        return [
            ("", f"{len(self.original)} shells"),
            ("B factor", "not fitted" if b_factor is None else f"{b_factor:.0f} Å²"),
        ]
