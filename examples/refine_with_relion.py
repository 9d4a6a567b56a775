"""Does relion_refine find better poses in completed particles? The program itself, on simulated particles.

Particles are simulated in random orientations, extracted with RELION's terms, as whitened and as completed particles,
and refined by the relion_refine that is installed (3.1 or later): one iteration of local search against the true
reference, from starts some degrees and pixels off. Errors are compared particle by particle (Wilcoxon).

    python examples/refine_with_relion.py                     # 300 particles, some minutes
    python examples/refine_with_relion.py --particles 100 --snr 0.05 --diameter 150 --zero-mask
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import wilcoxon

from subtomo import PseudoSubtomogram, PseudoSubtomograms
from subtomo.io.mrc_write import write_mrc
from subtomo.io.star import find_table, read_tables, write_tables
from subtomo.jobs.cores import available_cores
from subtomo.model.settings import DataTerm, Weighting
from subtomo.model.table import Table, text_array
from subtomo.physics.orientation import euler_to_matrix, matrix_to_euler
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.simulation.scene import random_angles_deg
from subtomo.simulation.simulation import simulate

N_ATOMS, RADIUS_PX, SIGMA_PX = 900, 11.0, 0.8
START_ANGLE_DEG, START_SHIFT_PX = 4.0, 1.7
EXACT = {"weighting": Weighting.WHITENED, "data_term": DataTerm.EXACT}
KINDS: dict[str, dict[str, Any]] = {"relion": {}, "whitened": EXACT, "completed": {**EXACT, "complete_noise": True}}
"""Settings by kind of particle files: the sums of CTF-weighted slices and of CTF², or what follows from them."""


@dataclass(frozen=True)
class Case:
    """One simulated particle: its pose, and where the search starts."""

    number: int
    snr: float

    @property
    def conditions(self) -> Conditions:
        """A small box with a tilt series of usual range and dose."""
        return Conditions(
            box_size=96, crop_size=48, pixel_size_angstrom=4.0, n_tilts=31, dose_per_tilt=3.5, snr=self.snr
        )

    def pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotation matrix and shift in pixels."""
        random = np.random.default_rng([11, self.number])
        return euler_to_matrix(random_angles_deg(1, random)[0]), random.uniform(-1.0, 1.0, 3)

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """Rotation matrix and shift in pixels, some way off."""
        random = np.random.default_rng([12, self.number])
        turn, step = random.normal(size=(2, 3)) / np.sqrt(3.0)
        rotation, shift = self.pose()
        off = Rotation.from_rotvec(np.deg2rad(START_ANGLE_DEG) * turn).as_matrix()
        return off @ rotation, shift + START_SHIFT_PX * step


def model() -> GaussianParticle:
    """Give the structure."""
    return random_particle(N_ATOMS, RADIUS_PX, SIGMA_PX, np.random.default_rng(1))


def write_particle(case: Case, folder: Path) -> None:
    """Simulate a particle, and write it as every kind of files."""
    rotation, shift = case.pose()
    conditions = case.conditions
    simulation = simulate(model().moved(rotation, shift), conditions, np.random.default_rng([13, case.number]))
    for kind, choices in KINDS.items():
        settings = replace(conditions.settings, **choices)
        item = PseudoSubtomograms(simulation.tomograms, simulation.particles, settings)[0]
        assert isinstance(item, PseudoSubtomogram)
        for suffix, values in (("data", item.data), ("weights", item.weights)):
            write_mrc(
                folder / kind / f"{case.number}_{suffix}.mrc",
                values,
                pixel_size_angstrom=conditions.pixel_size_angstrom,
            )


def write_star(path: Path, cases: list[Case], kind: str) -> None:
    """Write the particle set that relion_refine starts from."""
    conditions = cases[0].conditions
    optics = {
        "rlnOpticsGroup": "1", "rlnOpticsGroupName": "simulated", "rlnVoltage": "300.0",
        "rlnSphericalAberration": "2.7", "rlnAmplitudeContrast": "0.1", "rlnCtfDataAreCtfPremultiplied": "0",
        "rlnImageDimensionality": "3", "rlnImageSize": str(conditions.crop_size),
        "rlnImagePixelSize": f"{conditions.pixel_size_angstrom:.6f}",
    }  # fmt: skip
    rows = []
    for case in cases:
        rotation, shift = case.start()
        angles, origin = matrix_to_euler(rotation[None])[0], -shift * conditions.pixel_size_angstrom
        files = [str(path.parent / kind / f"{case.number}_{suffix}.mrc") for suffix in ("data", "weights")]
        numbers = [f"{value:.6f}" for value in (*angles, *origin)]
        rows.append([*files, f"tomo{case.number}", "1", *numbers, str(case.number % 2 + 1)])
    labels = (
        "rlnImageName", "rlnCtfImage", "rlnMicrographName", "rlnOpticsGroup", "rlnAngleRot", "rlnAngleTilt",
        "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginZAngst", "rlnRandomSubset",
    )  # fmt: skip
    columns = {label: text_array([row[i] for row in rows]) for i, label in enumerate(labels)}
    tables = [Table("optics", {label: text_array([text]) for label, text in optics.items()})]
    write_tables(path, [*tables, Table("particles", columns)])


