"""Charts of how particles are oriented in their tomograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from subtomo.physics.orientation import compose, euler_to_matrix
from subtomo.report.collect import ReportData
from subtomo.report.style import Picture, Theme, chart, quiet_frame, whole_numbers

Float = NDArray[np.float64]

_DOTS_AT_MOST = 3000
"""More directions than these are shown as densities."""
_HALF_WIDTH, _HALF_HEIGHT = 2 * np.sqrt(2), np.sqrt(2)


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
    n = len(axis)
    polar = np.rad2deg(np.arccos(np.clip(axis[:, 2], -1, 1)))
    x, y = mollweide(axis)

    def directions(axes: Any, theme: Theme) -> None:
        rim = Ellipse((0, 0), 2 * _HALF_WIDTH, 2 * _HALF_HEIGHT, transform=axes.transData)
        _graticule(axes, theme)
        if n <= _DOTS_AT_MOST:
            axes.scatter(x, y, s=9, color=theme.first, alpha=0.75, linewidths=0, zorder=3)
            return
        cells = int(np.clip(np.sqrt(n) / 2, 20, 40))
        drawn = axes.hexbin(
            x, y, gridsize=(cells, cells // 2), extent=(-_HALF_WIDTH, _HALF_WIDTH, -_HALF_HEIGHT, _HALF_HEIGHT),
            cmap="cividis", linewidths=0.2, C=np.full(n, 1 / (n * _cell_share(cells))), reduce_C_function=np.sum,
            mincnt=0, vmin=0, zorder=0,
        )  # fmt: skip
        drawn.set_clip_path(rim)
        bar = axes.figure.colorbar(drawn, ax=axes, orientation="horizontal", pad=0.02, shrink=0.7, aspect=28)
        bar.outline.set_visible(False)
        bar.ax.set_xlabel("particles, relative to an even distribution")

    def polar_angle(axes: Any, theme: Theme) -> None:
        edges = np.linspace(0, 180, 37)
        axes.hist(polar, edges, color=theme.first)
        even = n * np.diff(-np.cos(np.deg2rad(edges))) / 2
        axes.stairs(even, edges, color=theme.second, linewidth=1.6, linestyle="--", label="even distribution")
        axes.set_xlim(0, 180)
        whole_numbers(axes.yaxis)
        axes.set_ylim(0, 1.18 * axes.get_ylim()[1])
        axes.set_xticks(range(0, 181, 30))
        axes.set_xlabel("angle between particle's z axis and the tomogram's z axis, °")
        axes.set_ylabel("particles")
        axes.legend(loc="upper right")
        quiet_frame(axes, theme)

    near_plane = float(np.mean(np.abs(polar - 90) < 30))
    first = chart(
        "directions",
        f"Equal-area map of the directions of the z axes of {n} particles in the tomogram",
        "Directions of the particles' z axes in the tomogram, on an equal-area map with the tomogram's z axis at the "
        "top.",
        directions,
    )
    second = chart(
        "polar-angles",
        f"Histogram of the angle between z axes of particles and tomogram, {100 * near_plane:.0f} % within 60° to 120°",
        f"{100 * near_plane:.0f} % of the z axes lie within 30° of the tomogram's x y plane; of an even distribution "
        "50 %.",
        polar_angle,
    )
    return [first, second]


def _cell_share(cells: int) -> float:
    """Compute the share of the map's area in a hexagon: there are two per column and row of the grid."""
    rectangle = 4 * _HALF_WIDTH * _HALF_HEIGHT
    return float(rectangle / (2 * cells * (cells // 2)) / (np.pi * _HALF_WIDTH * _HALF_HEIGHT))


def mollweide(axis: Float) -> tuple[Float, Float]:
    """Project directions (n, 3) to an ellipse (Mollweide): equal areas of the sphere become equal areas."""
    longitude, latitude = np.arctan2(axis[:, 1], axis[:, 0]), np.arcsin(np.clip(axis[:, 2], -1, 1))
    theta = latitude.copy()
    target = np.pi * np.sin(latitude)
    for _ in range(60):  # Newton's steps; the floor of the slope keeps the iteration stable at the poles
        slope = np.maximum(2 + 2 * np.cos(2 * theta), 1e-3)
        theta = np.clip(theta - (2 * theta + np.sin(2 * theta) - target) / slope, -np.pi / 2, np.pi / 2)
    return _HALF_WIDTH * longitude / np.pi * np.cos(theta), _HALF_HEIGHT * np.sin(theta)


def _graticule(axes: Any, theme: Theme) -> None:
    """Draw the rim, and circles of latitude and longitude every 30 and 60 degrees."""
    turn = np.linspace(-np.pi, np.pi, 181)
    for latitude in np.deg2rad(np.arange(-60, 61, 30)):
        x, y = mollweide(_direction(turn, np.full_like(turn, latitude)))
        axes.plot(x, y, color=theme.muted, linewidth=0.5, alpha=0.7)
    rise = np.linspace(-np.pi / 2, np.pi / 2, 91)
    for longitude in np.deg2rad(np.arange(-120, 121, 60)):
        x, y = mollweide(_direction(np.full_like(rise, longitude), rise))
        axes.plot(x, y, color=theme.muted, linewidth=0.5, alpha=0.7)
    axes.plot(_HALF_WIDTH * np.cos(turn), _HALF_HEIGHT * np.sin(turn), color=theme.muted, linewidth=1.0)
    axes.text(0, 1.04 * _HALF_HEIGHT, "z", ha="center", va="bottom")
    axes.text(0.06, 0.03, "x", ha="left", va="bottom")
    axes.set_aspect("equal")
    axes.set_xlim(-1.03 * _HALF_WIDTH, 1.03 * _HALF_WIDTH)
    axes.set_ylim(-1.03 * _HALF_HEIGHT, 1.15 * _HALF_HEIGHT)
    axes.set_axis_off()


def _direction(longitude: Float, latitude: Float) -> Float:
    across = np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=1)
