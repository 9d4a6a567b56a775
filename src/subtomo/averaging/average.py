"""Average particles: sums of data and weights per half set, and the maps that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subtomo.averaging.division import divide
from subtomo.backends.registry import volume_backend
from subtomo.errors import InputError, SettingsError
from subtomo.model.choices import Settings, settle
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.physics.symmetry import rotation_group
from subtomo.physics.window import centre_distance, soft_disc

Float = NDArray[np.float64]
Real = NDArray[np.floating]

HALVES = (1, 2)
"""The half sets, as RELION numbers them."""


@dataclass(frozen=True, repr=False)
class AverageSettings(Settings):
    """How sums become maps.

    Raises:
        SettingsError: A value makes no sense.
    """

    symmetry: str = "C1"
    """Point group, see `subtomo.physics.symmetry`."""
    snr: float | None = None
    """Signal-to-noise ratio of a Wiener filter; None for RELION's heuristic (see `subtomo.averaging.division`)."""
    mask_diameter_angstrom: float | None = None
    """Of the soft spherical mask, edge included; None to estimate it from the half maps."""
    mask_edge_px: float = 5.0
    seed: int = 0
    """Of the half sets of particles that have none, and of random phases."""

    def __post_init__(self) -> None:
        settle(self)
        rotation_group(self.symmetry)
        if self.snr is not None and not (self.snr > 0 and math.isfinite(self.snr)):
            raise SettingsError(f"signal-to-noise ratio (snr) is {self.snr:g}, but must be above zero", field="snr")
        if self.mask_diameter_angstrom is not None and not self.mask_diameter_angstrom > 0:
            raise SettingsError(
                f"diameter of the mask (mask_diameter_angstrom) is {self.mask_diameter_angstrom:g} Å, but must be "
                "above zero",
                field="mask_diameter_angstrom",
            )
        if not self.mask_edge_px >= 0:
            raise SettingsError(
                f"edge of the mask (mask_edge_px) is {self.mask_edge_px:g}, but must be zero or more",
                field="mask_edge_px",
            )
        if self.seed < 0:
            raise SettingsError(f"seed (seed) is {self.seed}, but must be zero or more", field="seed")


class AverageSums:
    """Sums over one half set, in double precision: Σ R data and Σ R weight (R turns a particle into the average).

    Args:
        size: Side of the volumes, c.
    """

    def __init__(self, size: int) -> None:
        self.spectrum = np.zeros((size, size, size // 2 + 1), np.complex128)
        """(c, c, c // 2 + 1) transform without normalisation, of a volume with its centre at [0, 0, 0]."""
        self.ctf2 = np.zeros((size, size, size // 2 + 1))
        self.count = 0

    def add(self, spectrum: NDArray[np.complexfloating], ctf2: Real, count: int = 1) -> None:
        """Add so many particles that are in the average's frame already."""
        self.spectrum += spectrum
        self.ctf2 += ctf2
        self.count += count

    def __add__(self, other: AverageSums) -> AverageSums:
        total = AverageSums(len(self.ctf2))
        total.spectrum, total.ctf2 = self.spectrum + other.spectrum, self.ctf2 + other.ctf2
        total.count = self.count + other.count
        return total

    def symmetrised(self, group: Float) -> AverageSums:
        """Average over the rotations (n, 3, 3) of a point group."""
        if len(group) == 1:
            return self
        verbs = volume_backend()
        spectrum = verbs.spectrum(self.data())
        total = AverageSums(len(self.ctf2))
        total.count = self.count
        for rotation in group:
            total.spectrum += verbs.rotated(spectrum, rotation) / len(group)
            total.ctf2 += verbs.rotated_weights(self.ctf2, rotation).astype(np.float64) / len(group)
        return total

    def data(self) -> Float:
        """Give the sum of the data in real space, (c, c, c) with its centre at ``c // 2``."""
        size = len(self.ctf2)
        inside = np.where(_radius(size) < size / 2, self.spectrum, 0.0)
        return np.fft.fftshift(np.fft.irfftn(inside, s=(size,) * 3, axes=(0, 1, 2)))

    def map(self, snr: float | None) -> NDArray[np.float32]:
        """Divide data by weights, (c, c, c)."""
        # weights count in units of squared transforms divided by √(number of voxels), as data do: no factor between
        return divide(self.data(), self.ctf2, snr).astype(np.float32)


def assigned_halves(given: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Fill in the half sets of particles that have none (zero): at random, so that the sets become equally large.

    Args:
        given: (n,) 1, 2, or 0 for none.
        seed: Of the random numbers.

    Raises:
        InputError: A half set stays empty.
    """
    halves = given.copy()
    missing = np.random.default_rng(seed).permutation(np.flatnonzero(halves == 0))
    short = int((halves == 2).sum()) - int((halves == 1).sum())
    first = min(max((len(missing) + short + 1) // 2, 0), len(missing))
    halves[missing[:first]] = 1
    halves[missing[first:]] = 2
    counts = [int((halves == half).sum()) for half in HALVES]
    if min(counts) == 0:
        raise InputError(
            f"half sets have {counts[0]} and {counts[1]} particles, but each needs one at least; give more particles, "
            "or correct their half sets"
        )
    return halves


def spherical_mask(size: int, pixel_size_angstrom: float, settings: AverageSettings) -> Float:
    """Make the soft spherical mask, (c, c, c).

    Raises:
        SettingsError: It does not fit into the box.
    """
    box = size * pixel_size_angstrom
    diameter = settings.mask_diameter_angstrom or 0.9 * box
    if diameter > box:
        raise SettingsError(
            f"diameter of the mask (mask_diameter_angstrom) is {diameter:g} Å, but the box has {box:g} Å "
            f"({size} voxels of {pixel_size_angstrom:g} Å); make it smaller, or use a larger crop",
            field="mask_diameter_angstrom",
        )
    radius = diameter / pixel_size_angstrom / 2.0
    return soft_disc(centre_distance(size, 3), radius, min(settings.mask_edge_px, radius))


def _radius(size: int) -> Float:
    wrapped = wrapped_index(size)
    return np.sqrt(wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + half_index(size) ** 2)
