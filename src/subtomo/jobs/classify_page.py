"""Draw a classification: its page, and the pictures beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subtomo.classification.settings import ClassificationSettings
from subtomo.jobs.classify import ClassificationResult
from subtomo.report.classification import ClassificationFacts, write_classification_page


def class_names(settings: ClassificationSettings) -> list[str]:
    """Name the classes as people read them."""
    names = [f"class {number + 1}" for number in range(settings.classes)]
    if settings.false_picks:
        names += [f"class {settings.classes + 1}, nothing", f"class {settings.classes + 2}, a ball"]
    return names


def draw_classification(result: ClassificationResult, command: tuple[str, ...], warn: Callable[[str], None]) -> None:
    """Draw the page; whatever goes wrong is but a warning, for the results are whole."""
    try:
        write_classification_page(_facts(result, command))
    except Exception as error:
        warn(f"the report could not be made ({type(error).__name__}: {error}); the results are whole")


def _facts(result: ClassificationResult, command: tuple[str, ...]) -> ClassificationFacts:
    """Gather what the page shows."""
    last, particles = result.last, result.particles
    chosen = result.source.indices[result.rows]
    assigned = last.assigned
    return ClassificationFacts(
        folder=Path(result.folder or "."),
        title=result.folder.rstrip("/") or "classification",
        names=class_names(result.settings),
        maps=result.maps,
        noise=result.noise,
        pixel_size_angstrom=result.grid.voxel_angstrom,
        assigned=assigned,
        probability=last.probability[np.arange(len(assigned)), assigned],
        series=particles.tomogram_names[chosen].tolist(),
        coordinates=particles.coordinates[chosen],
        shares=np.stack([one.shares for one in result.iterations]),
        changes=np.array([one.change for one in result.iterations]),
        resolutions=[one.resolution_angstrom for one in result.classes],
        compared_angstrom=result.grid.resolution_of(last.last_shell),
        confounded=[(one.name, one.bits, one.by_chance, one.probability) for one in result.confounded],
        held_out=_held_out(result),
        left_out=result.left_out,
        settings=[*_setting_rows(result.settings), ("Poses", _poses(result))],
        command=command,
        notes=result.notes,
        seconds=result.seconds,
    )


def _held_out(result: ClassificationResult) -> list[tuple[int, float, float]]:
    if not result.compared:
        return []
    best = max(result.compared, key=lambda one: one.mean)

    def error(values: NDArray[np.float64]) -> float:
        return float(np.std(values - best.log_likelihood) / np.sqrt(len(values)))

    return [(one.classes, one.mean, error(one.log_likelihood)) for one in result.compared]


def _poses(result: ClassificationResult) -> str:
    """Say what became of the poses."""
    if not result.settings.aligns:
        return "as they were"
    changes = "; ".join(f"{one.turn_deg:.2f}°, {one.move_angstrom:.2f} Å" for one in result.alignments)
    return f"refined within the classes; mean changes by round: {changes}"


def _setting_rows(settings: ClassificationSettings) -> list[tuple[str, str]]:
    """Put the settings into words."""
    return [
        ("Classes of particles", f"{settings.classes}"),
        ("Classes of false picks", "nothing, and a ball" if settings.false_picks else "none"),
        ("Symmetry", settings.symmetry.upper()),
        ("Factor of signal-to-noise ratios", f"{settings.tau2_fudge:g}"),
        ("Random starts", f"{settings.starts}"),
        ("Random seed", f"{settings.seed}"),
    ]
