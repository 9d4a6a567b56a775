"""The pictures of docs/conventions.md: axes, centres, Euler angles and hand, drawn with the package's own functions.

python examples/convention_pictures.py docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from subtomo.conventions import integer_centre
from subtomo.extraction.plan import plan_extraction
from subtomo.model.optics import Microscope
from subtomo.model.particles import ParticleSet
from subtomo.model.settings import ExtractionSettings
from subtomo.model.tilt_series import Tilts, TiltSeries, TomogramSet
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.projection import project, projection_from_angles

Float = NDArray[np.float64]

COLOURS = ("#c0392b", "#2e8b57", "#1f5fa8")
GREY = "0.45"
TILT_AXIS_DEG = 85.0
SIDE = 100
PIXEL_ANGSTROM, DEFOCUS_ANGSTROM = 10.0, 30_000.0


def projections(tilts: Float, size: int = SIDE, axis_deg: float = TILT_AXIS_DEG) -> Float:
    """Build the matrices of tilts about Y, (n, 4, 4), for a cubic tomogram and images of the same side."""
    angles = np.stack([np.zeros(len(tilts)), tilts, np.full(len(tilts), axis_deg)], axis=1)
    return projection_from_angles(angles, np.zeros((len(tilts), 2)), (size, size), (size,) * 3)


def draw_axes(folder: Path) -> None:
    """Draw the tomogram's axes, and where its tips fall in three tilt images."""
    figure = Figure(figsize=(9.6, 3.2), layout="constrained", dpi=130)
    tilts = np.array([-40.0, 0.0, 40.0])
    solid = figure.add_subplot(1, 4, 1, projection="3d")
    _draw_frame(solid, np.eye(3), labels=("x", "y", "z"))
    solid.set_title("the tomogram: tilt axis y,\nbeam along z at no tilt", fontsize=9)
    _tidy(solid)
    middle = np.full(3, SIDE / 2)
    tips = project(projections(tilts), (middle + 30.0 * np.eye(3))[:, None])
    origin = project(projections(tilts), middle[None])
    for tilt, angle in enumerate(tilts):
        panel = figure.add_subplot(1, 4, 2 + tilt)
        for axis, name in enumerate("xyz"):
            end, start = tips[axis, tilt], origin[tilt]
            _arrow(panel, start[:2], end[:2], COLOURS[axis])
            along = end[:2] - start[:2]
            reach = np.linalg.norm(along)
            beside = np.array([8.0 if axis == 2 else 0.0, 0.0 if reach > 1 else -8.0])
            place = end[:2] + along / max(float(reach), 1.0) * 6 + beside
            panel.text(*place, name, color=COLOURS[axis], ha="center", va="center", fontsize=11)
        if np.linalg.norm(tips[2, tilt, :2] - origin[tilt, :2]) < 1:
            panel.plot(*origin[tilt, :2], "o", color=COLOURS[2], markersize=9, markerfacecolor="none")
        panel.set(xlim=(-0.5, SIDE - 0.5), ylim=(-0.5, SIDE - 0.5), aspect="equal", xlabel="image x, px")
        panel.set_title(f"tilt image, Y tilt {angle:.0f}°", fontsize=9)
        panel.tick_params(labelsize=7)
        if tilt == 0:
            panel.set_ylabel("image y, px")
    figure.savefig(folder / "conventions-axes.png", metadata={"Software": None})


