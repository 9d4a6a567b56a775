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
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from subtomo.cli import main as subtomo
from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.table import Table, text_array
from subtomo.physics.fsc import filter_shells, first_shell_below, shell_correlation
from subtomo.report.sections import draw_volumes
from subtomo.report.surface_pictures import draw_surfaces
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.scene import MICROSCOPE, TILT_AXIS_DEG, Slab, lowest_tilts_first, random_angles_deg, slab_images

Float = NDArray[np.float64]

PIXEL_ANGSTROM = 4.0
BOX, CROP = 96, 48
SPACING_PX = 40.0
SLAB_PX = 100
DEFOCUS_ANGSTROM, HAND = 30_000.0, -1.0
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


def make_slab(side: int, n_tilts: int, random: np.random.Generator) -> Slab:
    """Place side × side particles in random orientations; tilts from -60° to 60°, 120 e/Å² in all."""
    width = round(side * SPACING_PX) + 2 * BOX
    tilts = np.linspace(-60.0, 60.0, n_tilts)
    grid = (np.arange(side) - (side - 1) / 2) * SPACING_PX
    places = np.stack(np.meshgrid(grid, grid, [0.0], indexing="ij"), axis=-1).reshape(-1, 3)
    places += random.uniform(-1.0, 1.0, places.shape) * [3.0, 3.0, SLAB_PX / 4]
    return Slab(
        image_size=(width, width),
        size_px=(width, width, SLAB_PX),
        pixel_size_angstrom=PIXEL_ANGSTROM,
        defocus_angstrom=DEFOCUS_ANGSTROM,
        hand=HAND,
        tilts_deg=tilts,
        dose_e_per_a2=lowest_tilts_first(tilts, 120.0),
        places_px=places,
        angles_deg=random_angles_deg(len(places), random),
    )


def simulate(folder: Path, *, side: int = 12, n_tilts: int = 41, snr: float = 0.02, seed: int = 5) -> None:
    """Write a project of side × side particles; ``snr`` is the images' variance against that of their noise."""
    random = np.random.default_rng(seed)
    slab = make_slab(side, n_tilts, random)
    clean = slab_images(known_structure(), slab, BOX)
    noise = random.normal(scale=np.sqrt(clean.var() / snr), size=clean.shape)
    folder.mkdir(parents=True, exist_ok=True)
    write_mrc(folder / "TS.mrcs", (noise - clean).astype(np.float32), pixel_size_angstrom=PIXEL_ANGSTROM)
    _write_tomograms(folder, slab)
    _write_particles(folder, slab)


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
    # at the same resolution, and so that both enclose the same volume: a fifth of a ball as wide as the structure
    kept = np.arange(CROP // 2 + 1) < first_shell_below(curves["half maps"], 0.143)
    surfaces = {"truth": filter_shells(true_map(), kept.astype(np.float64)), "average": maps["average\n(filtered)"]}
    draw_surfaces(folder / "surfaces.png", surfaces, PIXEL_ANGSTROM, 0.2 * np.pi / 6 * 128.0**3)


def _write_tomograms(folder: Path, slab: Slab) -> None:
    n = len(slab.tilts_deg)
    columns = {
        "MicrographPreExposure": slab.dose_e_per_a2,
        **dict.fromkeys(("TomoXTilt", "TomoXShiftAngst", "TomoYShiftAngst", "DefocusAngle"), np.zeros(n)),
        "TomoYTilt": slab.tilts_deg,
        "TomoZRot": np.full(n, TILT_AXIS_DEG),
        **dict.fromkeys(("DefocusU", "DefocusV"), np.full(n, DEFOCUS_ANGSTROM)),
    }
    images = {"rlnMicrographName": text_array([f"{i + 1}@TS.mrcs" for i in range(n)])}
    write_tables(folder / "TS.star", [Table("TS", images | _texts(columns))])
    names = {"rlnTomoName": text_array(["TS"]), "rlnTomoTiltSeriesStarFile": text_array(["TS.star"])}
    sizes = {f"rlnTomoSize{axis}": format_ints([size]) for axis, size in zip("XYZ", slab.size_px, strict=True)}
    write_tables(folder / "tomograms.star", [Table("global", names | sizes | _texts({"TomoHand": [HAND]} | OPTICS))])


def _write_particles(folder: Path, slab: Slab) -> None:
    n = len(slab.places_px)
    numbers = {f"CenteredCoordinate{axis}Angst": slab.places_px[:, i] * PIXEL_ANGSTROM for i, axis in enumerate("XYZ")}
    numbers |= {f"Angle{name}": slab.angles_deg[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
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
