"""Average simulated particles of a known structure, and compare the map with the truth.

    python examples/known_answer.py OUT

makes a RELION-5 project in OUT: one tilt series of a slab of particles, each with an orientation, a place and the
defocus of its depth, with dose damage and noise. ``subtomo extract`` and ``subtomo average`` run on it. The picture
shows the Fourier shell correlation between the half maps (under the mask), what it foretells for the merged map, and
that of the merged map with the truth.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from subtomo.cli import main as subtomo
from subtomo.fidelity.particle import GaussianParticle, random_particle
from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.table import Table, text_array
from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.fsc import first_shell_below, shell_correlation
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.projection import project, projection_from_angles, slice_axes
from subtomo.report.sections import draw_volumes

Float = NDArray[np.float64]

PIXEL_ANGSTROM = 4.0
BOX, CROP = 96, 48
SPACING_PX = 40.0
SLAB_PX = 100
TILT_AXIS_DEG = 85.0
DEFOCUS_ANGSTROM, HAND = 30_000.0, -1.0
MICROSCOPE = (300.0, 2.7, 0.1)
DIAMETER_ANGSTROM = 140.0
OPTICS = {
    "Voltage": [MICROSCOPE[0]],
    "SphericalAberration": [MICROSCOPE[1]],
    "AmplitudeContrast": [MICROSCOPE[2]],
    "TomoTiltSeriesPixelSize": [PIXEL_ANGSTROM],
}
COMMANDS = (
    f"extract --t tomograms.star --p particles.star --b {BOX} --crop {CROP} --o Extract/",
    f"average --p Extract/particles.star --particle_diameter {DIAMETER_ANGSTROM:g} --o Average/",
)


def known_structure() -> GaussianParticle:
    """Give the truth: 2500 Gaussians in lumps, without symmetry, 128 Å across."""
    return random_particle(2500, 16.0, 0.6, np.random.default_rng(11))


@dataclass(frozen=True, eq=False)
class Scene:
    """A slab of particles in front of the microscope."""

    size_px: tuple[int, int, int]
    tilts_deg: Float
    dose_e_per_a2: Float
    """(n_tilts,) before each image."""
    projection: Float
    """(n_tilts, 4, 4)."""
    places_px: Float
    """(n, 3) from the tomogram's centre."""
    angles_deg: Float
    """(n, 3) rot, tilt, psi."""


def make_scene(side: int, n_tilts: int, random: np.random.Generator) -> Scene:
    """Place side × side particles in random orientations; tilts from -60° to 60°, 120 e/Å² in all."""
    width = round(side * SPACING_PX) + 2 * BOX
    size = width, width, SLAB_PX
    tilts = np.linspace(-60.0, 60.0, n_tilts)
    angles = np.stack([np.zeros(n_tilts), tilts, np.full(n_tilts, TILT_AXIS_DEG)], axis=1)
    grid = (np.arange(side) - (side - 1) / 2) * SPACING_PX
    places = np.stack(np.meshgrid(grid, grid, [0.0], indexing="ij"), axis=-1).reshape(-1, 3)
    places += random.uniform(-1.0, 1.0, places.shape) * [3.0, 3.0, SLAB_PX / 4]
    turn, psi = random.uniform(-180.0, 180.0, (2, len(places)))
    lean = np.degrees(np.arccos(random.uniform(-1.0, 1.0, len(places))))
    return Scene(
        size_px=size,
        tilts_deg=tilts,
        dose_e_per_a2=120.0 / n_tilts * np.argsort(np.argsort(np.abs(tilts + 1e-6))),
        projection=projection_from_angles(angles, np.zeros((n_tilts, 2)), (width, width), size),
        places_px=places,
        angles_deg=np.stack([turn, lean, psi], axis=1),
    )


