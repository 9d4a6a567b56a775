"""How particles are refined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from subtomo.errors import SettingsError
from subtomo.model.choices import settle
from subtomo.physics.symmetry import rotation_group


class Search(Enum):
    """Where poses are looked for before they are refined."""

    LOCAL = "from where they are"
    PRIOR = "in all that the priors allow"
    GLOBAL = "in all orientations"


@dataclass(frozen=True)
class RefinementSettings:
    """All that determines a refinement, apart from particles and reference.

    Raises:
        SettingsError: A value makes no sense.
    """

    symmetry: str = "C1"
    """Point group, see `subtomo.physics.symmetry`."""
    particle_diameter_angstrom: float | None = None
    """Of the soft spherical mask, edge included; None to estimate it from the half maps."""
    mask_edge_px: float = 5.0
    ini_high_angstrom: float | None = None
    """Resolution of the comparison in the first round; None for where the half maps agree, or 40 Å of a given map."""
    rounds: int = 12
    """At most; a refinement that gets no better stops by itself."""
    search: Search = Search.LOCAL
    sigma_ang_deg: float | None = None
    """Standard deviation of each component of the rotation from the starting orientation; None for no such prior."""
    sigma_rot_deg: float | None = None
    """Of rot about its prior; None for no such prior. The same of the next two."""
    sigma_tilt_deg: float | None = None
    sigma_psi_deg: float | None = None
    sigma_offset_angstrom: float = 10.0
    """Standard deviation of each component of the shift from the starting position."""
    offset_range_px: float = 6.0
    """Of the search, voxels; local refinement is held by ``sigma_offset_angstrom``."""
    fits_scale: bool = False
    """Fit a grey scale to every particle, and report it."""
    seed: int = 0
    """Of half sets of particles that have none, and of random phases."""

    def __post_init__(self) -> None:
        settle(self)
        rotation_group(self.symmetry)
        above_zero = {
            "particle_diameter_angstrom": ("diameter of the particle", "Å"),
            "ini_high_angstrom": ("initial resolution", "Å"),
            "sigma_ang_deg": ("standard deviation of angles", "degrees"),
            "sigma_rot_deg": ("standard deviation of rot", "degrees"),
            "sigma_tilt_deg": ("standard deviation of tilt", "degrees"),
            "sigma_psi_deg": ("standard deviation of psi", "degrees"),
            "sigma_offset_angstrom": ("standard deviation of offsets", "Å"),
            "offset_range_px": ("range of offsets", "voxels"),
            "rounds": ("number of rounds", ""),
        }
        for field, (name, unit) in above_zero.items():
            value = getattr(self, field)
            if value is not None and not (value > 0 and math.isfinite(value)):
                found = f"{name} ({field}) is {value:g} {unit}".rstrip()
                raise SettingsError(f"{found}, but must be above zero", field=field)
        if not self.mask_edge_px >= 0:
            raise SettingsError(
                f"edge of the mask (mask_edge_px) is {self.mask_edge_px:g}, but must be zero or more",
                field="mask_edge_px",
            )
        if self.seed < 0:
            raise SettingsError(f"seed (seed) is {self.seed}, but must be zero or more", field="seed")
