"""Particles that another program picked: where it says they are, and in which terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from subtomo.model.table import TextArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

Unit = Literal["voxels", "unbinned pixels", "angstrom", "fraction"]
"""Of positions: voxels of the tomogram, pixels of the tilt images, Å, or the tomogram's sides."""


@dataclass(frozen=True, eq=False)
class ForeignPicks:
    """Particles in the order of their file."""

    source: str
    """The file, for messages."""
    format_name: str
    """As users know it: ``Dynamo table``."""
    series_names: TextArray
    """(n,) as the program has them: a name, a file, or a number; empty where the file does not say."""
    positions: Float
    """(n, 3) x, y, z."""
    unit: Unit
    centred: bool = False
    """Whether positions count from the tomogram's centre, and not from its corner."""
    first_voxel: float = 0.0
    """Coordinate of the middle of the first voxel, if they count from the corner."""
    rotations: Float | None = None
    """(n, 3, 3) from the particle's frame to the tomogram's; None if the file has no orientations."""
    voxel_size_angstrom: float | None = None
    """Of the tomogram, if the file says it."""
    shift_unbinned_px: float = 0.0
    """To be added along every axis: programs with another centre of their tomograms."""
    score: Float | None = None
    """(n,)"""
    half_set: Int | None = None
    class_number: Int | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class PickMarks:
    """What particles have besides places and orientations, for programs that keep it; None for what is unknown."""

    score: Float | None = None
    """(n,)"""
    half_set: Int | None = None
    """(n,) 1 or 2."""
    class_number: Int | None = None
    """(n,)"""


def zxz_rotations(phi_deg: Float, theta_deg: Float, psi_deg: Float) -> Float:
    """Turn the angles of AV3, STOPGAP and cryoCAT (n,) into matrices (n, 3, 3): about z, x, z of the tomogram."""
    angles = np.stack([phi_deg, theta_deg, psi_deg], axis=1)
    matrices: Float = Rotation.from_euler("zxz", angles, degrees=True).as_matrix()
    return matrices


def zxz_angles_deg(rotations: Float) -> Float:
    """Give phi, theta and psi (n, 3) of matrices (n, 3, 3), degrees."""
    with np.errstate(all="ignore"):
        upright = np.abs(rotations[:, 2, 2]) > 1.0 - 1e-12
    angles = np.empty((len(rotations), 3))
    if (~upright).any():
        angles[~upright] = Rotation.from_matrix(rotations[~upright]).as_euler("zxz", degrees=True)
    # only the sum of the two angles about z matters here, and SciPy would warn of it
    matrix = rotations[upright]
    flipped = matrix[:, 2, 2] < 0
    angles[upright, 0] = np.rad2deg(np.arctan2(np.where(flipped, -1.0, 1.0) * matrix[:, 1, 0], matrix[:, 0, 0]))
    angles[upright, 1] = np.where(flipped, 180.0, 0.0)
    angles[upright, 2] = 0.0
    return angles
