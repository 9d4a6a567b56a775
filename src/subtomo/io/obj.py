"""Write Wavefront .obj meshes, which show sampled particles as cones (spec/conventions.md §11)."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.atomic import atomic_write

Float = NDArray[np.float64]

N_SIDES = 20
_ROWS_AT_ONCE = 50_000


@doing_to_file("writing")
def write_cones(path: str | os.PathLike[str], bases: Float, axes: Float, radius: float) -> None:
    """Write one cone per particle, atomically; without particles the mesh is empty.

    Args:
        path: The file; its folder must exist.
        bases: (n, 3) centres of the circular bases.
        axes: (n, 3) from the centre of the base to the apex, not zero; all in one unit, usually Å.
        radius: Of the bases, in the same unit.

    Raises:
        InputError: The file cannot be written.
    """
    vertices, faces = cone_vertices(bases, axes, radius), cone_faces(len(bases))
    try:
        with atomic_write(path) as stream:
            for rows, line, kind in ((vertices, "v %g %g %g\n", "vertices"), (faces, "f %d %d %d\n", "faces")):
                for start in range(0, len(rows), _ROWS_AT_ONCE):
                    part = rows[start : start + _ROWS_AT_ONCE]
                    stream.write(((line * len(part)) % tuple(part.ravel().tolist())).encode())
                stream.write(f"# {len(rows)} {kind}.\n\n".encode())
    except OSError as error:
        raise InputError(f"{path}: cannot write this mesh ({error.strerror}); check the disk") from error


def cone_vertices(bases: Float, axes: Float, radius: float) -> Float:
    """Give (n · 21, 3) vertices: per cone the 20 of its base, then its apex."""
    # the coordinate axis that is farther from the cone's own, so that the product does not vanish
    mostly_y = np.abs(axes[:, 0]) < np.abs(axes[:, 1])
    other = np.where(mostly_y[:, None], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    q = _unit(np.cross(axes, other))
    r = _unit(np.cross(q, axes))
    angle = 2.0 * np.pi * np.arange(N_SIDES) / N_SIDES
    circle = np.cos(angle)[:, None] * q[:, None] + np.sin(angle)[:, None] * r[:, None]
    base = bases[:, None] + radius * circle
    apex = (bases + axes)[:, None]
    vertices: Float = np.concatenate([base, apex], axis=1).reshape(-1, 3)
    return vertices


def cone_faces(n_cones: int) -> NDArray[np.int64]:
    """Give (n · 20, 3) indices of vertices from 1: two neighbours on the base, and the apex."""
    side = np.arange(N_SIDES)
    triangles = np.stack([side, (side + 1) % N_SIDES, np.full(N_SIDES, N_SIDES)], axis=1) + 1
    first = np.arange(n_cones) * (N_SIDES + 1)
    faces: NDArray[np.int64] = (first[:, None, None] + triangles).reshape(-1, 3)
    return faces


def _unit(vectors: Float) -> Float:
    unit: Float = vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    return unit
