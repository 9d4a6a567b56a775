"""Simulate a vesicle with proteins on its surface, and average its membrane in the frame of the manifold.

    python examples/vesicle.py OUT

makes a RELION-5 project in OUT (one tilt series, a manifold), runs ``subtomo sample-manifold`` and ``subtomo extract``
on it, and draws the average: the membrane lies perpendicular to z, with the proteins above it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from subtomo.cli import main as subtomo
from subtomo.io.mrc_read import read_volume
from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.frequency import half_frequency
from subtomo.physics.projection import project, projection_from_angles
from subtomo.report.sections import draw_volumes

Float = NDArray[np.float64]

PIXEL_ANGSTROM = 10.0
SIZE_PX = (256, 256, 160)
RADIUS_PX = 50.0
CENTRE_PX = np.array([131.0, 122.0, 78.0])
MICROSCOPE = (300.0, 2.7, 0.1)
DEFOCUS_ANGSTROM = 30000.0
DOSE_PER_TILT = 3.0


def simulate(folder: Path, *, n_tilts: int = 31, noise: float = 1.0, seed: int = 1) -> None:
    """Write tilt images, tomogram set and manifold of a vesicle.

    Args:
        folder: The project; made if it does not exist.
        n_tilts: From -60° to 60°.
        noise: Standard deviation, in units of the signal's.
        seed: Of atoms and noise.
    """
    random = np.random.default_rng(seed)
    tilts = np.linspace(-60.0, 60.0, n_tilts)
    angles = np.stack([np.zeros(n_tilts), tilts, np.full(n_tilts, 85.0)], axis=1)
    projection = projection_from_angles(angles, np.zeros((n_tilts, 2)), SIZE_PX[:2], SIZE_PX)
    points = project(projection, vesicle(random)[:, None, :])
    images = np.stack([_image(points[:, tilt, :2]) for tilt in range(n_tilts)])
    images += random.normal(0.0, noise * images.std(), images.shape)
    folder.mkdir(parents=True, exist_ok=True)
    mrcfile.write(folder / "vesicle.mrcs", images.astype(np.float32), overwrite=True)
    _write_metadata(folder, tilts)


def vesicle(random: np.random.Generator) -> Float:
    """Place atoms: two leaflets, 40 Å apart, and proteins that stand 60 to 110 Å above the middle of the membrane.

    Returns:
        (n, 3) decentred pixels.
    """
    leaflets = [_on_sphere(random, 40_000) * (RADIUS_PX + side) for side in (-2.0, 2.0)]
    normals = np.repeat(_on_sphere(random, 250), 120, axis=0)
    height = random.uniform(6.0, 11.0, (len(normals), 1))
    proteins = normals * (RADIUS_PX + height) + random.normal(0.0, 1.2, normals.shape)
    return CENTRE_PX + np.concatenate([*leaflets, proteins])


def average_membrane(folder: Path) -> NDArray[np.float32]:
    """Sample the manifold, extract the particles and sum them, all with the command line; give the quotient."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        commands = (
            "sample-manifold --t tomograms.star --man manifolds.star --spacing 60 --depth 0 --max_tilt 90 --centred "
            "--o sampled/",
            "extract --i sampled/optimisation_set.star --b 64 --crop 40 --bin 1 --sum --SNR 0.1 --no_writing "
            "--o average/",
        )
        for command in commands:
            if subtomo(command.split()) != 0:
                raise RuntimeError(f"subtomo {command} failed")
        return read_volume("average/sum_div.mrc")[0]
    finally:
        os.chdir(here)


def _on_sphere(random: np.random.Generator, n: int) -> Float:
    directions = random.normal(size=(n, 3))
    unit: Float = directions / np.linalg.norm(directions, axis=1)[:, None]
    return unit


def _image(points: Float) -> Float:
    """Project atoms into an image, dark on bright, and apply the CTF."""
    width, height = SIZE_PX[:2]
    edges = [np.arange(height + 1) - 0.5, np.arange(width + 1) - 0.5]
    density = np.histogram2d(points[:, 1], points[:, 0], bins=edges)[0]
    terms = ctf_terms([[DEFOCUS_ANGSTROM, DEFOCUS_ANGSTROM, 0.0]], np.zeros(1), np.ones(1), np.zeros(1), MICROSCOPE)
    ctf = ctf_values(terms, *half_frequency(width, PIXEL_ANGSTROM))[0]
    image: Float = np.fft.irfft2(-np.fft.rfft2(gaussian_filter(density, 0.7)) * ctf, s=(height, width))
    return image


def _write_metadata(folder: Path, tilts: Float) -> None:
    dose = DOSE_PER_TILT * np.argsort(np.argsort(np.abs(tilts), kind="stable"), kind="stable")
    rows = "".join(
        f"{i + 1:06d}@vesicle.mrcs {dose[i]:.2f} 0 {tilt:.3f} 85.0 0 0 {DEFOCUS_ANGSTROM} {DEFOCUS_ANGSTROM} 0\n"
        for i, tilt in enumerate(tilts)
    )
    labels = "MicrographName MicrographPreExposure TomoXTilt TomoYTilt TomoZRot TomoXShiftAngst TomoYShiftAngst "
    (folder / "vesicle.star").write_text(_loop("vesicle", labels + "DefocusU DefocusV DefocusAngle", rows))
    labels = "TomoName Voltage SphericalAberration AmplitudeContrast TomoTiltSeriesPixelSize TomoHand OpticsGroupName "
    kv, cs, contrast = MICROSCOPE
    row = f"vesicle {kv} {cs} {contrast} {PIXEL_ANGSTROM} -1 opticsGroup1 {' '.join(map(str, SIZE_PX))} vesicle.star\n"
    labels += "TomoSizeX TomoSizeY TomoSizeZ TomoTiltSeriesStarFile"
    (folder / "tomograms.star").write_text(_loop("global", labels, row))
    parameters = ",".join(f"{value:g}" for value in (*CENTRE_PX, RADIUS_PX))
    labels = "TomoManifoldIndex TomoManifoldType TomoManifoldParams"
    (folder / "manifolds.star").write_text(_loop("vesicle", labels, f"1 sphere [{parameters}]\n"))


def _loop(name: str, labels: str, rows: str) -> str:
    return f"\ndata_{name}\n\nloop_\n" + "".join(f"_rln{label}\n" for label in labels.split()) + rows + "\n"


if __name__ == "__main__":
    project_folder = Path(sys.argv[1] if len(sys.argv) > 1 else "vesicle-output")
    simulate(project_folder)
    average = average_membrane(project_folder)
    draw_volumes(
        project_folder / "average.png", {"membrane": average}, PIXEL_ANGSTROM, "Average in the manifold's frame"
    )
    print(f"picture of the average: {project_folder / 'average.png'}")
