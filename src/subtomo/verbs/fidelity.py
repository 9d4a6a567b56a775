"""Measure cost errors from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from subtomo.jobs.fidelity import Study, StudyPoint, run_study, write_study
from subtomo.model.choices import check_kind, whole_number_of
from subtomo.model.notebook import Shown
from subtomo.report.fidelity import draw_study
from subtomo.simulation.conditions import Conditions
from subtomo.verbs.places import Where


@dataclass(frozen=True, eq=False, repr=False)
class Fidelity(Shown):
    """Cost errors at every setting of a study, with their pictures."""

    study: Study
    points: Sequence[StudyPoint]
    folder: str
    """Ends in a slash."""
    pictures: Sequence[str]
    """PNG files."""

    def _facts(self) -> list[tuple[str, Any]]:
        rows: list[tuple[str, Any]] = [("", f"{len(self.points)} setting(s)"), ("in", self.folder)]
        for point in self.points[:1]:
            rows += [(kind, f"{everywhere:.2f} %") for kind, (everywhere, _) in point.errors_percent.items()]
        return rows

    def _pictures(self) -> list[tuple[str, bytes]]:
        return [(Path(name).stem, Path(name).read_bytes()) for name in self.pictures]


def fidelity(
    conditions: Conditions | None = None,
    output_dir: Where = "fidelity/",
    *,
    n_atoms: int = 2500,
    radius_angstrom: float = 45.0,
    model_file: Where | None = None,
    n_particles: int = 3,
    scan: str | None = None,
    seed: int = 0,
) -> Fidelity:
    """Measure how far the cost by particle files is from the cost by tilt images, on simulated particles.

    Args:
        conditions: How particles are imaged, and the sizes of what is made of the images.
        output_dir: Folder for ``fidelity.json`` and the pictures.
        n_atoms: Gaussians in each random particle.
        radius_angstrom: Of a random particle.
        model_file: Atomic model (PDB or mmCIF) to take instead of random particles.
        n_particles: To average the errors over; some 20 seconds each at the usual size.
        scan: ``name=value,value,…``: repeat for several values of a condition.
        seed: Of all random numbers.

    Raises:
        InputError: The atomic model cannot be read.
        SettingsError: A setting makes no sense, or there is no such thing to scan.
    """
    check_kind("conditions", conditions, Conditions, NoneType)
    study = Study(
        conditions=conditions or Conditions(),
        n_atoms=n_atoms,
        radius_angstrom=radius_angstrom,
        model_file=None if model_file is None else str(model_file),
        n_particles=whole_number_of("n_particles", n_particles),
        seed=seed,
        scan=scan,
    )
    points = run_study(study, lambda _: None)
    folder = write_study(str(output_dir), study, points)
    return Fidelity(study, points, folder, draw_study(folder, points))
