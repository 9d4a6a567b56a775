"""Shade surfaces: triangles to pixels with a depth buffer, soft light, and a transparent background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from subtomo.report.surface import Surface

Float = NDArray[np.float64]

VIEWS = {"along z": (0.0, 0.0), "along y": (90.0, 0.0), "along x": (90.0, 90.0)}
"""Name to the tilt about the x axis of the picture and the rotation about z before it, degrees."""
_OVERSAMPLING = 2
_COARSE = 4
"""Pixels per block where surroundings are averaged, which are wide."""
_COLOUR = np.array([0.50, 0.66, 0.86], np.float32)
_SHADE = np.array([0.13, 0.19, 0.33], np.float32)
"""Colours in light and in shade."""
_KEY_LIGHT, _FILL_LIGHT = np.array([-0.45, 0.6, 0.66]), np.array([0.75, -0.1, 0.65])


@dataclass(frozen=True, eq=False)
class _Buffer:
    """What is seen at every pixel of a square picture, row 0 at its top."""

    depth: Float
    """(s, s) towards the viewer, pixels; minus infinity where there is nothing."""
    normal: Float
    """(s, s, 3) right, up, towards the viewer."""


def view_matrix(tilt_deg: float, rotation_deg: float) -> Float:
    """Give the rotation (3, 3) from x, y, z of the map to right, up, and towards the viewer."""
    tilt, turn = np.deg2rad((tilt_deg, rotation_deg))
    about_z = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
    return np.asarray(about_x @ about_z)


def shade(surface: Surface, view: tuple[float, float], half_width_angstrom: float, size_px: int) -> NDArray[np.uint8]:
    """Draw a surface in parallel projection.

    Args:
        surface: What to draw.
        view: Tilt and rotation, see `VIEWS`.
        half_width_angstrom: From the middle of the picture to its edge.
        size_px: Side of the picture.

    Returns:
        (size_px, size_px, 4) red, green, blue and opacity; transparent where there is no surface.
    """
    fine = size_px * _OVERSAMPLING
    scale = fine / (2 * half_width_angstrom)
    matrix = view_matrix(*view)
    points = surface.vertices @ matrix.T * scale
    points[:, 0] += (fine - 1) / 2
    points[:, 1] = (fine - 1) / 2 - points[:, 1]
    buffer = _rasterised(points, surface.normals @ matrix.T, surface.triangles, fine)
    return _lit(buffer)


def _rasterised(points: Float, normals: Float, triangles: NDArray[np.int64], size: int) -> _Buffer:
    """Find what is in front at every pixel; triangles are handled together with those of about their size."""
    corners = points[triangles]
    across, along = corners[:, :, 0], corners[:, :, 1]
    doubled = (across[:, 1] - across[:, 0]) * (along[:, 2] - along[:, 0])
    doubled -= (across[:, 2] - across[:, 0]) * (along[:, 1] - along[:, 0])
    low = np.ceil(corners[:, :, :2].min(axis=1)).astype(np.int64)
    high = np.floor(corners[:, :, :2].max(axis=1)).astype(np.int64)
    facing = normals[triangles][:, :, 2].max(axis=1) > 0
    drawn = np.flatnonzero((np.abs(doubled) > 1e-9) & facing & (high >= low).all(axis=1))
    extent = (high - low + 1).max(axis=1)
    order = drawn[np.argsort(extent[drawn], kind="stable")]
    depth, owner = np.full(size * size, -np.inf), np.full(size * size, -1, np.int64)
    share = np.zeros((size * size, 3))
    for some in np.split(order, np.flatnonzero(np.diff(extent[order])) + 1):
        if len(some):
            _draw_group(corners[some], low[some], (depth, owner, share), some, int(extent[some[0]]), size)
    seen = owner >= 0
    normal = np.zeros((size * size, 3))
    mixed = np.einsum("pk,pkc->pc", share[seen], normals[triangles[owner[seen]]])
    normal[seen] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    return _Buffer(depth.reshape(size, size), normal.reshape(size, size, 3))


def _draw_group(
    corners: Float,
    low: NDArray[np.int64],
    out: tuple[Float, NDArray[np.int64], Float],
    names: NDArray[np.int64],
    extent: int,
    size: int,
) -> None:
    """Draw triangles whose bounding boxes have equal sides, with barycentric coordinates of every pixel in them."""
    step = np.arange(extent)
    x = (low[:, 0, None, None] + step[None, None, :]).astype(np.float64)
    y = (low[:, 1, None, None] + step[None, :, None]).astype(np.float64)
    (ax, ay), (bx, by), (cx, cy) = (corners[:, i, :2].T[:, :, None, None] for i in range(3))
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    one = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
    two = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
    three = 1.0 - one - two
    inside = (one >= -1e-6) & (two >= -1e-6) & (three >= -1e-6) & (x >= 0) & (y >= 0) & (x < size) & (y < size)
    which, row, column = np.nonzero(inside)
    weights = np.stack([one[inside], two[inside], three[inside]], axis=1)
    z = (weights * corners[which, :, 2]).sum(axis=1)
    place = (low[which, 1] + row) * size + low[which, 0] + column
    # sorted by depth, so that of equal places the last one, the nearest, is kept
    nearest = np.argsort(z, kind="stable")
    depth, owner, share = out
    nearest = nearest[z[nearest] > depth[place[nearest]]]
    place, z = place[nearest], z[nearest]
    depth[place], owner[place], share[place] = z, names[which[nearest]], weights[nearest]


def _lit(buffer: _Buffer) -> NDArray[np.uint8]:
    """Light the pixels: two lamps, darker folds, a dark outline; then average down to the picture's size."""
    seen = np.isfinite(buffer.depth)
    normal = buffer.normal[seen].astype(np.float32)
    key, fill, shine = (normal @ lamp for lamp in (_unit(_KEY_LIGHT), _unit(_FILL_LIGHT), _halfway()))
    light = 0.26 + 0.62 * np.maximum(key, 0) + 0.22 * np.maximum(fill, 0)
    light *= _openness(buffer.depth, seen)[seen]
    light *= 0.72 + 0.28 * np.clip(normal[:, 2] / 0.45, 0, 1)
    gloss = 0.16 * np.maximum(shine, 0) ** 24
    colour = _SHADE + (1.12 * _COLOUR - _SHADE) * np.clip(light, 0, 1.15)[:, None] + gloss[:, None]
    rgba = np.zeros((*seen.shape, 4), np.float32)
    rgba[seen] = np.hstack([np.clip(colour, 0, 1), np.ones((len(colour), 1), np.float32)])
    size = len(seen) // _OVERSAMPLING
    mean = rgba.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 4).mean(axis=(1, 3))
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    return np.asarray((255 * np.clip(mean, 0, 1)).round(), np.uint8)


