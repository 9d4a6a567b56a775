"""A simulated project whose picks truly have density: a slab of one structure, imaged with dose, defocus and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import format_floats, format_ints, write_tables
from subtomo.model.table import Table, text_array
from subtomo.simulation.particle import random_particle
from subtomo.simulation.scene import (
    MICROSCOPE,
    TILT_AXIS_DEG,
    Slab,
    lowest_tilts_first,
    random_angles_deg,
    slab_images,
)

Float = NDArray[np.float64]

PIXEL_SIZE = 6.0
BOX = 64
DEFOCUS_ANGSTROM = 25_000.0
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
    extent = np.array([*scene.image_size, scene.depth_px]) - [1.2 * BOX, 1.2 * BOX, 0.0]
    places = random.uniform(-0.5, 0.5, (scene.particles, 3)) * extent
    slab = Slab(
        image_size=scene.image_size,
        size_px=scene.size_px,
        pixel_size_angstrom=PIXEL_SIZE,
        defocus_angstrom=DEFOCUS_ANGSTROM,
        hand=scene.hand,
        tilts_deg=tilts,
        dose_e_per_a2=lowest_tilts_first(tilts, 90.0),
        places_px=places,
        angles_deg=random_angles_deg(scene.particles, random),
    )
    clean = slab_images(random_particle(400, 14.0, 0.8, np.random.default_rng(11)), slab, BOX)
    noise = random.normal(scale=np.sqrt(clean.var() / scene.snr), size=clean.shape)
    write_mrc(folder / "TS.mrcs", (noise - clean).astype(np.float32), pixel_size_angstrom=PIXEL_SIZE)
    _write_tomograms(folder, slab)
    _write_particles(folder, places, slab.angles_deg)


def _write_tomograms(folder: Path, slab: Slab) -> None:
    n, tilts = len(slab.tilts_deg), slab.tilts_deg
    columns = {
        "MicrographPreExposure": slab.dose_e_per_a2,
        **dict.fromkeys(("TomoXTilt", "TomoXShiftAngst", "TomoYShiftAngst", "DefocusAngle"), np.zeros(n)),
        "TomoYTilt": tilts,
        "TomoNominalStageTiltAngle": tilts,
        "TomoZRot": np.full(n, TILT_AXIS_DEG),
        **dict.fromkeys(("DefocusU", "DefocusV"), np.full(n, DEFOCUS_ANGSTROM)),
    }
    images = {"rlnMicrographName": text_array([f"{i + 1}@TS.mrcs" for i in range(n)])}
    write_tables(folder / "TS.star", [Table("TS", images | _texts(columns))])
    names = {"rlnTomoName": text_array(["TS"]), "rlnTomoTiltSeriesStarFile": text_array(["TS.star"])}
    sizes = {f"rlnTomoSize{axis}": format_ints([size]) for axis, size in zip("XYZ", slab.size_px, strict=True)}
    overview = names | sizes | _texts({"TomoHand": [slab.hand]} | OPTICS)
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
