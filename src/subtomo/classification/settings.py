"""How particles are classified."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from subtomo.errors import SettingsError
from subtomo.model.choices import settle
from subtomo.physics.symmetry import rotation_group

INITIAL_ANGSTROM = 20.0
_RISE = 0.6
"""Of the initial resolution: where the comparison ends if nothing else is asked for."""

OF_ALIGNMENT = (
    "align_rounds", "sigma_ang_deg", "sigma_rot_deg", "sigma_tilt_deg", "sigma_psi_deg", "sigma_offset_angstrom",
)  # fmt: skip
"""Settings that mean nothing unless poses are refined."""


@dataclass(frozen=True)
class ClassificationSettings:
    """All that determines a classification, apart from particles, references and masks.

    Raises:
        SettingsError: A value makes no sense.
    """

    classes: int = 2
    """Of particles; classes of false picks come on top."""
    iterations: int = 25
    """At most; a classification that does not change any more stops by itself."""
    tau2_fudge: float = 1.0
    """Signal-to-noise ratios of the references are multiplied by this."""
    ini_high_angstrom: float | None = None
    """Resolution of the comparison in the first iterations; None for 20 Å, or four voxels where these are larger."""
    highest_angstrom: float | None = None
    """The comparison never goes beyond; None for six tenths of the initial one."""
    symmetry: str = "C1"
    """Point group, see `subtomo.physics.symmetry`."""
    particle_diameter_angstrom: float | None = None
    """Of the soft spherical mask, edge included; None to estimate it from the half maps."""
    mask_edge_px: float = 5.0
    false_picks: bool = False
    """Add a class of nothing, and one of a featureless ball, anywhere in the mask."""
    starts: int = 3
    """Random starts, of which the most likely one is kept; references, or a single class, need one only."""
    aligns: bool = False
    """Refine the pose of each particle within each class; else poses stay as they are."""
    align_rounds: int = 5
    """Of alignment, at most, each followed by iterations in the new poses; it stops by itself when poses settle."""
    sigma_ang_deg: float | None = None
    """Standard deviation of each component of the rotation from the starting orientation; None for no such prior."""
    sigma_rot_deg: float | None = None
    """Of rot about its prior; None for no such prior. The same of the next two."""
    sigma_tilt_deg: float | None = None
    sigma_psi_deg: float | None = None
    sigma_offset_angstrom: float = 10.0
    """Standard deviation of each component of the shift from the starting position."""
    seed: int = 0
    """Of random starts, of half sets of particles that have none, and of random phases."""

    def __post_init__(self) -> None:
        settle(self)
        rotation_group(self.symmetry)
        above_zero = {
            "iterations": ("number of iterations", ""),
            "tau2_fudge": ("factor of signal-to-noise ratios", ""),
            "ini_high_angstrom": ("initial resolution", "Å"),
            "highest_angstrom": ("highest resolution", "Å"),
            "particle_diameter_angstrom": ("diameter of the particle", "Å"),
            "starts": ("number of starts", ""),
            "align_rounds": ("number of rounds of alignment", ""),
            "sigma_ang_deg": ("standard deviation of angles", "degrees"),
            "sigma_rot_deg": ("standard deviation of rot", "degrees"),
            "sigma_tilt_deg": ("standard deviation of tilt", "degrees"),
            "sigma_psi_deg": ("standard deviation of psi", "degrees"),
            "sigma_offset_angstrom": ("standard deviation of offsets", "Å"),
        }
        for field, (name, unit) in above_zero.items():
            value = getattr(self, field)
            if value is not None and not (value > 0 and math.isfinite(value)):
                found = f"{name} ({field}) is {value:g} {unit}".rstrip()
                raise SettingsError(f"{found}, but must be above zero", field=field)
        if self.classes < 1:
            raise SettingsError(
                f"number of classes (classes) is {self.classes}, but must be one or more", field="classes"
            )
        if not self.mask_edge_px >= 0:
            raise SettingsError(
                f"edge of the mask (mask_edge_px) is {self.mask_edge_px:g}, but must be zero or more",
                field="mask_edge_px",
            )
        if self.seed < 0:
            raise SettingsError(f"seed (seed) is {self.seed}, but must be zero or more", field="seed")
        for field in OF_ALIGNMENT:
            if not self.aligns and getattr(self, field) != _DEFAULTS[field]:
                raise SettingsError(
                    f"{above_zero[field][0]} ({field}) is {getattr(self, field):g}, but poses stay as they are; refine "
                    f"them within the classes (aligns), or leave {field} out",
                    field=("aligns", field),
                )
        if self.highest_angstrom is not None and self.highest_angstrom > (self.ini_high_angstrom or INITIAL_ANGSTROM):
            raise SettingsError(
                f"highest resolution (highest_angstrom) is {self.highest_angstrom:g} Å, coarser than the initial one "
                f"(ini_high_angstrom), {self.ini_high_angstrom or INITIAL_ANGSTROM:g} Å; give a smaller number",
                field=("highest_angstrom", "ini_high_angstrom"),
            )

    @property
    def total(self) -> int:
        """Number of classes, those of false picks included."""
        return self.classes + (2 if self.false_picks else 0)

    def initial_angstrom(self, voxel_angstrom: float) -> float:
        """Give the resolution of the first iterations."""
        return self.ini_high_angstrom or max(INITIAL_ANGSTROM, 4.0 * voxel_angstrom)

    def limit_angstrom(self, voxel_angstrom: float) -> float:
        """Give the resolution beyond which the comparison never goes."""
        return self.highest_angstrom or _RISE * self.initial_angstrom(voxel_angstrom)


_DEFAULTS = {field.name: field.default for field in fields(ClassificationSettings)}