def tilt_images(truth: GaussianParticle, scene: Scene) -> Float:
    """Image turned copies of the truth with the CTF of their depth: (n_tilts, height, width), without noise."""
    n_tilts, width = len(scene.projection), scene.size_px[0]
    images = np.zeros((n_tilts, width, width))
    damage = dose_weights(scene.dose_e_per_a2, 0.0, BOX, PIXEL_ANGSTROM)
    centre = np.array(scene.size_px) / 2
    points = project(scene.projection, (scene.places_px + centre)[:, None])
    depth = points[..., 2] - project(scene.projection, centre[None])[..., 2]
    defocus = DEFOCUS_ANGSTROM + HAND * PIXEL_ANGSTROM * depth
    zero, one = np.zeros(n_tilts), np.ones(n_tilts)
    for particle, angles in enumerate(scene.angles_deg):
        terms = ctf_terms(np.stack([defocus[particle]] * 2 + [zero], axis=1), zero, one, zero, MICROSCOPE)
        factors = ctf_values(terms, *half_frequency(BOX, PIXEL_ANGSTROM)) * damage
        axes = slice_axes(scene.projection, euler_to_matrix(angles), 1.0)
        corners = np.floor(points[particle, :, :2] + 0.5).astype(int) - BOX // 2
        for tilt, (x, y) in enumerate(corners):
            across, down = points[particle, tilt, :2] - corners[tilt]
            turns = across * half_index(BOX) + down * wrapped_index(BOX)[:, None]
            values = truth.slice_values(axes[tilt], BOX) * factors[tilt] * np.exp(-2j * np.pi * turns / BOX)
            images[tilt, y : y + BOX, x : x + BOX] += np.fft.irfft2(values, s=(BOX, BOX)) * BOX
    return images


def simulate(folder: Path, *, side: int = 12, n_tilts: int = 41, snr: float = 0.02, seed: int = 5) -> None:
    """Write a project of side × side particles; ``snr`` is the images' variance against that of their noise."""
    random = np.random.default_rng(seed)
    scene = make_scene(side, n_tilts, random)
    clean = tilt_images(known_structure(), scene)
    noise = random.normal(scale=np.sqrt(clean.var() / snr), size=clean.shape)
    folder.mkdir(parents=True, exist_ok=True)
    write_mrc(folder / "TS.mrcs", (noise - clean).astype(np.float32), pixel_size_angstrom=PIXEL_ANGSTROM)
    _write_tomograms(folder, scene)
    _write_particles(folder, scene)


def average(folder: Path) -> dict[str, Float]:
    """Extract and average by the command line; give the correlations by shell, (c // 2 + 1,) each."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        for command in COMMANDS:
            if subtomo(command.split()) != 0:
                raise RuntimeError(f"subtomo {command} failed")
        maps = {name: read_volume(f"Average/{name}.mrc")[0] for name in ("half1", "half2", "merged", "mask")}
    finally:
        os.chdir(here)
    mask, truth = maps["mask"], true_map()
    halves = shell_correlation(maps["half1"] * mask, maps["half2"] * mask)
    positive = halves.clip(0.0)
    return {
        "half maps": halves,
        "foretold": np.sqrt(2.0 * positive / (1.0 + positive)),
        "truth": shell_correlation(maps["merged"] * mask, truth * mask),
    }


def true_map() -> Float:
    """Sample the known structure on the grid of the maps, (c, c, c) with its centre at ``c // 2``."""
    values = known_structure().volume_values(CROP)
    return np.fft.fftshift(np.fft.irfftn(values, s=(CROP,) * 3, axes=(0, 1, 2)))


def resolution(curve: Float, threshold: float) -> float:
    """Give the resolution in Å of the last shell before the curve falls below the threshold."""
    return CROP * PIXEL_ANGSTROM / (first_shell_below(curve, threshold) - 1)


