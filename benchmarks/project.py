"""A simulated RELION-5 project: one tilt series of noise, its tables, and particle sets that fit inside.

    python -m benchmarks.project FOLDER WIDTH HEIGHT float32

writes the series and its tables into FOLDER: in a process of its own, for the peak memory of a process is handed on to
the processes that it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import mrcfile
import numpy as np

PIXEL_ANGSTROM = 2.0
N_TILTS = 41
DEPTH_PX = 400
DOSE_PER_TILT = 3.0
NAME = "TS_1"
WIDTH_PX = 1440
"""Width and height of the images of the common project."""


def write_series(folder: Path, width: int, height: int, dtype: str, *, seed: int = 1) -> None:
    """Write stack.mrcs (noise), tomograms.star and tilts.star, and subsets of the tilts as tomograms_N.star."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    mode = {"float32": 2, "int16": 1}[dtype]
    with mrcfile.new_mmap(folder / "stack.mrcs", (N_TILTS, height, width), mode, overwrite=True) as stack:
        noise = random.standard_normal((height, width), np.float32) * 100.0
        for tilt in range(N_TILTS):
            # shifted copies of one image of noise: no two tilts are equal, and it does not take long
            stack.data[tilt] = np.roll(noise, 37 * tilt, axis=0).astype(dtype)
        stack.voxel_size = (PIXEL_ANGSTROM, PIXEL_ANGSTROM, 1.0)
    for n_tilts in (11, 21, N_TILTS):
        write_tables(folder, width, height, n_tilts)


def write_tables(folder: Path, width: int, height: int, n_tilts: int) -> None:
    """Write the tables of a tilt series of which every so-many-th tilt is used, ±60 degrees."""
    used = np.linspace(0, N_TILTS - 1, n_tilts).round().astype(int)
    angles = np.linspace(-60.0, 60.0, N_TILTS)[used]
    dose = DOSE_PER_TILT * np.argsort(np.argsort(np.abs(angles), kind="stable"), kind="stable")
    suffix = "" if n_tilts == N_TILTS else f"_{n_tilts}"
    labels = (
        "MicrographName MicrographPreExposure TomoXTilt TomoYTilt TomoZRot TomoXShiftAngst TomoYShiftAngst DefocusU "
        "DefocusV DefocusAngle CtfScalefactor"
    )
    rows = [
        [f"{tilt + 1}@stack.mrcs", f"{spent:.2f}", "0", f"{angle:.3f}", "85", "3", "-2", "25000", "24500", "30",
         f"{np.cos(np.deg2rad(angle)):.5f}"]
        for tilt, angle, spent in zip(used, angles, dose, strict=True)
    ]  # fmt: skip
    (folder / f"tilts{suffix}.star").write_text(loop(NAME, labels, rows))
    labels = (
        "TomoName Voltage SphericalAberration AmplitudeContrast TomoTiltSeriesPixelSize TomoHand OpticsGroupName "
        "TomoSizeX TomoSizeY TomoSizeZ TomoTiltSeriesStarFile"
    )
    row = [NAME, 300.0, 2.7, 0.07, PIXEL_ANGSTROM, -1, "optics1", width, height, DEPTH_PX, f"tilts{suffix}.star"]
    (folder / f"tomograms{suffix}.star").write_text(loop("global", labels, [row]))


def write_particles(folder: Path, n: int, patch_size: int, *, seed: int = 2) -> str:
    """Write n particles, patches of which lie inside all images of the common project; give the file's name.

    Args:
        folder: The project.
        n: Number of particles.
        patch_size: Side of the squares to be cut out, pixels of the images.
        seed: Of positions and angles.
    """
    random = np.random.default_rng(seed)
    radius = WIDTH_PX / 2 - patch_size / 2 - 8
    depth = min(100.0, radius / 2)
    # rotated by whatever angle, a point of this disc stays inside
    distance = np.sqrt(random.uniform(0, 1, n) * (radius**2 - depth**2))
    azimuth = random.uniform(0, 2 * np.pi, n)
    position = np.stack(
        [distance * np.cos(azimuth), distance * np.sin(azimuth), random.uniform(-depth, depth, n)], axis=1
    )
    angles = random.uniform((-180, 0, -180), (180, 180, 180), (n, 3))
    rows = [
        [NAME, f"{NAME}/{i + 1}", 1, 1 + i % 2]
        + [f"{value:.4f}" for value in (*(position[i] * PIXEL_ANGSTROM), 0, 0, 0, *angles[i], 0, 0, 0)]
        for i in range(n)
    ]
    labels = (
        "TomoName TomoParticleName OpticsGroup RandomSubset CenteredCoordinateXAngst CenteredCoordinateYAngst "
        "CenteredCoordinateZAngst OriginXAngst OriginYAngst OriginZAngst TomoSubtomogramRot TomoSubtomogramTilt "
        "TomoSubtomogramPsi AngleRot AngleTilt AnglePsi"
    )
    optics = "OpticsGroup OpticsGroupName Voltage SphericalAberration AmplitudeContrast TomoTiltSeriesPixelSize"
    text = loop("optics", optics, [[1, "optics1", 300.0, 2.7, 0.07, PIXEL_ANGSTROM]]) + loop("particles", labels, rows)
    name = f"particles_{n}_{patch_size}.star"
    (folder / name).write_text(text)
    return name


def loop(name: str, labels: str, rows: Iterable[Sequence[object]]) -> str:
    """Lay out a STAR table."""
    header = "".join(f"_rln{label} #{i + 1}\n" for i, label in enumerate(labels.split()))
    return f"\ndata_{name}\n\nloop_\n{header}" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "\n"


if __name__ == "__main__":
    write_series(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
