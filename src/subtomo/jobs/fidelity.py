"""A study of cost errors: at one setting, or along one of its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SettingsError
from subtomo.io.atomic import atomic_write
from subtomo.io.atoms import read_atoms
from subtomo.jobs.cost_errors import Comparison, run_experiment
from subtomo.jobs.noise_power import noise_power
from subtomo.model.notebook import Shown
from subtomo.simulation.conditions import Conditions
from subtomo.simulation.particle import GaussianParticle, random_particle
from subtomo.words import as_json

_SIGMA_PX = 0.8
_NOISE_PARTICLES = 8
_SCANNED = {
    "box": "box_size",
    "crop": "crop_size",
    "pixel-size": "pixel_size_angstrom",
    "tilts": "n_tilts",
    "tilt-range": "tilt_range_deg",
    "defocus": "defocus_angstrom",
    "dose": "dose_per_tilt",
    "snr": "snr",
    "noise-exponent": "noise_exponent",
}
"""Options that can be scanned, and their fields in `Conditions`; besides ``radius``."""
_WHOLE = ("box", "crop", "tilts")


@dataclass(frozen=True)
class Study:
    """What to simulate."""

    conditions: Conditions
    n_atoms: int = 2500
    radius_angstrom: float = 45.0
    model_file: str | None = None
    """Atomic model to take instead of random particles."""
    n_particles: int = 3
    seed: int = 0
    scan: str | None = None
    """``name=value,value,…``"""

    def particle(self, conditions: Conditions, rng: np.random.Generator) -> GaussianParticle:
        """Make the particle of the study."""
        pixel_size = conditions.pixel_size_angstrom
        if self.model_file is None:
            return random_particle(self.n_atoms, self.radius_angstrom / pixel_size, _SIGMA_PX, rng)
        atoms = read_atoms(self.model_file)
        return GaussianParticle(atoms.positions_angstrom / pixel_size, _SIGMA_PX, atoms.weights)


@dataclass(frozen=True, eq=False, repr=False)
class StudyPoint(Shown):
    """Cost errors at one setting."""

    caption: str
    value: float
    """Of what is scanned."""
    errors_percent: dict[str, tuple[float, float]]
    """Kind of file to the cost error over all poses and near the true one, averaged over particles."""
    knowing_noise_percent: dict[str, tuple[float, float]]
    """The same of whitened files with the true noise level."""
    noise_power: dict[str, NDArray[np.float64]]
    """Kind of whitened file to what relion_refine would find for the noise per shell, over what it is."""
    example: Comparison
    """The costs of the first particle."""

    def _facts(self) -> list[tuple[str, Any]]:
        return [("", self.caption), *((kind, f"{error:.2f} %") for kind, (error, _) in self.errors_percent.items())]


def run_study(study: Study, announce: Callable[[str], None]) -> list[StudyPoint]:
    """Measure cost errors at every setting of a study.

    Raises:
        InputError: The atomic model cannot be read.
        SettingsError: A setting makes no sense, or there is no such thing to scan.
    """
    points = []
    for caption, value, variant in _variants(study):
        announce(f"{caption}: {study.n_particles} particle(s), some 20 seconds each at the usual size")
        found = list(
            run_experiment(
                lambda rng, variant=variant: variant.particle(variant.conditions, rng),  # type: ignore[misc]
                variant.conditions,
                study.n_particles,
                study.seed,
            )
        )
        kinds = found[0].costs
        errors = {kind: _mean([comparison.errors_percent(kind) for comparison in found]) for kind in kinds}
        white = found[0].knowing_noise
        knowing = {kind: _mean([one.errors_knowing_noise_percent(kind) for one in found]) for kind in white}
        particle = variant.particle(variant.conditions, np.random.default_rng(study.seed))
        power = noise_power(particle, variant.conditions, _NOISE_PARTICLES, study.seed)
        points.append(StudyPoint(caption, value, errors, knowing, power, found[0]))
    return points


def write_study(folder_name: str, study: Study, points: Sequence[StudyPoint]) -> str:
    """Write the numbers of a study as JSON, and give the folder with a slash at its end."""
    folder = Path(folder_name)
    folder.mkdir(parents=True, exist_ok=True)
    account = {
        "study": asdict(study),
        "points": [
            {
                "caption": p.caption,
                "value": p.value,
                "errors_percent": p.errors_percent,
                "errors_knowing_noise_percent": p.knowing_noise_percent,
                "noise_power": {kind: np.round(power, 4).tolist() for kind, power in p.noise_power.items()},
            }
            for p in points
        ],
    }
    with atomic_write(folder / "fidelity.json") as stream:
        stream.write((as_json(account) + "\n").encode())
    return f"{folder}/"


def _variants(study: Study) -> list[tuple[str, float, Study]]:
    if study.scan is None:
        return [("cost error", 0.0, study)]
    name, _, texts = study.scan.partition("=")
    name = name.strip().lstrip("-")
    if name not in (*_SCANNED, "radius"):
        known = ", ".join((*_SCANNED, "radius"))
        raise SettingsError(f"{study.scan}: there is no {name!r} to scan (scan), only {known}", field="scan")
    variants = []
    for text in texts.split(","):
        try:
            value = int(text) if name in _WHOLE else float(text)
        except ValueError:
            kind = "whole number" if name in _WHOLE else "number"
            raise SettingsError(
                f"{study.scan}: {text!r} is no {kind}; write what is scanned (scan) as {name}=value,value", field="scan"
            ) from None
        if name == "radius":
            variants.append((f"{name} {text}", float(value), replace(study, radius_angstrom=value)))
        else:
            change: dict[str, Any] = {_SCANNED[name]: value}
            changed = replace(study.conditions, **change)
            variants.append((f"{name} {text}", float(value), replace(study, conditions=changed)))
    return variants


def _mean(errors: Sequence[tuple[float, float]]) -> tuple[float, float]:
    mean: NDArray[np.float64] = np.mean(errors, axis=0)
    return float(mean[0]), float(mean[1])