def write_reference(path: Path, conditions: Conditions) -> None:
    """Write the true map on the grey scale that particles have."""
    size = conditions.crop_size
    density = np.fft.irfftn(model().volume_values(size) * size, s=(size,) * 3, axes=(0, 1, 2)) * np.sqrt(size)
    write_mrc(path, np.fft.fftshift(density).astype(np.float32), pixel_size_angstrom=conditions.pixel_size_angstrom)


def refine(folder: Path, kind: str, options: list[str]) -> str:
    """Run relion_refine on one kind of files, and give the name of the particle set it writes."""
    command = [
        "relion_refine", "--i", str(folder / f"{kind}.star"), "--o", str(folder / f"{kind}_run"),
        "--ref", str(folder / "reference.mrc"), "--ctf", "--K", "1", "--iter", "1", "--tau2_fudge", "4",
        "--healpix_order", "4", "--sigma_ang", "2", "--offset_range", "3", "--offset_step", "1", "--oversampling", "1",
        "--pad", "1", "--dont_combine_weights_via_disc", "--preread_images", "--random_seed", "1",
        "--j", str(available_cores()), *options,
    ]  # fmt: skip
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"relion_refine failed:\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}")
    return str(folder / f"{kind}_run_it001_data.star")


def pose_errors(path: str, cases: list[Case]) -> np.ndarray:
    """Read poses, and give angular errors in degrees and position errors in Å: (n, 2)."""
    table = find_table(read_tables(path), "particles")
    assert table is not None
    numbers = {int(Path(name).name.split("_")[0]): row for row, name in enumerate(table.text("rlnImageName").tolist())}
    angles = np.stack([table.floats(f"rlnAngle{name}") for name in ("Rot", "Tilt", "Psi")], axis=1)
    origins = np.stack([table.floats(f"rlnOrigin{name}Angst") for name in "XYZ"], axis=1)
    errors = []
    for case in cases:
        rotation, shift = case.pose()
        row = numbers[case.number]
        angle = Rotation.from_matrix(euler_to_matrix(angles[row]) @ rotation.T).magnitude()
        distance = np.linalg.norm(-origins[row] - shift * case.conditions.pixel_size_angstrom)
        errors.append((np.degrees(angle), distance))
    return np.array(errors)


def compare(n_particles: int, snr: float, options: list[str], folder: Path) -> dict[str, np.ndarray]:
    """Simulate, extract and refine; errors (n, 2) by kind of files."""
    cases = [Case(number, snr) for number in range(n_particles)]
    for kind in KINDS:
        (folder / kind).mkdir()
    with ProcessPoolExecutor(available_cores()) as pool:
        list(pool.map(partial(write_particle, folder=folder), cases, chunksize=4))
    write_reference(folder / "reference.mrc", cases[0].conditions)
    found = {}
    for kind in KINDS:
        write_star(folder / f"{kind}.star", cases, kind)
        found[kind] = pose_errors(refine(folder, kind, options), cases)
    return found


def main() -> None:
    """Compare, and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=300)
    parser.add_argument("--snr", type=float, default=0.03)
    parser.add_argument("--diameter", type=float, default=180.0, help="particle_diameter, Å")
    parser.add_argument("--zero-mask", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("relion_refine") is None:
        parser.error("relion_refine is not installed")
    options = ["--particle_diameter", str(arguments.diameter), *(["--zero_mask"] if arguments.zero_mask else [])]
    with tempfile.TemporaryDirectory() as folder:
        found = compare(arguments.particles, arguments.snr, options, Path(folder))
    for kind, errors in found.items():
        angle, distance = errors.mean(axis=0)
        print(f"{kind:12s} {angle:6.2f} deg   90 %: {np.quantile(errors[:, 0], 0.9):5.2f} deg   {distance:6.2f} A")
    for other in ("whitened", "relion"):
        for index, what in enumerate(("angle", "position")):
            difference = found["completed"][:, index] - found[other][:, index]
            p = wilcoxon(difference, alternative="less").pvalue
            print(f"{what}: completed - {other} {difference.mean():+.3f}, p = {p:.1e} (one-sided paired Wilcoxon)")


if __name__ == "__main__":
    main()
