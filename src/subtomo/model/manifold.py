"""Surfaces in a tomogram on which particles are sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.model.choices import Settings, settle
from subtomo.model.notebook import Shown

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sphere:
    """A sphere in decentred pixels."""

    centre_px: Float
    """(3,) x, y, z."""
    radius_px: float


@dataclass(frozen=True, eq=False)
class Spheroid:
    """A sphere whose radius depends on the direction, as a sum of real spherical harmonics."""

    centre_px: Float
    """(3,) x, y, z, decentred pixels."""
    coefficients_px: Float
    """(n,), index l² + l + m; what exceeds a full square does not count."""

    @property
    def radius_px(self) -> float:
        """The mean radius."""
        return float(self.coefficients_px[0]) / (2.0 * math.sqrt(math.pi))


Surface = Sphere | Spheroid


@dataclass(frozen=True, eq=False)
class Manifold:
    """A surface with its number."""

    index: int
    """Unique within the tomogram."""
    surface: Surface
    source: str = ""
    """File, table and row, for messages."""


@dataclass(frozen=True, eq=False, repr=False)
class ManifoldSet(Shown):
    """The manifolds of a set of tomograms."""

    by_tomogram: Mapping[str, tuple[Manifold, ...]]
    """In ascending order of their index."""
    source: str = ""
    unused: tuple[str, ...] = ()
    """Tables of the file that belong to no tomogram of the set."""

    def of(self, tomogram_name: str) -> tuple[Manifold, ...]:
        """List the manifolds of a tomogram; none if it has none."""
        return self.by_tomogram.get(tomogram_name, ())

    def _facts(self) -> list[tuple[str, Any]]:
        n = sum(map(len, self.by_tomogram.values()))
        return [("", f"{n} manifolds in {len(self.by_tomogram)} tomograms"), ("from", self.source)]


@dataclass(frozen=True, repr=False)
class SamplingSettings(Settings):
    """How densely, how deep and where to sample.

    Raises:
        SettingsError: A value makes no sense.
    """

    spacing_angstrom: float
    """Distance between neighbours on the surface."""
    depth_angstrom: float
    """How far below the surface particles are placed; negative is above."""
    max_tilt_deg: float
    """Largest angle against the plane perpendicular to the tilt axis."""
    avoid_missing_wedge: bool = False
    """Leave out where the normal lies in the missing wedge."""
    avoid_present_wedge: bool = False
    """Leave out where it does not."""

    def __post_init__(self) -> None:
        settle(self)
        if self.avoid_missing_wedge and self.avoid_present_wedge:
            raise SettingsError(
                "without missing wedge (avoid_missing_wedge) and without the rest (avoid_present_wedge) nothing is "
                "left to sample",
                field=("avoid_missing_wedge", "avoid_present_wedge"),
            )
        if not (math.isfinite(self.spacing_angstrom) and self.spacing_angstrom > 0):
            raise SettingsError(
                f"spacing (spacing_angstrom) is {self.spacing_angstrom:g} Å, but must be above zero",
                field="spacing_angstrom",
            )
        if not math.isfinite(self.depth_angstrom):
            raise SettingsError(
                f"depth (depth_angstrom) is {self.depth_angstrom:g} Å, but must be a finite number",
                field="depth_angstrom",
            )
        if not 0 <= self.max_tilt_deg <= 90:
            raise SettingsError(
                f"largest tilt (max_tilt_deg) is {self.max_tilt_deg:g}°, but must be 0 to 90", field="max_tilt_deg"
            )


@dataclass(frozen=True, eq=False, repr=False)
class ManifoldSample(Shown):
    """Particles on a manifold."""

    manifold: Manifold
    positions_px: Float
    """(n, 3) decentred pixels."""
    angles_deg: Float
    """(n, 3) rot, tilt, psi of a frame whose z axis is the outward normal."""

    def __len__(self) -> int:
        return len(self.positions_px)

    def _facts(self) -> list[tuple[str, Any]]:
        kind, radius = type(self.manifold.surface).__name__.lower(), self.manifold.surface.radius_px
        return [("", f"{len(self)} particles on {kind} {self.manifold.index}"), ("mean radius", f"{radius:g} pixels")]