def _openness(depth: Float, seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Estimate how open to the sky each pixel lies: below one where its surroundings stand before it.

    Luft, Colditz & Deussen 2006 ("unsharp masking the depth buffer"), at two widths.
    """
    size, side = len(depth), len(depth) // _COARSE * _COARSE
    blocks = (side // _COARSE, _COARSE, side // _COARSE, _COARSE)
    cover = seen[:side, :side].reshape(blocks).mean(axis=(1, 3), dtype=np.float32)
    near = np.where(seen, depth, 0.0).astype(np.float32)
    filled = near[:side, :side].reshape(blocks).mean(axis=(1, 3))
    open_ = np.ones(depth.shape, np.float32)
    for width in (size / 60, size / 20):
        weight, sums = (ndimage.gaussian_filter(part, width / _COARSE, truncate=3) for part in (cover, filled))
        around = ndimage.zoom(
            sums / np.maximum(weight, 1e-3), size / len(sums), order=1, mode="nearest", grid_mode=True
        )
        open_ -= 0.55 * np.clip((around - near) / (3.2 * width), 0, 0.6)
    return open_


def _unit(direction: Float) -> NDArray[np.float32]:
    return np.asarray(direction / np.linalg.norm(direction), np.float32)


def _halfway() -> NDArray[np.float32]:
    return _unit(_unit(_KEY_LIGHT) + np.array([0.0, 0.0, 1.0]))
