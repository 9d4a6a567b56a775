"""Point groups of rotations by name, with their axes where RELION has them.

=========  ===========================================================================================
``Cn``     n-fold axis on z
``Dn``     n-fold axis on z, 2-fold axis on x
``T``      3-fold axis on z, 2-fold axis in the plane y z, 54.7° from z towards y
``O``      4-fold axes on x, y and z
``I1``     2-fold axes on x, y and z; of the 5-fold axes those nearest to z lie in the plane y z
``I2``     the same with those in the plane x z; ``I`` alone means this one
``I3``     5-fold axis on z, 2-fold axis on y; of the next 5-fold axes one lies towards -x
``I4``     the same with that one towards +x
=========  ===========================================================================================

Molecules are chiral, so groups with mirrors or an inversion are refused.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError

Float = NDArray[np.float64]

_MOST_FOLD = 1000
_GOLDEN = (1.0 + math.sqrt(5.0)) / 2.0
_TETRAHEDRAL_DEG = math.degrees(math.atan(math.sqrt(2.0)))
_ICOSAHEDRAL_DEG = math.degrees(math.atan(1.0 / _GOLDEN))

_FRAMES: dict[str, tuple[str, float, float, float]] = {
    "T": ("T", -135.0, -_TETRAHEDRAL_DEG, 0.0),
    "O": ("O", 0.0, 0.0, 0.0),
    "I1": ("I", 0.0, 0.0, 0.0),
    "I2": ("I", 90.0, 0.0, 0.0),
    "I3": ("I", 90.0, 0.0, -_ICOSAHEDRAL_DEG),
    "I4": ("I", 90.0, 0.0, _ICOSAHEDRAL_DEG),
}
"""SciPy's name of a group, and the rotations in degrees about z, then x, then y that bring its axes to RELION's."""


def rotation_group(name: str) -> Float:
    """List the rotations of a point group as (n, 3, 3) matrices, the identity first.

    Args:
        name: As in the table above, in capital or small letters.

    Raises:
        SettingsError: There is no such group of rotations.
    """
    word = name.strip().upper()
    word = "I2" if word == "I" else word
    if word in _FRAMES:
        name, *angles_deg = _FRAMES[word]
        return _matrices(name, angles_deg)
    match = re.fullmatch(r"([CD])([1-9]\d{0,3})", word)
    if match is None or int(match[2]) > _MOST_FOLD:
        raise SettingsError(
            f"symmetry (symmetry) is {name!r}, but must be C1, C2 …, D1, D2 …, T, O, or I1 to I4 (I means I2); groups "
            "with mirrors do not apply to molecules",
            field="symmetry",
        )
    if word == "C1":  # the default needs no SciPy
        return np.eye(3)[None]
    return _matrices(word, [0.0, 0.0, 0.0])


def _matrices(name: str, angles_deg: list[float]) -> Float:
    """Return a group of SciPy's in a frame rotated about z, then x, then y, the identity first."""
    from scipy.spatial.transform import Rotation  # slow to import, and few commands need it

    frame = Rotation.from_euler("zxy", angles_deg, degrees=True)
    group = frame * Rotation.create_group(name) * frame.inv()
    matrices: Float = group.as_matrix()[np.argsort(group.magnitude(), kind="stable")]
    return matrices
