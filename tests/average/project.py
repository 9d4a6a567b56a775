"""A tilt series of particles whose density is known: sums of Gaussians, projected, with CTF and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.table import Table, text_array
from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.frequency import half_frequency
from subtomo.physics.orientation import compose, euler_to_matrix, rotate
from subtomo.physics.projection import project, projection_from_angles

Float = NDArray[np.float64]

PIXEL_ANGSTROM = 10.0
IMAGE_SIZE = (200, 200)
TOMOGRAM_SIZE = (200, 200, 60)
N_PARTICLES = 16
N_TILTS = 15
BOX, CROP = 32, 24
SIGMA_PX = 1.5
ATOMS_PX = np.array([[4.0, 2.0, -3.0], [-4.0, 3.0, 1.0], [1.0, -5.0, 3.0], [-2.0, -2.0, -4.0], [0.0, 5.0, 3.0]])
"""(n, 3) x, y, z of the density in the particle's frame; it has no symmetry."""
SIZES = ("--b", str(BOX), "--crop", str(CROP))
_MICROSCOPE = (300.0, 2.7, 0.1)
_DEFOCUS_ANGSTROM = 25000.0


def density(atoms_px: Float = ATOMS_PX, size: int = CROP) -> Float:
    """Sample the density of atoms on a grid with its centre at ``size // 2``."""
    coordinate = np.arange(size) - size // 2
    total = np.zeros((size, size, size))
    for x, y, z in atoms_px:
        lines = [np.exp(-((coordinate - at) ** 2) / (2 * SIGMA_PX**2)) for at in (z, y, x)]
        total += lines[0][:, None, None] * lines[1][:, None] * lines[2]
    return total


def write_project(
    folder: Path, *, noise: float = 0.0, atoms_px: Float = ATOMS_PX, half_sets: bool = True, seed: int = 3
) -> None:
    """Write tomograms.star, particles.star, one tilt table and one stack.

    Particles are turned at random, by subtomogram angles and by angles, and have offsets of some ångströms.
    """
    random = np.random.default_rng(seed)
    angles, frames = (random.uniform(-180, 180, (N_PARTICLES, 3)) for _ in range(2))
    origin = random.uniform(-12, 12, (N_PARTICLES, 3))
    grid = np.stack(np.meshgrid(*[np.arange(4) * 40.0 - 60.0] * 2, [0.0]), axis=-1).reshape(-1, 3)
    truth = grid + random.uniform(-4, 4, grid.shape)
    frame, turn = euler_to_matrix(frames), euler_to_matrix(angles)
    places = truth + np.array(TOMOGRAM_SIZE) / 2
    points = places[:, None] + rotate(compose(frame, turn)[:, None], atoms_px)
    _write_images(folder, points.reshape(-1, 3), noise, random)
    centred = truth * PIXEL_ANGSTROM + rotate(frame, origin)
    columns = {
        "rlnTomoName": text_array(["TS"] * N_PARTICLES),
        "rlnTomoParticleName": text_array([f"TS/{i + 1}" for i in range(N_PARTICLES)]),
        "rlnOpticsGroup": format_ints([1] * N_PARTICLES),
        **_triple(
            ("rlnCenteredCoordinateXAngst", "rlnCenteredCoordinateYAngst", "rlnCenteredCoordinateZAngst"), centred
        ),
        **_triple(("rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi"), frames),
        **_triple(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), angles),
        **_triple(("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst"), origin),
    }
    if half_sets:
        columns["rlnRandomSubset"] = format_ints(np.arange(N_PARTICLES) % 2 + 1)
    write_tables(folder / "particles.star", [_optics(), Table("particles", columns)])


def _write_images(folder: Path, points: Float, noise: float, random: np.random.Generator) -> None:
    tilts = np.linspace(-52.0, 52.0, N_TILTS)
    angles = np.stack([np.zeros(N_TILTS), tilts, np.full(N_TILTS, 85.0)], axis=1)
    projection = projection_from_angles(angles, np.zeros((N_TILTS, 2)), IMAGE_SIZE, TOMOGRAM_SIZE)
    places = project(projection, points[:, None])
    width, height = IMAGE_SIZE
    terms = ctf_terms([[_DEFOCUS_ANGSTROM] * 2 + [0.0]], np.zeros(1), np.ones(1), np.zeros(1), _MICROSCOPE)
    ctf = ctf_values(terms, *half_frequency(width, PIXEL_ANGSTROM))[0]
    images = np.zeros((N_TILTS, height, width), np.float32)
    for tilt in range(N_TILTS):
        columns, rows = (
            np.exp(-((np.arange(n) - places[:, tilt, axis, None]) ** 2) / (2 * SIGMA_PX**2))
            for axis, n in enumerate(IMAGE_SIZE)
        )
        sharp = rows.T @ columns
        images[tilt] = np.fft.irfft2(-np.fft.rfft2(sharp) * ctf, s=sharp.shape)
    images += (noise * random.standard_normal(images.shape)).astype(np.float32)
    write_mrc(folder / "TS.mrcs", images, pixel_size_angstrom=PIXEL_ANGSTROM)
    zero = format_floats(np.zeros(N_TILTS))
    labels = ("rlnTomoXTilt", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst", "rlnDefocusAngle", "rlnMicrographPreExposure")
    columns = {
        "rlnMicrographName": text_array([f"{i + 1}@TS.mrcs" for i in range(N_TILTS)]),
        **dict.fromkeys(labels, zero),
        "rlnTomoYTilt": format_floats(tilts),
        "rlnTomoZRot": format_floats(angles[:, 2]),
        **{f"rlnDefocus{axis}": format_floats([_DEFOCUS_ANGSTROM] * N_TILTS) for axis in "UV"},
    }
    write_tables(folder / "TS.star", [Table("TS", columns)])
    size = dict(zip(("rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ"), TOMOGRAM_SIZE, strict=True))
    names = {"rlnTomoName": text_array(["TS"]), "rlnTomoTiltSeriesStarFile": text_array(["TS.star"])}
    numbers = {"rlnTomoHand": -1, **_microscope(), **size}
    overview = Table("global", names | {label: text_array([f"{value:g}"]) for label, value in numbers.items()})
    write_tables(folder / "tomograms.star", [overview])


def _optics() -> Table:
    numbers = {"rlnOpticsGroup": 1.0, **_microscope()}
    return Table("optics", {label: text_array([f"{value:g}"]) for label, value in numbers.items()})


def _microscope() -> dict[str, float]:
    labels = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnTomoTiltSeriesPixelSize")
    return dict(zip(labels, (*_MICROSCOPE, PIXEL_ANGSTROM), strict=True))


def _triple(labels: tuple[str, str, str], values: Float) -> dict[str, NDArray[np.generic]]:
    return {label: format_floats(values[:, axis]) for axis, label in enumerate(labels)}
