"""Point groups of rotations by name, with their axes where RELION puts them.

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

_GOLDEN = (1.0 + math.sqrt(5.0)) / 2.0
_MOST_FOLD = 1000
_Z = (0.0, 0.0, 1.0)

_GENERATORS: dict[str, tuple[tuple[int, tuple[float, float, float]], ...]] = {
    "T": ((3, _Z), (2, (0.0, math.sqrt(2.0), 1.0))),
    "O": ((4, _Z), (3, (1.0, 1.0, 1.0))),
    "I1": ((2, _Z), (5, (0.0, 1.0, _GOLDEN))),
    "I2": ((2, _Z), (5, (1.0, 0.0, _GOLDEN))),
    "I3": ((5, _Z), (5, (-2.0, 0.0, 1.0))),
    "I4": ((5, _Z), (5, (2.0, 0.0, 1.0))),
}
"""Fold and direction of the axes that generate a group."""


def rotation_group(name: str) -> Float:
    """List the rotations of a point group as (n, 3, 3) matrices, the identity first.

    Args:
        name: As in the table above, in capital or small letters.

    Raises:
        SettingsError: There is no such group of rotations.
    """
    word = name.strip().upper()
    word = "I2" if word == "I" else word
    if word in _GENERATORS:
        return _closure([_turn(fold, axis) for fold, axis in _GENERATORS[word]])
    match = re.fullmatch(r"([CD])([1-9]\d{0,3})", word)
    if match is None or int(match[2]) > _MOST_FOLD:
        raise SettingsError(
            f"symmetry (symmetry) is {name!r}, but must be C1, C2 …, D1, D2 …, T, O, or I1 to I4 (I means I2); groups "
            "with mirrors do not apply to molecules",
            field="symmetry",
        )
    fold = int(match[2])
    cyclic = np.stack([_rotation(_Z, 2.0 * math.pi * i / fold) for i in range(fold)])
    if match[1] == "C":
        return cyclic
    return np.concatenate([cyclic, cyclic @ _turn(2, (1.0, 0.0, 0.0))])


def _turn(fold: int, axis: tuple[float, float, float]) -> Float:
    return _rotation(axis, 2.0 * math.pi / fold)


def _rotation(axis: tuple[float, float, float], angle: float) -> Float:
    """Give the matrix of a rotation about an axis (Rodrigues)."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix: Float = np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross)
    return matrix


def _closure(generators: list[Float]) -> Float:
    """Multiply until nothing new appears."""
    group = [np.eye(3)]
    new = list(group)
    while new:
        products = [generator @ element for element in new for generator in generators]
        new = []
        for product in products:
            if not any(np.allclose(product, known, atol=1e-6) for known in group):
                group.append(product)
                new.append(product)
    return np.stack(group)
