"""Charts of how particles are oriented in their tomograms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subtomo.physics.orientation import compose, euler_to_matrix
from subtomo.report.chart import Axis, Chart, even_axis
from subtomo.report.collect import ReportData
from subtomo.report.style import Picture, chart, colour_column, colour_map

Float = NDArray[np.float64]

_DOTS_AT_MOST = 3000
"""More directions than these are shown as densities."""
_HALF_WIDTH, _HALF_HEIGHT = 2 * math.sqrt(2), math.sqrt(2)


def orientation_charts(data: ReportData) -> list[Picture]:
    """Draw where the particles' z axes point, on an equal-area map and against the polar angle; none without angles."""
    particles = data.particles
    if particles is None:
        return []
    own, frame = particles.angles_deg, particles.subtomogram_angles_deg
    if not (own.any() or frame.any()):
        return []
    matrix = compose(euler_to_matrix(frame), euler_to_matrix(own))
    axis: Float = matrix[..., :, 2]
    polar = np.rad2deg(np.arccos(np.clip(axis[:, 2], -1, 1)))
    near_plane = float(np.mean(np.abs(polar - 90) < 30))
    caption = (
        "Directions of the particles' z axes in the tomogram, on an equal-area map with the tomogram's z axis at the "
        "top."
    )
    first = directions_chart(axis, caption)
    second = chart(
        "polar-angles",
        f"Histogram of the angle between z axes of particles and tomogram, {100 * near_plane:.0f} % within 60° to 120°",
        f"{100 * near_plane:.0f} % of the z axes lie within 30° of the tomogram's x y plane; of an even distribution "
        "50 %.",
        _polar_angles(polar),
    )
    return [first, second]


def directions_chart(axes: Float, caption: str) -> Picture:
    """Draw where axes (n, 3) point, on an equal-area map."""
    alt = f"Equal-area map of the directions of the z axes of {len(axes)} particles in the tomogram"
    return chart("directions", alt, caption, _directions(*mollweide(axes)), framed=False)


def _directions(x: Float, y: Float) -> Chart:
    """Draw points of the map, or how densely they lie."""
    drawn = Chart(
        Axis("", -_HALF_WIDTH, _HALF_WIDTH), Axis("", -1.05 * _HALF_HEIGHT, 1.05 * _HALF_HEIGHT), is_equal=True
    )
    n = len(x)
    if n > _DOTS_AT_MOST:
        cells = 2 * int(np.clip(np.sqrt(n) / 4, 10, 24))
        extent = ((-_HALF_HEIGHT, _HALF_HEIGHT), (-_HALF_WIDTH, _HALF_WIDTH))
        count, rows, columns = np.histogram2d(y, x, (cells, 2 * cells), extent)
        even = n / (np.pi * _HALF_WIDTH * _HALF_HEIGHT) * (rows[1] - rows[0]) * (columns[1] - columns[0])
        middle_y, middle_x = (rows[1:] + rows[:-1]) / 2, (columns[1:] + columns[:-1]) / 2
        outside = (middle_x / _HALF_WIDTH) ** 2 + (middle_y[:, None] / _HALF_HEIGHT) ** 2 > 1
        density = np.where(outside, np.nan, count / even)
        highest = float(np.nanmax(density))
        drawn.colour_bar(colour_column(), "particles, relative to an even distribution", ("0", f"{highest:.2g}"))
        drawn.image(colour_map(density[::-1], highest), (-_HALF_WIDTH, _HALF_WIDTH, -_HALF_HEIGHT, _HALF_HEIGHT))
    _graticule(drawn)
    if n <= _DOTS_AT_MOST:
        drawn.dots(x, y, "kept")
    return drawn


def _polar_angles(polar_deg: Float) -> Chart:
    edges = np.linspace(0, 180, 37)
    count = np.histogram(polar_deg, edges)[0]
    even = len(polar_deg) * np.diff(-np.cos(np.deg2rad(edges))) / 2
    degrees = tuple((float(tick), f"{tick}") for tick in range(0, 181, 30))
    drawn = Chart(
        Axis("angle between particle's z axis and the tomogram's z axis, °", 0.0, 180.0, degrees),
        even_axis("particles", 0.0, 1.06 * float(max(count.max(), even.max())), whole=True),
    )
    drawn.bars(edges[:-1] + 0.25, edges[1:] - 0.25, count, "kept", "particles")
    drawn.line(np.repeat(edges, 2)[1:-1], np.repeat(even, 2), "second", "even distribution", dashed=True)
    return drawn


def mollweide(axis: Float) -> tuple[Float, Float]:
    """Project directions (n, 3) to an ellipse (Mollweide): equal areas of the sphere become equal areas."""
    longitude, latitude = np.arctan2(axis[:, 1], axis[:, 0]), np.arcsin(np.clip(axis[:, 2], -1, 1))
    theta = latitude.copy()
    target = np.pi * np.sin(latitude)
    for _ in range(60):  # Newton's steps; the floor of the slope keeps the poles in hand
        slope = np.maximum(2 + 2 * np.cos(2 * theta), 1e-3)
        theta = np.clip(theta - (2 * theta + np.sin(2 * theta) - target) / slope, -np.pi / 2, np.pi / 2)
    return _HALF_WIDTH * longitude / np.pi * np.cos(theta), _HALF_HEIGHT * np.sin(theta)


def _graticule(drawn: Chart) -> None:
    """Draw the rim, and circles of latitude and longitude every 30 and 60 degrees."""
    turn, rise = np.linspace(-np.pi, np.pi, 91), np.linspace(-np.pi / 2, np.pi / 2, 61)
    for latitude in np.deg2rad(np.arange(-60, 61, 30)):
        drawn.line(*mollweide(_direction(turn, np.full_like(turn, latitude))), "muted", width=0.5)
    for longitude in np.deg2rad(np.arange(-120, 121, 60)):
        drawn.line(*mollweide(_direction(np.full_like(rise, longitude), rise)), "muted", width=0.5)
    drawn.line(_HALF_WIDTH * np.cos(turn), _HALF_HEIGHT * np.sin(turn), "muted", width=1.2)
    drawn.words(0, 1.04 * _HALF_HEIGHT, "z")
    drawn.words(0.06, 0.03, "x", "start")


def _direction(longitude: Float, latitude: Float) -> Float:
    across = np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=1)
