"""A tiny project folder: STAR files and MRC stacks, as RELION leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from subtomo.io.mrc_write import write_mrc
from subtomo.io.relion import read_particles, read_tomograms
from subtomo.io.star import find_table, format_floats, read_tables, write_tables
from subtomo.model.particles import ParticleSet
from subtomo.model.table import Table, text_array
from subtomo.model.tilt_series import TomogramSet
from tests.helpers.builders import PIXEL_SIZE, TOMOGRAM_SIZE, tilt_images

N_TILTS = 5
NAMES = ("TS_1", "TS_2")
COORDINATES = ((10.0, 20.0, -5.0), (-30.0, 5.0, 12.0), (0.0, -20.0, 0.0), (25.0, -15.0, 8.0))
"""Å from the centre; the first two are in the first tomogram, the others in the second."""


def write_project(folder: Path) -> None:
    """Write tomograms.star, particles.star, motion.star, and per tomogram a tilt table and a stack."""
    for seed, name in enumerate(NAMES):
        images = tilt_images(N_TILTS, seed=seed)
        write_mrc(folder / f"{name}.mrcs", images, pixel_size_angstrom=PIXEL_SIZE)
        write_tables(folder / f"{name}.star", [_tilt_table(name)])
    write_tables(folder / "tomograms.star", [_overview()])
    write_tables(folder / "particles.star", [_optics(), _particles()])
    write_motion(folder / "motion.star", [f"{NAMES[i // 2]}/{i + 1}" for i in range(4)], n_tilts=N_TILTS)


def write_motion(path: Path, names: list[str], *, n_tilts: int) -> None:
    """Write trajectories of a few ångströms."""
    shifts = {f"rlnOrigin{axis}Angst": format_floats(np.linspace(0, 4, n_tilts)) for axis in "XYZ"}
    general = Table("general", {"rlnParticleNumber": text_array([str(len(names))])}, is_list=True)
    write_tables(path, [general, *(Table(name, shifts) for name in names)])


def read_project(folder: Path, *, motion: bool = False) -> tuple[TomogramSet, ParticleSet]:
    """Read what `write_project` wrote; the current folder must be the project's."""
    tomograms = read_tomograms("tomograms.star")
    trajectories = folder / "motion.star" if motion else None
    return tomograms, read_particles("particles.star", tomograms, trajectories=trajectories)


def edit(path: Path, table_name: str, *, without: str = "", **columns: list[str]) -> None:
    """Remove or replace columns of one table of a STAR file."""
    tables = read_tables(path)
    assert find_table(tables, table_name) is not None
    for i, table in enumerate(tables):
        if table.name == table_name:
            changed = table.without(without)
            for label, values in columns.items():
                changed = changed.with_column(label, values)
            tables[i] = changed
    write_tables(path, tables)


def _repeat(n: int, **values: float) -> dict[str, object]:
    return {label: text_array([f"{value:g}"] * n) for label, value in values.items()}


def _overview() -> Table:
    x, y, z = TOMOGRAM_SIZE
    columns = {
        "rlnTomoName": text_array(NAMES),
        "rlnTomoTiltSeriesStarFile": text_array([f"{name}.star" for name in NAMES]),
        **_repeat(2, rlnTomoHand=-1, rlnVoltage=300, rlnSphericalAberration=2.7, rlnAmplitudeContrast=0.07),
        **_repeat(2, rlnTomoTiltSeriesPixelSize=PIXEL_SIZE, rlnTomoSizeX=x, rlnTomoSizeY=y, rlnTomoSizeZ=z),
    }
    return Table("global", columns)


def _tilt_table(name: str) -> Table:
    n = N_TILTS
    columns = {
        "rlnMicrographName": text_array([f"{i + 1}@{name}.mrcs" for i in range(n)]),
        "rlnMicrographPreExposure": format_floats(np.arange(n) * 3.0),
        "rlnTomoYTilt": format_floats(np.linspace(-40, 40, n)),
        **_repeat(n, rlnTomoXTilt=0, rlnTomoZRot=85, rlnTomoXShiftAngst=3, rlnTomoYShiftAngst=-2),
        **_repeat(n, rlnDefocusU=21000, rlnDefocusV=20500, rlnDefocusAngle=30),
    }
    return Table(name, columns)


def _optics() -> Table:
    columns = {
        "rlnOpticsGroup": text_array(["1"]),
        "rlnOpticsGroupName": text_array(["first"]),
        **_repeat(1, rlnVoltage=300, rlnSphericalAberration=2.7, rlnAmplitudeContrast=0.07),
        **_repeat(1, rlnTomoTiltSeriesPixelSize=PIXEL_SIZE),
    }
    return Table("optics", columns)


def _particles() -> Table:
    columns = {
        "rlnTomoName": text_array([NAMES[i // 2] for i in range(4)]),
        "rlnTomoParticleName": text_array([f"{NAMES[i // 2]}/{i + 1}" for i in range(4)]),
        **{
            f"rlnCenteredCoordinate{axis}Angst": format_floats(np.array(COORDINATES)[:, i])
            for i, axis in enumerate("XYZ")
        },
        **_repeat(4, rlnTomoSubtomogramRot=20, rlnTomoSubtomogramTilt=70, rlnTomoSubtomogramPsi=-30),
        **_repeat(4, rlnOpticsGroup=1),
    }
    return Table("particles", columns)
