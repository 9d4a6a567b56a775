"""Pictures of a study of cost errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from subtomo.io.atomic import atomic_write

Float = NDArray[np.float64]

_COLOURS = {
    "2-D stacks": "#8c6bb1",
    "RELION": "#c0392b",
    "exact": "#e08e45",
    "whitened": "#7fb3d5",
    "whitened, corrected": "#2e7ebc",
    "whitened, exact": "#0b3c7d",
    "whitened, exact, completed": "#1b9e77",
}


class Costs(Protocol):
    """Costs of the same poses by images and by files; see `subtomo.jobs.cost_errors.Comparison`."""

    exact: Float
    costs: dict[str, Float]
    n_local: int


class Point(Protocol):
    """Cost errors at one setting; see `subtomo.jobs.fidelity.StudyPoint`."""

    @property
    def caption(self) -> str:
        """Name and value of what is scanned."""

    @property
    def value(self) -> float:
        """Of what is scanned."""

    @property
    def errors_percent(self) -> dict[str, tuple[float, float]]:
        """Kind of file to the error over all poses and near the true one."""

    @property
    def noise_power(self) -> dict[str, Float]:
        """Kind of whitened file to noise found over noise there is, per shell."""

    @property
    def example(self) -> Any:
        """The `Costs` of one particle."""


def draw_study(folder: str, points: Sequence[Point]) -> list[str]:
    """Draw cost errors and, for the first particle, costs by files against costs by images; return the files' names."""
    errors, costs = f"{folder}errors.png", f"{folder}costs.png"
    if len(points) > 1:
        _draw_curves(errors, points)
    else:
        _draw_bars(errors, points[0])
    noise = f"{folder}noise.png"
    _draw_costs(costs, points[0].example)
    draw_noise_power(noise, points[0].noise_power)
    return [errors, costs, noise]


def draw_noise_power(path: str, powers: Mapping[str, Float]) -> None:
    """Draw what relion_refine finds for the noise of whitened files over what it is, by shell."""
    figure = _figure(6.4, 3.2)
    axes = figure.subplots()
    axes.axhline(1.0, color="0.6", linewidth=0.8)
    for kind, power in powers.items():
        axes.plot(np.arange(1, len(power)), power[1:], "o-", color=_COLOURS[kind], label=kind, markersize=3)
    axes.set_yscale("log")
    axes.set_xlabel("shell")
    axes.set_ylabel("mean power over σ0²")
    axes.legend(fontsize=8, framealpha=0.9)
    _save(figure, path)


def _draw_bars(path: str, point: Point) -> None:
    figure = _figure(6.8, 3.4)
    axes = figure.subplots()
    kinds = list(point.errors_percent)[::-1]
    place = np.arange(len(kinds))
    for offset, index, caption, alpha in ((0.2, 0, "all poses", 0.45), (-0.2, 1, "near the true one", 1.0)):
        values = [point.errors_percent[kind][index] for kind in kinds]
        bars = axes.barh(place + offset, values, 0.38, color=[_COLOURS[kind] for kind in kinds], alpha=alpha)
        axes.bar_label(bars, [f"{value:.2g} %  {caption}" for value in values], padding=3, fontsize=7)
    axes.set_yticks(place, kinds)
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 6)
    axes.set_xlabel("cost error, % of the spread of the cost by tilt images")
    _save(figure, path)


def _draw_curves(path: str, points: Sequence[Point]) -> None:
    figure = _figure(6.4, 4.0)
    axes = figure.subplots()
    name = points[0].caption.split()[0]
    values = np.array([point.value for point in points])
    for kind, colour in _COLOURS.items():
        errors = [point.errors_percent[kind][1] for point in points]
        axes.plot(values, errors, "o-", color=colour, label=kind, markersize=4)
    axes.set_yscale("log")
    if values.min() > 0 and values.max() / values.min() >= 8:
        axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()
    axes.set_xlabel(name)
    axes.set_ylabel("cost error near the true pose, %")
    axes.grid(visible=True, color="0.92")
    axes.legend(fontsize=8, framealpha=0.9)
    _save(figure, path)


def _draw_costs(path: str, example: Costs) -> None:
    """Plot costs by files against costs by images, each scaled to the range from 0 to 1 near the true pose."""
    chosen = ("RELION", "2-D stacks", "whitened, exact", "whitened, exact, completed")
    figure = _figure(9.6, 2.8)
    near = slice(0, example.n_local)
    exact = _unit(example.exact[near])
    for axes, kind in zip(figure.subplots(1, len(chosen), sharey=True), chosen, strict=True):
        axes.plot(exact, _unit(example.costs[kind][near]), ".", color=_COLOURS[kind], markersize=4)
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
        axes.set_title(kind, fontsize=9)
        axes.set_xlabel("cost by tilt images", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.axes[0].set_ylabel("cost by files", fontsize=8)
    _save(figure, path)


def _unit(values: Float) -> Float:
    scaled: Float = (values - values.min()) / max(float(np.ptp(values)), 1e-30)
    return scaled


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | Path) -> None:
    with atomic_write(path) as stream:
        figure.savefig(stream, format="png", metadata={"Software": None})
