"""Simulate a vesicle studded with copies of one molecule, and find the molecule from the membrane alone.

    python examples/studded_vesicle.py OUT

makes a RELION-5 project in OUT (one tilt series, a manifold), runs ``subtomo sample-manifold`` and
``subtomo refine --search prior`` on it, and draws the map beside the truth. The particles know the sphere only: none
knows how its molecule is turned about the normal.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mrcfile
import numpy as np
import vesicle as bare
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from subtomo import read_particles, read_tomograms
from subtomo.cli import main as subtomo
from subtomo.io.mrc_read import read_volume
from subtomo.io.mrc_write import write_mrc
from subtomo.physics.orientation import euler_to_matrix
from subtomo.report.surface_pictures import draw_surfaces
from subtomo.simulation.particle import random_particle

Float = NDArray[np.float64]

HEIGHT_PX = 14.0
"""Of a molecule's centre above the middle of the membrane."""
RADIUS_PX = 10.0
SIZE = 40
LEAN_DEG, SHIFT_PX = 5.0, 1.0
"""Standard deviations of the molecules from where the manifold has them."""
STARTS_AT_ANGSTROM = 60.0


def simulate(folder: Path, *, n_tilts: int = 41, noise: float = 2.0, spacing: float = 240.0, seed: int = 1) -> None:
    """Write tilt images, sampled particles, the truth and a blurred reference.

    Args:
        folder: The project; made if it does not exist.
        n_tilts: From -60° to 60°.
        noise: Standard deviation, in units of the signal's.
        spacing: Distance of molecules, Å.
        seed: Of molecules and noise.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    bare._write_metadata(folder, tilts := np.linspace(-60.0, 60.0, n_tilts))
    size = np.zeros((n_tilts, *bare.SIZE_PX[1::-1]), np.float32)
    mrcfile.write(folder / "vesicle.mrcs", size, overwrite=True)
    run(
        folder,
        f"sample-manifold --t tomograms.star --man manifolds.star --spacing {spacing:g} "
        f"--depth {-HEIGHT_PX * bare.PIXEL_ANGSTROM:g} --max_tilt 90 --centred --o sampled/",
    )
    tomograms = read_tomograms(folder / "tomograms.star", project=folder)
    particles = read_particles(folder / "sampled" / "particles.star", tomograms)
    molecule = random_particle(300, RADIUS_PX, 0.7, np.random.default_rng(7)).positions_px
    places = particles.coordinates / bare.PIXEL_ANGSTROM + np.array(bare.SIZE_PX) / 2
    n = len(places)
    lean = Rotation.from_rotvec(np.deg2rad(random.normal(0.0, LEAN_DEG / np.sqrt(2), (n, 3)) * [1, 1, 0]))
    turn = Rotation.from_euler("z", random.uniform(0.0, 360.0, (n, 1)), degrees=True)
    frames = euler_to_matrix(particles.subtomogram_angles_deg) @ (lean * turn).as_matrix()
    centres = places + random.normal(0.0, SHIFT_PX, (n, 3))
    studs = (np.einsum("nij,aj->nai", frames, molecule) + centres[:, None]).reshape(-1, 3)
    leaflets = [bare._on_sphere(random, 40_000) * (bare.RADIUS_PX + side) + bare.CENTRE_PX for side in (-2.0, 2.0)]
    angles = np.stack([np.zeros(n_tilts), tilts, np.full(n_tilts, 85.0)], axis=1)
    projection = bare.projection_from_angles(angles, np.zeros((n_tilts, 2)), bare.SIZE_PX[:2], bare.SIZE_PX)
    points = bare.project(projection, np.concatenate([*leaflets, studs])[:, None, :])
    images = np.stack([bare._image(points[:, tilt, :2]) for tilt in range(n_tilts)])
    images += random.normal(0.0, noise * images.std(), images.shape)
    mrcfile.write(folder / "vesicle.mrcs", images.astype(np.float32), overwrite=True)
    truth = density(molecule)
    spectrum = np.fft.fftn(truth)
    spectrum[frequency() > 1 / STARTS_AT_ANGSTROM] = 0.0
    for name, values in (("truth", truth), ("reference", np.fft.ifftn(spectrum).real)):
        write_mrc(folder / f"{name}.mrc", values.astype(np.float32), pixel_size_angstrom=bare.PIXEL_ANGSTROM)


def density(molecule: Float) -> Float:
    """Draw atoms (n, 3), pixels from the centre, into a volume (z, y, x)."""
    edges = [np.arange(SIZE + 1) - SIZE // 2 - 0.5] * 3
    return np.asarray(gaussian_filter(np.histogramdd(molecule[:, ::-1], bins=edges)[0], 0.7), np.float64)


def refine(folder: Path, *, rounds: int = 8) -> None:
    """Refine with what the manifold says, and nothing else."""
    run(
        folder,
        f"refine --i sampled/optimisation_set.star --b 64 --crop {SIZE} --ref reference.mrc --search prior "
        f"--sigma_tilt 10 --sigma-offset 20 --particle_diameter {2.4 * RADIUS_PX * bare.PIXEL_ANGSTROM:g} "
        f"--rounds {rounds} --o refined/",
    )


def frequency() -> Float:
    """Compute the spatial frequency of each voxel's transform, 1/Å."""
    axes = np.meshgrid(*[np.fft.fftfreq(SIZE, bare.PIXEL_ANGSTROM)] * 3, indexing="ij")
    return np.asarray(np.sqrt(sum(axis**2 for axis in axes)), np.float64)


def correlation(folder: Path, to_angstrom: float = 30.0) -> float:
    """Correlate the refined molecule with the truth in what the reference had nothing of, beyond 60 Å."""
    inside = sum(np.square(axis - SIZE // 2) for axis in np.indices((SIZE,) * 3)) < (RADIUS_PX + 2) ** 2
    fine = (frequency() > 1 / STARTS_AT_ANGSTROM) & (frequency() < 1 / to_angstrom)
    maps = [read_volume(folder / name)[0] * inside for name in ("refined/run_class001.mrc", "truth.mrc")]
    found, true = (np.fft.fftn(one)[fine] for one in maps)
    return float((found * true.conj()).real.sum() / np.sqrt((abs(found) ** 2).sum() * (abs(true) ** 2).sum()))


def run(folder: Path, command: str) -> None:
    """Run ``subtomo`` in the project's folder."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        if subtomo(command.split()) != 0:
            raise RuntimeError(f"subtomo {command} failed")
    finally:
        os.chdir(here)


def main(folder: Path) -> None:
    """Simulate, refine and draw."""
    simulate(folder)
    refine(folder)
    names = {"truth": "truth.mrc", "reference": "reference.mrc", "refined": "refined/run_class001.mrc"}
    draw_surfaces(
        folder / "studded-vesicle.png",
        {title: read_volume(folder / name)[0] for title, name in names.items()},
        bare.PIXEL_ANGSTROM,
    )
    print(f"correlation with the truth between 60 Å, where the reference ends, and 30 Å: {correlation(folder):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "studded-vesicle-output"))
