"""The grids of Warp and M: values at nodes, and natural cubic splines through them along every axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from subtomo.errors import InputError
from subtomo.foreign.text import finite

Float = NDArray[np.float64]

_LARGEST = 10_000_000
"""No grid has as many nodes."""
_AXES = (("Duration", "W"), ("Depth", "Z"), ("Height", "Y"), ("Width", "X"))


@dataclass(frozen=True, eq=False)
class Grid:
    """Values at nodes that fill the unit cube evenly, its borders included."""

    values: Float
    """(depth, height, width), or (duration, depth, height, width)."""

    @property
    def is_zero(self) -> bool:
        """Whether nothing follows from it."""
        return not self.values.any()

    @property
    def is_uniform_in_space(self) -> bool:
        """Whether only the time, or the number of the view, matters."""
        return all(side == 1 for side in self.values.shape[1:])

    def at(self, *coordinates: Float) -> Float:
        """Interpolate at points (m,): one array of coordinates per axis, in the order of the axes, 0 to 1 inside."""
        result, is_shared = self.values, True
        for side, places in zip(self.values.shape, coordinates, strict=True):
            if is_shared and len(places) and (places == places[0]).all():
                # the time of a view is that of all points: no copy of the grid for each of them
                result = np.tensordot(_weights(side, places[:1])[0], result, axes=(0, 0))
            elif is_shared:
                result, is_shared = np.tensordot(_weights(side, places), result, axes=(1, 0)), False
            else:
                result = np.einsum("mn,mn...->m...", _weights(side, places), result)
        return np.array(np.broadcast_to(result, len(coordinates[0])) if is_shared else result)


def read_grid(root: Element, name: str, source: str) -> Grid:
    """Read a grid of a tilt series; one that is missing is zero everywhere.

    Raises:
        InputError: Nodes are missing, doubled or outside.
    """
    element = root.find(name)
    where = f"{source}: {name}"
    if element is None:
        return Grid(np.zeros((1, 1, 1)))
    axes = _AXES if element.get("Duration") is not None else _AXES[1:]
    sides = tuple(_whole(element.get(side), f"{where}: {side}") for side, _ in axes)
    if not all(side > 0 for side in sides) or math.prod(sides) > _LARGEST:
        raise InputError(f"{where}: has {' x '.join(map(str, sides))} nodes; the file is damaged")
    values = np.full(sides, np.nan)
    for node in element.iter("Node"):
        place = tuple(_whole(node.get(axis), f"{where}: node {axis}") for _, axis in axes)
        if any(not 0 <= index < side for index, side in zip(place, sides, strict=True)):
            raise InputError(f"{where}: has a node at {place}, outside its {' x '.join(map(str, sides))}")
        values[place] = finite(node.get("Value") or "", f"{where}: node {place}")
    missing = int(np.isnan(values).sum())
    if missing:
        raise InputError(f"{where}: {missing} of {values.size} nodes are missing; the file is cut short or damaged")
    return Grid(values)


def _weights(n: int, places: Float) -> Float:
    """Weigh n nodes for points (m,): the matrix (m, n) of a natural cubic spline, which goes on beyond its ends."""
    if n == 1:
        return np.ones((len(places), 1))
    if n == 2:
        return np.stack([1.0 - places, places], axis=1)
    weights: Float = CubicSpline(np.linspace(0.0, 1.0, n), np.eye(n), bc_type="natural")(places)
    return weights


def _whole(text: str | None, where: str) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise InputError(f"{where} is {text!r}, expected a whole number; the file is damaged") from None
