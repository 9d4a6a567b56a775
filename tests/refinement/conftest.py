"""A small set of simulated picks, shared by the tests of refinement."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.alignment.voxels import voxels_of
from subtomo.io.star import write_tables
from subtomo.jobs.refine_sources import RefinementSource, from_tilts
from subtomo.model.settings import DataTerm, ExtractionSettings
from subtomo.model.table import Table, text_array
from subtomo.physics.orientation import euler_to_matrix, matrix_to_euler
from subtomo.refinement.poses import Poses, Priors
from subtomo.refinement.rounds import Refinement
from subtomo.refinement.settings import RefinementSettings
from subtomo.refinement.store import TermStore
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.picks import SimulatedPicks, simulated_picks

CONDITIONS = Conditions(
    box_size=48,
    crop_size=32,
    pixel_size_angstrom=5.0,
    n_tilts=21,
    dose_per_tilt=4.0,
    snr=0.05,
    defocus_angstrom=30_000.0,
)
EXTRACTION = ExtractionSettings(box_size=48, crop_size=32, invert_contrast=False, data_term=DataTerm.EXACT)


DIAMETER = 110.0


def prepared(
    picks: SimulatedPicks, extraction: ExtractionSettings = EXTRACTION, diameter: float = DIAMETER, **settings: object
) -> tuple[Refinement, Poses, RefinementSource]:
    """Prepare a refinement in memory, the poses that it starts from, and the particles behind it."""
    source = from_tilts(picks.tomograms, picks.particles, extraction)
    chosen = RefinementSettings(particle_diameter_angstrom=diameter, **settings)  # type: ignore[arg-type]
    rotation = euler_to_matrix(picks.particles.angles_deg[source.indices])
    assert picks.particles.half_set is not None
    poses = Poses.starting(rotation, picks.particles.half_set[source.indices])
    priors = Priors(rotation, np.zeros((len(rotation), 3)), source.voxel_angstrom, chosen)
    voxel = float(np.median(source.voxel_angstrom))
    store = TermStore(source.items, voxels_of(source.size, source.size // 2 - 1), 4e9)
    return Refinement(store, priors, source.series, voxel, source.response, chosen, threads=2), poses, source


def structure() -> GaussianParticle:
    return random_particle(900, 9.0, 0.8, np.random.default_rng(7))


@pytest.fixture(scope="session")
def picks() -> SimulatedPicks:
    return simulated_picks(structure(), CONDITIONS, n_series=2, per_series=24, seed=3)


@pytest.fixture
def project(picks: SimulatedPicks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as a RELION 5 project, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("tilt_series").mkdir()
    rows = []
    for series in picks.tomograms:
        with mrcfile.new(f"{series.name}.mrcs") as file:
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
        texts = {label: text_array([str(value) for value in values]) for label, values in columns.items()}
        write_tables(f"tilt_series/{series.name}.star", [Table(series.name, texts)])
        rows.append((series.name, *series.size_px))
    size = {f"rlnTomoSize{axis}": [str(row[1 + at]) for row in rows] for at, axis in enumerate("XYZ")}
    overview = {
        "rlnTomoName": [row[0] for row in rows],
        "rlnTomoTiltSeriesStarFile": [f"tilt_series/{row[0]}.star" for row in rows],
        "rlnTomoTiltSeriesPixelSize": ["5.0"] * len(rows),
        "rlnVoltage": ["300.0"] * len(rows),
        "rlnSphericalAberration": ["2.7"] * len(rows),
        "rlnAmplitudeContrast": ["0.1"] * len(rows),
        "rlnTomoHand": ["1.0"] * len(rows),
        **size,
    }
    write_tables("tomograms.star", [Table("global", {label: text_array(values) for label, values in overview.items()})])
    write_picks("particles.star", picks)
    return tmp_path


def write_picks(path: str, picks: SimulatedPicks, *, with_halves: bool = True, with_angles: bool = True) -> None:
    """Write the starts as a particle set."""
    particles = picks.particles
    columns = {"rlnTomoName": particles.tomogram_names.tolist(), "rlnTomoParticleName": particles.names.tolist()}
    for at, axis in enumerate("XYZ"):
        columns[f"rlnCenteredCoordinate{axis}Angst"] = [f"{value:.4f}" for value in particles.coordinates[:, at]]
    if with_angles:
        for at, name in enumerate(("Rot", "Tilt", "Psi")):
            columns[f"rlnAngle{name}"] = [f"{value:.4f}" for value in particles.angles_deg[:, at]]
    assert particles.half_set is not None
    if with_halves:
        columns["rlnRandomSubset"] = [str(half) for half in particles.half_set]
    columns["rlnOpticsGroup"] = ["1"] * len(particles)
    columns["myOwnColumn"] = [f"note{row}" for row in range(len(particles))]
    optics = {
        "rlnOpticsGroup": "1", "rlnOpticsGroupName": "simulated", "rlnVoltage": "300.0",
        "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1", "rlnTomoTiltSeriesPixelSize": "5.0",
    }  # fmt: skip
    tables = [Table("optics", {label: text_array([value]) for label, value in optics.items()})]
    write_tables(path, [*tables, Table("particles", {label: text_array(values) for label, values in columns.items()})])


def truth_map() -> np.ndarray:
    """The structure on a grid, in arbitrary units."""
    size = EXTRACTION.crop
    values = structure().volume_values(size) * size
    return np.fft.fftshift(np.fft.irfftn(values, s=(size,) * 3, axes=(0, 1, 2))).astype(np.float32)


def angles_of(picks: SimulatedPicks) -> np.ndarray:
    """The true orientations as Euler angles."""
    return matrix_to_euler(picks.rotation)
