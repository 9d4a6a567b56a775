"""What is known of every image of a stack: a row each, for methods that take images apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from subtomo.model.rows import ONE_PER_ROW

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TiltImageRows:
    """Metadata of images, in the order of extraction; a particle's images follow one another."""

    particle: Int = field(metadata=ONE_PER_ROW)
    """(n,) index into the particle set."""
    name: NDArray[np.object_] = field(metadata=ONE_PER_ROW)
    """(n,) of the particle."""
    tomogram: NDArray[np.object_] = field(metadata=ONE_PER_ROW)
    """(n,)"""
    section: Int = field(metadata=ONE_PER_ROW)
    """(n,) place of the image in its particle's stack, from 0."""
    tilt: Int = field(metadata=ONE_PER_ROW)
    """(n,) row of the tilt table."""
    rotation: Float = field(metadata=ONE_PER_ROW)
    """(n, 3, 3) from the particle's frame to the image's, whose z axis is the direction of view."""
    defocus: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) U and V at the particle, Å, underfocus positive, and the angle of astigmatism, degrees."""
    phase_shift_deg: Float = field(metadata=ONE_PER_ROW)
    """(n,)"""
    scale: Float = field(metadata=ONE_PER_ROW)
    """(n,) amplitude of the CTF."""
    b_factor_a2: Float = field(metadata=ONE_PER_ROW)
    """(n,) Å², of the CTF; without the dose."""
    dose_e_per_a2: Float = field(metadata=ONE_PER_ROW)
    """(n,) before the image."""
    tilt_deg: Float = field(metadata=ONE_PER_ROW)
    """(n,) angle between the beam and the normal of the tomogram."""
    microscope: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) voltage, kV; spherical aberration, mm; amplitude contrast."""
    half_set: Int = field(metadata=ONE_PER_ROW)
    """(n,) 1 or 2; 0 if the particle has none."""
