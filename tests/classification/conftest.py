"""A small project of two states and false picks, shared by the tests of classification."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.io.star import write_tables
from subtomo.model.table import Table, text_array
from subtomo.physics.orientation import matrix_to_euler
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.states import SimulatedStates, lacking, simulated_states

CONDITIONS = Conditions(
    box_size=48, crop_size=32, pixel_size_angstrom=5.0, n_tilts=15, dose_per_tilt=5.0, snr=0.05,
    defocus_angstrom=30_000.0,
)  # fmt: skip
WHOLE, LACKING = 26, 18
BETWEEN, GOLD = 16, 6
BUILD = (
    "--b",
    "48",
    "--crop",
    "32",
    "--no_ic",
    "--t",
    "tomograms.star",
    "--particle_diameter",
    "110",
    "--ini_high",
    "25",
)


def structures() -> list[GaussianParticle]:
    whole = random_particle(600, 9.0, 0.8, np.random.default_rng(7))
    return [whole, lacking(whole, 0.2, (1.0, 0.3, 0.2))]


@pytest.fixture(scope="session")
def simulated() -> SimulatedStates:
    return simulated_states(structures(), [WHOLE, LACKING], CONDITIONS, n_series=2, between=BETWEEN, gold=GOLD, seed=3)


@pytest.fixture(scope="session")
def made(simulated: SimulatedStates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project on disk."""
    root = tmp_path_factory.mktemp("project")
    write_project(root, simulated)
    write_particles(root / "true.star", simulated, simulated.state >= 0)
    write_particles(root / "all.star", simulated, np.ones(len(simulated.state), bool))
    write_particles(root / "unposed.star", simulated, simulated.state >= 0, with_angles=False)
    return root


def write_project(root: Path, simulated: SimulatedStates) -> None:
    """Write images, tilt series and tomograms.star."""
    (root / "tilt_series").mkdir()
    rows = []
    for series in simulated.tomograms:
        with mrcfile.new(root / f"{series.name}.mrcs") as file:
            file.set_data(np.asarray(series.images, np.float32))
        tilts = series.tilts
        columns = {
            "rlnMicrographName": [f"{tilt + 1}@{series.name}.mrcs" for tilt in range(series.n_tilts)],
            "rlnMicrographPreExposure": tilts.dose_e_per_a2,
            "rlnDefocusU": tilts.defocus_u_angstrom,
            "rlnDefocusV": tilts.defocus_v_angstrom,
            "rlnDefocusAngle": tilts.astigmatism_deg,
        }
        for row, axis in enumerate("XYZW"):
            matrix = tilts.projection[:, row]
            columns[f"rlnTomoProj{axis}"] = ["[" + ",".join(f"{value:.9g}" for value in four) + "]" for four in matrix]
        write_tables(root / f"tilt_series/{series.name}.star", [_table(series.name, columns)])
        rows.append((series.name, *series.size_px))
    overview = {
        "rlnTomoName": [row[0] for row in rows],
        "rlnTomoTiltSeriesStarFile": [f"tilt_series/{row[0]}.star" for row in rows],
        "rlnTomoTiltSeriesPixelSize": [series.pixel_size_angstrom for series in simulated.tomograms],
        "rlnVoltage": [300.0] * len(rows),
        "rlnSphericalAberration": [2.7] * len(rows),
        "rlnAmplitudeContrast": [0.1] * len(rows),
        "rlnTomoHand": [1.0] * len(rows),
        **{f"rlnTomoSize{axis}": [row[1 + at] for row in rows] for at, axis in enumerate("XYZ")},
    }
    write_tables(root / "tomograms.star", [_table("global", overview)])


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in the current folder."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_particles(path: Path, simulated: SimulatedStates, chosen: np.ndarray, *, with_angles: bool = True) -> None:
    """Write picks in their true poses."""
    particles, angles = simulated.particles, matrix_to_euler(simulated.rotation)
    columns = {
        "rlnTomoName": particles.tomogram_names[chosen],
        "rlnTomoParticleName": particles.names[chosen],
        **{
            f"rlnCenteredCoordinate{axis}Angst": simulated.coordinates_angstrom[chosen, at]
            for at, axis in enumerate("XYZ")
        },
        "rlnRandomSubset": np.asarray(particles.half_set)[chosen],
        "rlnOpticsGroup": np.ones(int(chosen.sum()), int),
        "myOwnColumn": [f"note{row}" for row in np.flatnonzero(chosen)],
    }
    if with_angles:
        columns |= {f"rlnAngle{name}": angles[chosen, at] for at, name in enumerate(("Rot", "Tilt", "Psi"))}
    pixel = simulated.tomograms[0].pixel_size_angstrom
    optics = {
        "rlnOpticsGroup": [1], "rlnOpticsGroupName": ["simulated"], "rlnVoltage": [300.0],
        "rlnSphericalAberration": [2.7], "rlnAmplitudeContrast": [0.1], "rlnTomoTiltSeriesPixelSize": [pixel],
    }  # fmt: skip
    write_tables(path, [_table("optics", optics), _table("particles", columns)])


def _table(name: str, columns: dict) -> Table:
    return Table(name, {label: text_array([str(value) for value in values]) for label, values in columns.items()})


def truth_map(particle: GaussianParticle) -> np.ndarray:
    """A structure on a grid, in arbitrary units."""
    values = particle.volume_values(32) * 32
    return np.fft.fftshift(np.fft.irfftn(values, s=(32,) * 3, axes=(0, 1, 2))).astype(np.float32)