def draw_centres(folder: Path) -> None:
    """Draw the pixels of even and odd sides with the centre of images, of matrices and of coordinates."""
    figure = Figure(figsize=(9.6, 2.3), layout="constrained", dpi=130)
    for panel, size in zip(figure.subplots(1, 2), (8, 7), strict=True):
        for pixel in range(size):
            panel.add_patch(_square(pixel, is_centre=pixel == size // 2))
            panel.text(pixel, 0.0, str(pixel), ha="center", va="center", fontsize=9)
        marks = (
            (float(size // 2), 0.95, "centre of images and volumes: n // 2", GREY),
            (projected_centre(size), -0.85, "where matrices turn: int(n / 2)", COLOURS[0]),
            (planned_centre(size), -1.75, "coordinate 0 of particles: n / 2", COLOURS[2]),
        )
        for at, height, caption, colour in marks:
            edge = 0.5 * np.sign(height)
            panel.plot([at, at], [edge, height], color=colour, linewidth=1.6)
            panel.text(at + 0.12, height, f"{at:g}  {caption}", color=colour, va="center", fontsize=8.5)
        panel.set(xlim=(-0.8, 10.2), ylim=(-2.2, 1.4), aspect="equal")
        panel.set_title(f"{'even' if size % 2 == 0 else 'odd'} side, n = {size}", fontsize=9)
        panel.axis("off")
    figure.savefig(folder / "conventions-centres.png", metadata={"Software": None})


def projected_centre(size: int) -> float:
    """Find the x of the point that a projection leaves at the centre of the image, whatever the tilt."""
    at = float(integer_centre(size))
    point = project(projections(np.array([-60.0, 0.0, 60.0]), size), np.full((1, 3), at))
    if not np.allclose(point[..., :2], size // 2):
        raise RuntimeError(f"the point at {at:g} moves with the tilt: {point}")
    return at


def planned_centre(size: int) -> float:
    """Find the pixel of a particle whose centred coordinates are zero."""
    plan = plan_of(tomogram(np.zeros(1), size=size), np.zeros((1, 3)))
    return float(plan.positions_px[0, 0])


def draw_euler(folder: Path) -> None:
    """Draw how rot, tilt and psi turn the frame of a particle, one after the other."""
    rot, tilt, psi = 40.0, 50.0, 30.0
    steps = (
        ("rot 0°, tilt 0°, psi 0°", (0.0, 0.0, 0.0)),
        (f"psi {psi:g}° about z", (0.0, 0.0, psi)),
        (f"then tilt {tilt:g}° about y′", (0.0, tilt, psi)),
        (f"then rot {rot:g}° about z′", (rot, tilt, psi)),
    )
    figure = Figure(figsize=(9.6, 2.5), layout="constrained", dpi=130)
    for number, (title, angles) in enumerate(steps):
        panel = figure.add_subplot(1, 4, number + 1, projection="3d")
        _draw_frame(panel, np.eye(3), labels=("x", "y", "z"), faint=True)
        _draw_frame(panel, euler_to_matrix(np.array(angles)), labels=("x′", "y′", "z′"))
        panel.set_title(title, fontsize=9)
        _tidy(panel)
    figure.savefig(folder / "conventions-euler.png", metadata={"Software": None})


def draw_hand(folder: Path) -> None:
    """Draw the defocus of a particle above and below the tomogram's centre, and beside the axis, for both hands."""
    figure = Figure(figsize=(9.6, 3.2), layout="constrained", dpi=130)
    left, middle, right = figure.subplots(1, 3)
    tilts = np.linspace(-60.0, 60.0, 25)
    places = np.array([[0.0, 0.0, 400.0], [400.0, 0.0, 0.0], [0.0, 400.0, 0.0]])
    captions = ("400 Å along +z", "400 Å along +x", "400 Å along +y")
    for panel, hand in ((middle, 1.0), (right, -1.0)):
        offsets = plan_of(tomogram(tilts, hand=hand), places).defocus_offset_angstrom
        for offset, caption, colour in zip(offsets, captions, (COLOURS[2], COLOURS[0], COLOURS[1]), strict=True):
            panel.plot(tilts, (DEFOCUS_ANGSTROM + offset) / 1e4, color=colour, label=caption)
        panel.set(xlabel="Y tilt, degrees", ylim=(2.9, 3.1), xticks=(-60, -30, 0, 30, 60))
        panel.set_title(f"rlnTomoHand {hand:+g}", fontsize=9)
        panel.grid(visible=True, color="0.92")
        panel.tick_params(labelsize=8)
    middle.set_ylabel("defocus of the particle, µm")
    right.legend(fontsize=7.5, loc="lower left")
    _draw_side_view(left)
    figure.savefig(folder / "conventions-hand.png", metadata={"Software": None})


def _draw_side_view(panel: Any, tilt_deg: float = 40.0) -> None:
    """Draw the slab of a tilted tomogram as the matrices turn it, seen along the tilt axis."""
    matrix = projections(np.array([tilt_deg]), axis_deg=0.0)
    corners = np.array([[-40, 0, -8], [40, 0, -8], [40, 0, 8], [-40, 0, 8], [-40, 0, -8]], dtype=float)
    outline = project(matrix, (corners + SIDE / 2)[:, None])[:, 0] - SIDE / 2
    panel.fill(outline[:, 0], outline[:, 2] + SIDE / 2 - _depth_of_centre(matrix), color="0.9")
    for axis, name in ((0, "x"), (2, "z")):
        tip = project(matrix, (SIDE / 2 + 30.0 * np.eye(3)[axis])[None])[0]
        end = np.array([tip[0] - SIDE / 2, tip[2] - _depth_of_centre(matrix)])
        _arrow(panel, np.zeros(2), end, COLOURS[axis])
        panel.text(*(end * 1.2), name, color=COLOURS[axis], ha="center", va="center", fontsize=11)
    _arrow(panel, np.array([-46.0, -36.0]), np.array([-46.0, 36.0]), GREY)
    panel.text(-50, 0, "depth (beam axis)", rotation=90, ha="center", va="center", color=GREY, fontsize=8)
    panel.set(xlim=(-56, 50), ylim=(-48, 48), aspect="equal")
    panel.set_title(f"Y tilt {tilt_deg:+g}°, seen along the tilt axis", fontsize=9)
    panel.axis("off")


def _depth_of_centre(matrix: Float) -> float:
    return float(project(matrix, np.full((1, 3), SIDE / 2))[0, 2])


def tomogram(tilts: Float, *, size: int = SIDE, hand: float = 1.0) -> TiltSeries:
    """Describe a tilt series without images."""
    n = len(tilts)
    defocus = np.full(n, DEFOCUS_ANGSTROM)
    series = Tilts(
        projection=projections(tilts, size),
        dose_e_per_a2=np.zeros(n),
        defocus_u_angstrom=defocus,
        defocus_v_angstrom=defocus,
        astigmatism_deg=np.zeros(n),
        phase_shift_deg=np.zeros(n),
        scale=np.ones(n),
        b_factor_a2=np.zeros(n),
    )
    microscope = Microscope(300.0, 2.7, 0.1)
    return TiltSeries("TS", microscope, PIXEL_ANGSTROM, (size, size), (size,) * 3, series, hand=hand)


def plan_of(scene: TiltSeries, centred_angstrom: Float) -> Any:
    """Plan the extraction of particles at centred coordinates (n, 3)."""
    particles = ParticleSet.at("TS", centred_angstrom, pixel_size_angstrom=PIXEL_ANGSTROM, centred=True)
    settings = ExtractionSettings(box_size=4, min_tilts=0)
    return plan_extraction(TomogramSet((scene,)), particles, settings).series[0]


def _draw_frame(panel: Any, matrix: Float, labels: tuple[str, str, str], *, faint: bool = False) -> None:
    """Draw the images of the three axes, which are the columns of the matrix."""
    for axis, (colour, label) in enumerate(zip(COLOURS, labels, strict=True)):
        tip = matrix[:, axis]
        shade = "0.75" if faint else colour
        panel.quiver(0, 0, 0, *tip, color=shade, linewidth=1.0 if faint else 2.0, arrow_length_ratio=0.15)
        panel.text(*(tip * 1.22), label, color=shade, fontsize=8 if faint else 10, ha="center", va="center")


def _tidy(panel: Any) -> None:
    panel.set(xlim=(-0.8, 0.8), ylim=(-0.8, 0.8), zlim=(-0.3, 1.3))
    panel.view_init(elev=22, azim=-70)
    panel.set_box_aspect((1, 1, 1), zoom=1.05)
    panel.set_axis_off()


def _arrow(panel: Any, start: Float, end: Float, colour: str) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.0, "shrinkA": 0, "shrinkB": 0}
    panel.annotate("", xy=tuple(end), xytext=tuple(start), arrowprops=style)


def _square(pixel: int, *, is_centre: bool) -> Any:
    shade = "0.82" if is_centre else "white"
    return Rectangle((pixel - 0.5, -0.5), 1.0, 1.0, facecolor=shade, edgecolor="0.5", linewidth=0.8)


def main(folder: Path) -> None:
    """Draw all pictures."""
    for draw in (draw_axes, draw_centres, draw_euler, draw_hand):
        draw(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
