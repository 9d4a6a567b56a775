"""Optics: the microscope of a tomogram and the optics groups of particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Microscope:
    """What all CTFs of a tomogram share."""

    voltage_kv: float
    spherical_aberration_mm: float
    amplitude_contrast: float


@dataclass(frozen=True, eq=False)
class OpticsGroup:
    """One row of the optics table of a particle set; values that its table does not have are None."""

    name: str
    pixel_size_angstrom: float
    """Of the unbinned tilt images."""
    voltage_kv: float | None = None
    spherical_aberration_mm: float | None = None
    amplitude_contrast: float | None = None
    even_zernike: NDArray[np.float64] | None = None
    """(n,) coefficients of the symmetric aberrations, radians."""
    odd_zernike: NDArray[np.float64] | None = None
    """(n,) coefficients of the antisymmetric aberrations, radians."""
    image_binning: float | None = None
    """Of the particles' images against the tilt images, as pixel sizes say."""
    subtomogram_binning: float | None = None
    """The same as a value of its own says."""
