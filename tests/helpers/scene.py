"""A simulated project whose picks truly have density: a slab of one structure, imaged with dose, defocus and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.fidelity.particle import GaussianParticle, random_particle
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.table import Table, text_array
from subtomo.physics.ctf import ctf_terms, ctf_values
from subtomo.physics.dose import dose_weights
from subtomo.physics.frequency import half_frequency, half_index, wrapped_index
from subtomo.physics.orientation import euler_to_matrix
from subtomo.physics.projection import project, projection_from_angles, slice_axes

Float = NDArray[np.float64]

PIXEL_SIZE = 6.0
BOX = 64
DEFOCUS_ANGSTROM = 25_000.0
MICROSCOPE = (300.0, 2.7, 0.1)
OPTICS = {
    "Voltage": [MICROSCOPE[0]],
    "SphericalAberration": [MICROSCOPE[1]],
    "AmplitudeContrast": [MICROSCOPE[2]],
    "TomoTiltSeriesPixelSize": [PIXEL_SIZE],
}


@dataclass(frozen=True)
class Scene:
    """What is imaged, and how."""

    particles: int = 70
    tilts: int = 15
    image_size: tuple[int, int] = (560, 420)
    depth_px: int = 160
    hand: float = -1.0
    """The true one, that the images are made with and the files say."""
    snr: float = 0.1
    """Variance of the images against that of their noise."""
    seed: int = 1

    @property
    def size_px(self) -> tuple[int, int, int]:
        """Of the tomogram: one and a half of the depth, so that particles do not touch its faces."""
        return *self.image_size, int(1.5 * self.depth_px) // 2 * 2


def write_scene(folder: Path, scene: Scene = Scene()) -> None:
    """Write ``tomograms.star``, ``TS.star``, ``TS.mrcs`` and ``particles.star``; particles fill the tomogram evenly."""
    random = np.random.default_rng(scene.seed)
    folder.mkdir(parents=True, exist_ok=True)
    tilts = np.linspace(-54.0, 54.0, scene.tilts)
    dose = 90.0 / scene.tilts * np.argsort(np.argsort(np.abs(tilts + 1e-6)))
    angles = np.stack([np.zeros(scene.tilts), tilts, np.full(scene.tilts, 85.0)], axis=1)
    projection = projection_from_angles(angles, np.zeros((scene.tilts, 2)), scene.image_size, scene.size_px)
    extent = np.array([*scene.image_size, scene.depth_px]) - [1.2 * BOX, 1.2 * BOX, 0.0]
    places = random.uniform(-0.5, 0.5, (scene.particles, 3)) * extent
    turn, psi = random.uniform(-180.0, 180.0, (2, scene.particles))
    lean = np.degrees(np.arccos(random.uniform(-1.0, 1.0, scene.particles)))
    eulers = np.stack([turn, lean, psi], axis=1)
    clean = _images(scene, projection, dose, places, eulers)
    noise = random.normal(scale=np.sqrt(clean.var() / scene.snr), size=clean.shape)
    write_mrc(folder / "TS.mrcs", (noise - clean).astype(np.float32), pixel_size_angstrom=PIXEL_SIZE)
    _write_tomograms(folder, scene, tilts, dose)
    _write_particles(folder, places, eulers)


def _images(scene: Scene, projection: Float, dose: Float, places: Float, eulers: Float) -> Float:
    """Image turned copies of the structure with the CTF of their depth: (n_tilts, height, width), without noise."""
    truth: GaussianParticle = random_particle(400, 14.0, 0.8, np.random.default_rng(11))
    width, height = scene.image_size
    images = np.zeros((scene.tilts, height + 2 * BOX, width + 2 * BOX))
    damage = dose_weights(dose, 0.0, BOX, PIXEL_SIZE)
    centre = np.array(scene.size_px) / 2
    points = project(projection, (places + centre)[:, None])
    depth = points[..., 2] - project(projection, centre[None])[..., 2]
    defocus = DEFOCUS_ANGSTROM + scene.hand * PIXEL_SIZE * depth
    zero, one = np.zeros(scene.tilts), np.ones(scene.tilts)
    for particle, angles in enumerate(eulers):
        terms = ctf_terms(np.stack([defocus[particle]] * 2 + [zero], axis=1), zero, one, zero, MICROSCOPE)
        factors = ctf_values(terms, *half_frequency(BOX, PIXEL_SIZE)) * damage
        axes = slice_axes(projection, euler_to_matrix(angles), 1.0)
        corners = np.floor(points[particle, :, :2] + 0.5).astype(int) - BOX // 2
        for tilt, (x, y) in enumerate(corners):
            if not (-BOX <= x <= width and -BOX <= y <= height):
                continue  # quite outside of this image
            across, down = points[particle, tilt, :2] - corners[tilt]
            turns = across * half_index(BOX) + down * wrapped_index(BOX)[:, None]
            values = truth.slice_values(axes[tilt], BOX) * factors[tilt] * np.exp(-2j * np.pi * turns / BOX)
            images[tilt, y + BOX : y + 2 * BOX, x + BOX : x + 2 * BOX] += np.fft.irfft2(values, s=(BOX, BOX)) * BOX
    return images[:, BOX:-BOX, BOX:-BOX]


def _write_tomograms(folder: Path, scene: Scene, tilts: Float, dose: Float) -> None:
    n = scene.tilts
    columns = {
        "MicrographPreExposure": dose,
        **dict.fromkeys(("TomoXTilt", "TomoXShiftAngst", "TomoYShiftAngst", "DefocusAngle"), np.zeros(n)),
        "TomoYTilt": tilts,
        "TomoNominalStageTiltAngle": tilts,
        "TomoZRot": np.full(n, 85.0),
        **dict.fromkeys(("DefocusU", "DefocusV"), np.full(n, DEFOCUS_ANGSTROM)),
    }
    images = {"rlnMicrographName": text_array([f"{i + 1}@TS.mrcs" for i in range(n)])}
    write_tables(folder / "TS.star", [Table("TS", images | _texts(columns))])
    names = {"rlnTomoName": text_array(["TS"]), "rlnTomoTiltSeriesStarFile": text_array(["TS.star"])}
    sizes = {f"rlnTomoSize{axis}": format_ints([size]) for axis, size in zip("XYZ", scene.size_px, strict=True)}
    overview = names | sizes | _texts({"TomoHand": [scene.hand]} | OPTICS)
    write_tables(folder / "tomograms.star", [Table("global", overview)])


def _write_particles(folder: Path, places: Float, eulers: Float) -> None:
    n = len(places)
    numbers: dict[str, ArrayLike] = {
        f"CenteredCoordinate{axis}Angst": places[:, i] * PIXEL_SIZE for i, axis in enumerate("XYZ")
    }
    numbers |= {f"Angle{name}": eulers[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
    names = {"rlnTomoName": text_array(["TS"] * n), "rlnTomoParticleName": text_array(f"TS/{i + 1}" for i in range(n))}
    optics = Table("optics", {"rlnOpticsGroup": format_ints([1])} | _texts(OPTICS))
    table = Table("particles", names | {"rlnOpticsGroup": format_ints([1] * n)} | _texts(numbers))
    write_tables(folder / "particles.star", [optics, table])


def _texts(columns: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.str_]]:
    return {f"rln{label}": format_floats(values) for label, values in columns.items()}
