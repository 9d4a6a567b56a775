"""The pictures of docs/theory.md: what insertion does to density and weights, and how that is cured.

python examples/theory_pictures.py docs/images
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from subtomo import DataTerm, PseudoSubtomograms
from subtomo.jobs.noise_power import noise_power
from subtomo.report.fidelity import draw_noise_power
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.simulation import simulate

CROP = 64
RADII_PX = np.arange(2.0, 25.0, 2.0)
CONDITIONS = Conditions(snr=1e9, defocus_angstrom=25_000.0)
STYLES = {DataTerm.RELION: "#c0392b", DataTerm.CORRECTED: "#2e7ebc", DataTerm.EXACT: "#0b3c7d"}


def heights(term: DataTerm, radii: np.ndarray) -> list[float]:
    """Measure how high a Gaussian blob at each radius is against one at the centre, by its share of the volume."""
    found = []
    for radius in (0.0, *radii):
        place = np.array([[0.0, radius, 0.0]])
        blob = GaussianParticle(place, 2.0, np.ones(1))
        simulation = simulate(blob, CONDITIONS, np.random.default_rng(0))
        settings = replace(CONDITIONS.settings, data_term=term)
        item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
        y = CROP // 2 + round(radius)
        found.append(float(item.data[CROP // 2, y, CROP // 2]))
    return [height / found[0] for height in found[1:]]


def draw_damping(folder: Path, radii: np.ndarray = RADII_PX) -> None:
    """Draw the height of a blob against its distance from the centre."""
    figure = Figure(figsize=(6.0, 3.6), layout="constrained", dpi=120)
    axes = figure.subplots()
    for term, colour in STYLES.items():
        values = heights(term, radii)
        axes.plot(radii / (CROP / 2), values, "o-", color=colour, markersize=4, label=term.name.lower())
        print(f"height at half radius, {term.name.lower()}: {values[int(np.argmin(np.abs(radii - CROP / 4)))]:.3f}")
    axes.plot(radii / (CROP / 2), np.sinc(radii / CROP) ** 2, color="0.6", linewidth=0.9, label="sinc²(x / c)")
    axes.set_xlabel("distance from the centre, in units of the volume's radius")
    axes.set_ylabel("height of a blob")
    axes.set_ylim(0.5, 1.05)
    axes.grid(visible=True, color="0.92")
    axes.legend(fontsize=8, title="--data-term", title_fontsize=8)
    figure.savefig(folder / "theory-damping.png")


def draw_weights(folder: Path) -> None:
    """Draw a section of the weights and how they are spread within shells."""
    truth = random_particle(500, 12.0, 0.8, np.random.default_rng(0))
    simulation = simulate(truth, CONDITIONS, np.random.default_rng(0))
    item = PseudoSubtomograms(simulation.tomograms, simulation.particles, CONDITIONS.settings)[0]
    wrapped = np.fft.fftfreq(CROP, 1 / CROP)
    radius = np.sqrt(wrapped[:, None, None] ** 2 + wrapped[:, None] ** 2 + np.arange(CROP // 2 + 1) ** 2)
    figure = Figure(figsize=(7.6, 3.4), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=(0.75, 1.25))
    section = np.fft.fftshift(item.ctf2[:, 0], axes=0)
    image = left.imshow(np.log10(np.maximum(section, 1e-3)), origin="lower", cmap="viridis", extent=(0, 32, -32, 32))
    figure.colorbar(image, ax=left, label="log₁₀ of the summed CTF²", shrink=0.85)
    left.set_xlabel("x, Fourier voxels")
    left.set_ylabel("z, Fourier voxels")
    left.set_title("weights across the tilt axis", fontsize=9)
    for shell, colour in ((8, "#7fb3d5"), (16, "#2e7ebc"), (24, "#0b3c7d")):
        values = np.sort(item.ctf2[np.abs(radius - shell) < 0.5])[::-1]
        right.plot(np.linspace(0, 100, len(values)), values, color=colour, label=f"shell {shell}")
    right.set_yscale("log")
    right.set_ylim(1e-4, 20)
    right.set_xlabel("share of the shell's voxels, %")
    right.set_ylabel("summed CTF²")
    right.set_title("weights within one shell, sorted", fontsize=9)
    right.grid(visible=True, color="0.92")
    right.legend(fontsize=8)
    figure.savefig(folder / "theory-weights.png")


def draw_noise(folder: Path, n_particles: int = 16) -> None:
    """Draw what relion_refine finds for the noise of exact whitened files, before and after completion."""
    particle = random_particle(500, 12.0, 0.8, np.random.default_rng(0))
    powers = noise_power(particle, CONDITIONS, n_particles, seed=0)
    draw_noise_power(str(folder / "theory-noise.png"), powers)
    for kind, power in powers.items():
        shells = ", ".join(f"{shell}: {power[shell]:.2f}" for shell in (2, 4, 6, 8, 10, 14, 18, 22, 26, 30))
        print(f"mean power over that of the noise, {kind}: {shells}; farthest beyond 8: {abs(power[9:] - 1).max():.3f}")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    draw_damping(target)
    draw_weights(target)
    draw_noise(target)