def draw(folder: Path, curves: dict[str, Float]) -> None:
    """Draw the curves into fsc.png, and the map beside the truth into maps.png."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained", dpi=120)
    axes = figure.subplots()
    frequency = np.arange(CROP // 2) / (CROP * PIXEL_ANGSTROM)
    styles = {"truth": ("merged map against the truth", "#c0392b", "-", 2.2),
              "foretold": ("the same, foretold from the half maps", "#0b3c7d", "--", 1.4),
              "half maps": ("half maps against each other", "#3d8fd1", "-", 1.2)}  # fmt: skip
    for name, (caption, colour, style, width) in styles.items():
        axes.plot(frequency, curves[name][: CROP // 2], style, color=colour, linewidth=width, label=caption)
    for threshold in (0.5, 0.143):
        axes.axhline(threshold, color="0.55", linewidth=0.8, linestyle=":")
    ticks = np.arange(0, CROP // 2, 4) / (CROP * PIXEL_ANGSTROM)
    axes.set_xticks(ticks, ["∞", *(f"{1 / tick:.3g}" for tick in ticks[1:])])
    axes.set_xlabel("resolution, Å (even steps of 1/Å)")
    axes.set_ylabel("Fourier shell correlation")
    axes.set_xlim(0.0, frequency[-1])
    axes.set_ylim(-0.1, 1.05)
    axes.grid(visible=True, color="0.92")
    axes.legend(loc="lower left", fontsize=8)
    figure.savefig(folder / "fsc.png", metadata={"Software": None})
    maps = {"truth": true_map(), "average\n(filtered)": read_volume(folder / "Average/filtered.mrc")[0]}
    draw_volumes(folder / "maps.png", maps, PIXEL_ANGSTROM, "A known structure and its average")


def _write_tomograms(folder: Path, scene: Scene) -> None:
    n = len(scene.tilts_deg)
    columns = {
        "MicrographPreExposure": scene.dose_e_per_a2,
        **dict.fromkeys(("TomoXTilt", "TomoXShiftAngst", "TomoYShiftAngst", "DefocusAngle"), np.zeros(n)),
        "TomoYTilt": scene.tilts_deg,
        "TomoZRot": np.full(n, TILT_AXIS_DEG),
        **dict.fromkeys(("DefocusU", "DefocusV"), np.full(n, DEFOCUS_ANGSTROM)),
    }
    images = {"rlnMicrographName": text_array([f"{i + 1}@TS.mrcs" for i in range(n)])}
    write_tables(folder / "TS.star", [Table("TS", images | _texts(columns))])
    names = {"rlnTomoName": text_array(["TS"]), "rlnTomoTiltSeriesStarFile": text_array(["TS.star"])}
    sizes = {f"rlnTomoSize{axis}": format_ints([size]) for axis, size in zip("XYZ", scene.size_px, strict=True)}
    write_tables(folder / "tomograms.star", [Table("global", names | sizes | _texts({"TomoHand": [HAND]} | OPTICS))])


def _write_particles(folder: Path, scene: Scene) -> None:
    n = len(scene.places_px)
    numbers = {f"CenteredCoordinate{axis}Angst": scene.places_px[:, i] * PIXEL_ANGSTROM for i, axis in enumerate("XYZ")}
    numbers |= {f"Angle{name}": scene.angles_deg[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
    integers = {"rlnOpticsGroup": format_ints([1] * n), "rlnRandomSubset": format_ints(np.arange(n) % 2 + 1)}
    particles = {"rlnTomoName": text_array(["TS"] * n)} | integers | _texts(numbers)
    optics = Table("optics", {"rlnOpticsGroup": format_ints([1])} | _texts(OPTICS))
    write_tables(folder / "particles.star", [optics, Table("particles", particles)])


def _texts(columns: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.generic]]:
    return {f"rln{label}": format_floats(values) for label, values in columns.items()}


def main() -> None:
    """Simulate, average, draw, and print resolutions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("known-answer-output"))
    parser.add_argument("--side", type=int, default=12, help="side × side particles")
    parser.add_argument("--tilts", type=int, default=41)
    parser.add_argument("--snr", type=float, default=0.02, help="variance of the images against that of their noise")
    arguments = parser.parse_args()
    simulate(arguments.folder, side=arguments.side, n_tilts=arguments.tilts, snr=arguments.snr)
    curves = average(arguments.folder)
    draw(arguments.folder, curves)
    difference = np.abs(curves["foretold"] - curves["truth"])[1 : first_shell_below(curves["half maps"], 0.143)]
    print(
        f"half maps, FSC 0.143                   {resolution(curves['half maps'], 0.143):.1f} Å\n"
        f"merged map against the truth, FSC 0.5  {resolution(curves['truth'], 0.5):.1f} Å\n"
        f"foretold less true, up to there        at most {difference.max():.3f}, {difference.mean():.3f} on average"
    )


if __name__ == "__main__":
    main()
